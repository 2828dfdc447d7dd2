"""What the worker gives up before it runs a stranger's program.

WebAssembly is the wall; this is the moat behind it, for the day the wall has a hole. Every step is
the best that the system offers and none is needed for correctness, so a refusal is no error. The
address space is not limited: the engine reserves 4 GiB of it without using it, and the guest's
memory has its own exact limit.
"""

import contextlib
import ctypes
import os
import platform
import signal
import struct
import sys

OPEN_FILES_MAX = 64
#: Among the first to go when memory runs out, before the volunteer's own programs.
OOM_SCORE = 900
DESCRIPTORS_CLOSED = 4096

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# Linux system calls by number (asm/unistd.h): network, new programs, looking into or mounting over
# others, kernel doors with a long record of holes.
# fmt: off
_DENIED = {
    "x86_64": (
        0xC000_003E,
        (41, 42, 43, 44, 46, 49, 50, 53, 57, 58, 59, 101, 155, 161, 165, 166, 175, 176, 246, 248,
         249, 250, 272, 288, 298, 304, 307, 308, 310, 311, 313, 321, 322, 323, 425, 426, 427,
         428, 429, 430, 431, 432, 433, 438, 442),
    ),
    "aarch64": (
        0xC000_00B7,
        (39, 40, 41, 51, 97, 104, 105, 106, 117, 198, 199, 200, 201, 202, 203, 206, 211, 217, 218,
         219, 221, 241, 242, 265, 268, 269, 270, 271, 273, 280, 281, 282, 425, 426, 427,
         428, 429, 430, 431, 432, 433, 438, 442),
    ),
}
# fmt: on


def confine_process(parent: int) -> None:
    """Give up what is not needed any more; call it before any thread starts.

    ``parent`` is the process to die with: where Linux cannot promise that, the worker notices the
    end of its standard input.
    """
    if hasattr(os, "closerange"):
        os.closerange(3, DESCRIPTORS_CLOSED)
    if sys.platform == "win32":
        return
    import resource

    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES_MAX)
    with contextlib.suppress(OSError):
        os.umask(0o077)
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write(str(OOM_SCORE))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent and os.getppid() != parent:
        os._exit(0)  # it died before the line above took hold
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        _deny_calls(libc)


def confine_run(file_bytes: int) -> None:
    """Give up making threads and large files; call it once the module is compiled.

    ``file_bytes`` is the size of the largest file that the run may need.
    """
    if sys.platform == "win32":
        return
    import resource

    _limit(resource.RLIMIT_FSIZE, max(file_bytes, 4096))
    if hasattr(resource, "RLIMIT_NPROC"):
        _limit(resource.RLIMIT_NPROC, 0)


def _limit(what: int, value: int) -> None:
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (value, value))


def _deny_calls(libc: ctypes.CDLL) -> None:
    """Install a seccomp filter that answers EPERM to the calls in ``_DENIED``."""
    program = filter_program(platform.machine())
    if program is None:
        return
    code = ctypes.create_string_buffer(program, len(program))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    described = Filter(len(program) // 8, ctypes.addressof(code))
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0)


def filter_program(machine: str) -> bytes | None:
    """The filter for a machine type as BPF instructions (linux/bpf_common.h), or None.

    A call of a foreign architecture, or of the x32 table, gets EPERM as well.
    """
    if machine not in _DENIED or struct.calcsize("P") != 8:
        return None
    architecture, calls = _DENIED[machine]
    load, jump_equal, jump_at_least, give_back = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF_0000, 0x0005_0001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
    count = len(calls)
    steps = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (jump_equal, 0, count + 3, architecture),
        (load, 0, 0, 0),  # seccomp_data.nr
        (jump_at_least, count + 1, 0, 0x4000_0000),
    ]
    steps += [(jump_equal, count - index, 0, call) for index, call in enumerate(calls)]
    steps += [(give_back, 0, 0, allow), (give_back, 0, 0, refuse)]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)
