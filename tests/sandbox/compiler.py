"""C and C++ programs of the tests, compiled once and kept under build/ by their source's hash.

To wasm by the compiler that scientists use (ziglang), and natively by the system's, which shows
what a POSIX system does.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
TARGETS = ROOT / "build" / "test-programs"
PATIENCE_S = 280

Kind = Literal["wasm", "native"]


def source_of(name: str) -> Path:
    """The source of a program of ``programs/``: ``name.c`` or ``name.cpp``."""
    found = [PROGRAMS / f"{name}{suffix}" for suffix in (".c", ".cpp")]
    return next(path for path in found if path.exists())


def command_for(source: Path, kind: Kind) -> list[str]:
    """The compiler and its options, without the output."""
    is_c = source.suffix == ".c"
    if kind == "native":
        return ["gcc" if is_c else "g++", "-O2", "-D_GNU_SOURCE", "-ffp-contract=off"]
    driver = "cc" if is_c else "c++"
    options = [] if is_c else ["-fno-exceptions"]
    return [
        sys.executable,
        "-m",
        "ziglang",
        driver,
        "-target",
        "wasm32-wasi",
        "-O2",
        "-s",
        *options,
    ]


def compiled(source: Path, kind: Kind) -> Path:
    """The compiled program; several test processes may ask for the same one at once."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    target = TARGETS / f"{source.stem}-{digest}.{kind}"
    if not target.exists():
        _compile_once(source, kind, target)
    return target


def _compile_once(source: Path, kind: Kind, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_suffix(".lock")
    until_s = time.monotonic() + PATIENCE_S - 60
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if target.exists() or time.monotonic() > until_s:
                break
            time.sleep(0.2)
    try:
        if target.exists():
            return
        cache = str(ROOT / "build" / "zig-cache")
        environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
        fresh = target.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [*command_for(source, kind), "-o", str(fresh), str(source)],
            check=True,
            env=environment,
            timeout=PATIENCE_S,
        )
        fresh.replace(target)
    finally:
        if lock.exists():
            lock.rmdir()
