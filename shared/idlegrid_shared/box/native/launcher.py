"""The last step before a native program: give everything up, then become it.

It reads one JSON object from standard input. File descriptor 3 is the way to the parent: a line of
JSON with ``ready`` before the last call, with ``failed`` if it is not to be, then what bubblewrap
says on it. Started
anew for every run, so nothing slow is imported.
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import struct
from typing import Any, NoReturn

from idlegrid_shared.sandbox.landlock import restrict_files

from .start import FILTER_FD, STATUS_FD
from .syscall import native_filter

OPEN_FILES_MAX = 128
#: In a process namespace of its own bubblewrap is the first, and the program the second.
PID_INSIDE = 2
STACK_BYTES = 8 * 1024**2
OOM_SCORE = 900

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 22, 24
_PR_SET_SECUREBITS, _PR_SET_NO_NEW_PRIVS = 28, 38
_SECCOMP_MODE_FILTER = 2
_CAPS_MAX = 64
#: SECBIT_NOROOT, NO_SETUID_FIXUP and their locks: user 0 is a user like any other.
_SECUREBITS = 0b1111
_CAPABILITY_VERSION_3 = 0x2008_0522
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_IDLE = 3 << 13


class _Failed(Exception):  # noqa: N818 (a verdict)
    pass


def main() -> NoReturn:
    """Close the wall and become the program; never returns."""
    try:
        order = json.loads(_read_order())
        _prepare(order)
        _limit(order)
        if order["wall"] == "landlock":
            _close_landlock(order)
        else:
            _hand_filter()
        os.write(STATUS_FD, b'{"ready": true}\n')
        os.execve(order["command"][0], order["command"], order["env"])  # noqa: S606
    except (_Failed, OSError, ValueError, KeyError) as error:
        os.write(STATUS_FD, json.dumps({"failed": str(error)}).encode() + b"\n")
    os._exit(1)


def _read_order() -> bytes:
    pieces = []
    while piece := os.read(0, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def _prepare(order: dict[str, Any]) -> None:
    """Be alone, humble, and mortal: with the parent gone, this process goes too."""
    if order["status"] != STATUS_FD:
        os.dup2(order["status"], STATUS_FD)
    os.closerange(STATUS_FD + 1, 65_536)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != order["parent"]:
        os._exit(0)  # it died before the line above took hold
    os.setsid()
    os.umask(0o077)
    os.chdir(order["cwd"])
    os.nice(19)
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        libc.syscall(_IOPRIO_SET.get(os.uname().machine, 0), 1, 0, _IOPRIO_IDLE)
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 (start time)
            file.write(str(OOM_SCORE))
    except OSError:
        pass  # it is politeness, no wall


def _limit(order: dict[str, Any]) -> None:
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_STACK, STACK_BYTES),
        (resource.RLIMIT_DATA, order["data_bytes"]),
        (resource.RLIMIT_AS, order["address_bytes"]),
        (resource.RLIMIT_FSIZE, order["file_bytes"]),
        (resource.RLIMIT_CPU, order["cpu_s"]),
    ):
        hard = resource.getrlimit(what)[1]
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (wanted, wanted))


def _hand_filter() -> None:
    """The filter as a file for bubblewrap, which installs it last."""
    file = os.memfd_create("filter", 0)
    os.write(file, native_filter(os.uname().machine, PID_INSIDE))
    os.lseek(file, 0, os.SEEK_SET)
    if file != FILTER_FD:
        os.dup2(file, FILTER_FD, inheritable=True)
        os.close(file)
    os.set_inheritable(STATUS_FD, True)


def _close_landlock(order: dict[str, Any]) -> None:
    """No capabilities, no new ones, no files but its own, no calls but those allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    fcntl.fcntl(STATUS_FD, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    if os.geteuid() == 0:
        for capability in range(_CAPS_MAX):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        if libc.prctl(_PR_SET_SECUREBITS, _SECUREBITS, 0, 0, 0) != 0:
            raise _Failed("the system did not take root's privileges away")
        os.setgroups([])
    _drop_capabilities(libc)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _Failed("the system does not rule out new privileges")
    if not restrict_files(order["readable"], order["writable"]):
        raise _Failed("Landlock did not take hold")
    program = native_filter(os.uname().machine, os.getpid())
    code = ctypes.create_string_buffer(program, len(program))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    described = Filter(len(program) // 8, ctypes.addressof(code))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0) != 0:
        raise _Failed("the filter of system calls did not take hold")


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if libc.capset(header, b"\0" * 24) != 0:
        raise _Failed("the system did not take the capabilities away")


if __name__ == "__main__":
    main()
