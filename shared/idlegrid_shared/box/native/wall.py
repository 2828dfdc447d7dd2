"""Which wall stands around a native program, and what it is told."""

import os
import platform
import shutil
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from idlegrid_shared.sandbox.landlock import landlock_version

from .stage import Stage
from .start import FILTER_FD, STATUS_FD

#: bubblewrap: namespaces, so that nothing else exists inside; Landlock: what exists is shut.
Wall = Literal["bubblewrap", "landlock"]
WALLS: tuple[Wall, ...] = ("bubblewrap", "landlock")

#: With version 6 signals and abstract sockets end at the wall, too.
LANDLOCK_MIN = 6
#: Somebody who owns nothing, as the program sees itself.
NOBODY = "65534"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
#: What a dynamic executable needs; a static one sees none of it.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")

_ELF = b"\x7fELF\x02\x01\x01"
_MACHINES = {62: "x86_64", 183: "aarch64"}
_PT_INTERP = 3


def native_platform() -> str:
    """This machine as releases name it: ``linux-x86_64``."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}-{ {'amd64': 'x86_64', 'arm64': 'aarch64'}.get(machine, machine) }"


def missing(wall: Wall) -> str:
    """Why that wall cannot be built here, in plain words; "" if nothing seems to be missing."""
    if sys.platform != "linux":
        return "native programs are run on Linux only: the walls of other systems are not tested"
    if native_platform() not in ("linux-x86_64", "linux-aarch64"):
        return f"there is no list of allowed system calls for {platform.machine()}"
    if wall == "bubblewrap":
        return "" if shutil.which("bwrap") else "bubblewrap (the command bwrap) is not installed"
    version = landlock_version()
    if version < LANDLOCK_MIN:
        has = f"Landlock {version}" if version else "no Landlock"
        return f"the kernel has {has}; version {LANDLOCK_MIN} is needed (Linux 6.12)"
    return ""


class ExecutableError(ValueError):
    """A file that is no program for this machine; the message says what it is."""


def is_dynamic(executable: bytes, wanted: str = "") -> bool:
    """Whether an ELF executable needs the system's libraries, from its first 64 KiB.

    ``wanted``: the platform it must be for, this machine's if "". Raises :class:`ExecutableError`.
    """
    wanted = wanted or native_platform()
    if len(executable) < 64 or not executable.startswith(_ELF):
        raise ExecutableError("the program's file is no 64-bit Linux executable")
    kind, machine = struct.unpack_from("<HH", executable, 16)
    if kind not in (2, 3) or _MACHINES.get(machine) != wanted.partition("-")[2]:
        raise ExecutableError(
            f"the program's file is made for {_MACHINES.get(machine, 'another processor')}, "
            f"not for {wanted}"
        )
    start, size, count = struct.unpack_from("<Q14xHH", executable, 32)
    for index in range(count):
        at = start + index * size
        if at + 4 > len(executable):
            raise ExecutableError("the program's file has its headers in an unusual place")
        if struct.unpack_from("<I", executable, at)[0] == _PT_INTERP:
            return True
    return False


def box_environment(wall: Wall, stage: Stage, seed: bytes) -> dict[str, str]:
    """The program's whole environment. Relative paths ``in/`` and ``out/`` hold in both walls."""
    root = Path("/") if wall == "bubblewrap" else stage.root
    return {
        "LANG": "C.UTF-8",
        "IDLEGRID_IN": str(root / "in"),
        "IDLEGRID_OUT": str(root / "out"),
        "IDLEGRID_PROGRESS": str(root / "progress"),
        "IDLEGRID_SEED": seed.hex(),
    }


def bubblewrap_command(
    stage: Stage, program: Sequence[str], environment: Mapping[str, str], shown: Sequence[str]
) -> list[str]:
    """The command for a box in which only the stage's folders, and ``shown``, exist."""
    command = [
        shutil.which("bwrap") or "bwrap",
        *("--unshare-all", "--unshare-user", "--uid", NOBODY, "--gid", NOBODY),
        *("--hostname", "idlegrid", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--clearenv"),
        *("--seccomp", str(FILTER_FD), "--json-status-fd", str(STATUS_FD)),
    ]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    for device in _DEVICES:
        command += ["--dev-bind", device, device]
    for path in shown:
        if Path(path).is_symlink() and Path(path).is_dir():
            command += ["--symlink", os.readlink(path), path]  # noqa: PTH115 (as it stands)
        else:
            command += ["--ro-bind-try", path, path]
    command += [
        *("--ro-bind", str(stage.program), "/program", "--ro-bind", str(stage.inputs), "/in"),
        *("--bind", str(stage.out), "/out", "--bind", str(stage.progress), "/progress"),
        *("--remount-ro", "/", "--chdir", "/", "--", *program),
    ]
    return command


def landlock_places(stage: Stage, shown: Sequence[str]) -> tuple[list[str], list[str]]:
    """What may be read, and what may be written as well."""
    readable = [str(stage.inputs), str(stage.program), *shown, *_DEVICES]
    return readable, [str(stage.out), str(stage.progress), "/dev/null"]
