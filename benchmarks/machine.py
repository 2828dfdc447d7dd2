"""The machine a figure was measured on, with three calibrations so that others can compare."""

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

CALIBRATION_S = 1.0


def _rate(step: Callable[[], object], seconds: float = CALIBRATION_S) -> float:
    """How often a second ``step()`` runs."""
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        step()
        count += 1
    return round(count / elapsed, 1)


def fdatasync_rate(folder: Path) -> float:
    """Appends of 4 KiB to one file, each followed by fdatasync, a second."""
    with (folder / "sync").open("wb", buffering=0) as file:

        def step() -> None:
            file.write(b"\0" * 4096)
            os.fdatasync(file.fileno())

        return _rate(step)


def sqlite_commit_rate(folder: Path) -> float:
    """Single-row commits a second in WAL mode with synchronous=FULL."""
    db = sqlite3.connect(folder / "commits.db", isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
        return _rate(lambda: db.execute("INSERT INTO t (x) VALUES ('row')"))
    finally:
        db.close()


def python_loop_rate() -> float:
    """Rounds a second of a plain Python loop of 1,000 additions."""

    def step() -> int:
        total = 0
        for i in range(1000):
            total += i
        return total

    return _rate(step)


def describe_machine() -> dict[str, object]:
    """Processor, memory, versions and the calibrations (three seconds)."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            x for x in info.read_text(encoding="utf-8").splitlines() if x.startswith("model name")
        ]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    with tempfile.TemporaryDirectory(dir=Path.cwd() / "build") as name:
        folder = Path(name)
        calibration = {
            "fdatasync_per_s": fdatasync_rate(folder),
            "sqlite_commits_per_s": sqlite_commit_rate(folder),
            "python_loops_per_s": python_loop_rate(),
        }
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "flask": version("flask"),
        "gunicorn": version("gunicorn"),
        "calibration": calibration,
    }
