"""A program compiled for this machine itself, outside the sandbox: how fast is it at home?"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .app import App
from .build import INCLUDE_FOLDER
from .fault import BuildError, InputError

FLAGS = ("-O3",)
COMPILE_TIME_S_MAX = 600.0
BINARY = "program"


def native_compiler(app: App) -> str | None:
    """The compiler of this machine for the program that units run; None if there is none."""
    sources = app.programs[app.split.program].sources
    if not sources:
        return None
    return shutil.which("gcc" if all(source.endswith(".c") for source in sources) else "g++")


def build_native(app: App, folder: Path) -> Path:
    """Compile the program that units run into ``folder``; returns it as the place to run it in.

    There it finds its shared inputs in ``in/`` and may write to ``out/``, as ``idlegrid.h`` says of
    native programs. Raises :class:`InputError` where this machine has no compiler for it and
    :class:`BuildError` when it does not compile.
    """
    program = app.programs[app.split.program]
    compiler = native_compiler(app)
    if compiler is None:
        raise InputError(f"program {program.name}: this machine has no gcc or g++ for its sources")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in").mkdir(exist_ok=True)
    (folder / "out").mkdir(exist_ok=True)
    for name, path in app.split.inputs.items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / "in" / name)
    command = [compiler, *FLAGS, f"-I{INCLUDE_FOLDER}", *program.flags, *program.sources]
    done = subprocess.run(
        [*command, "-o", str((folder / BINARY).absolute()), "-lm"],
        cwd=app.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=COMPILE_TIME_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(
            f"program {program.name} does not compile for this machine",
            detail=done.stdout.decode("utf-8", "replace").strip(),
        )
    return folder


def native_cpu_s(place: Path, args: Sequence[str]) -> float:
    """Processor seconds of one run in ``place``, its start included (a millisecond).

    Raises ``OSError`` when it fails, or where nobody counts them.
    """
    if sys.platform == "win32":
        raise OSError("processor time of other programs is not measured on Windows")
    with subprocess.Popen(
        [place / BINARY, *args],
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise OSError(f"exit code {process.returncode}")
    return used.ru_utime + used.ru_stime
