"""Looking at a program's processes from outside, by what Linux tells in /proc."""

import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple

_TICK_S = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
_PROC = Path("/proc")


class Usage(NamedTuple):
    """What a process takes now."""

    memory_bytes: int  # without the pages of files, which the system may drop
    threads: int
    cpu_s: float


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that still live."""
    try:
        with contextlib.suppress(FileNotFoundError):
            text = _PROC.joinpath(str(pid), "task", str(pid), "children").read_text()
            return [int(child) for child in text.split()]
    except OSError:
        return []
    return [int(p.name) for p in _PROC.iterdir() if p.name.isdigit() and _parent(p) == pid]


def _parent(process: Path) -> int:
    try:
        return int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def whole_tree(pid: int) -> list[int]:
    """``pid`` and all that descend from it, parents first."""
    found = [pid]
    for process in found:
        found += [child for child in children(process) if child not in found]
    return found


def signal_tree(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all its descendants."""
    for process in whole_tree(pid):
        with contextlib.suppress(OSError):
            os.kill(process, number)


def usage(pid: int) -> Usage | None:
    """What ``pid`` takes; None once it is gone."""
    folder = _PROC / str(pid)
    try:
        stat = folder.joinpath("stat").read_text().rpartition(")")[2].split()
        status = folder.joinpath("status").read_text()
    except OSError:
        return None
    if stat[0] in "ZX":  # dead, only its number waits to be taken back
        return None
    figures = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    kib = sum(int(figures.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem"))
    cpu_s = (int(stat[11]) + int(stat[12])) * _TICK_S
    return Usage(kib * 1024, int(figures.get("Threads", "1")), cpu_s)


def deleted_bytes(pid: int) -> int:
    """Room on the disk of files that a process deleted but keeps open."""
    total = 0
    with contextlib.suppress(OSError):
        for link in _PROC.joinpath(str(pid), "fd").iterdir():
            with contextlib.suppress(OSError):
                facts = link.stat()
                if facts.st_nlink == 0:
                    total += facts.st_blocks * 512
    return total
