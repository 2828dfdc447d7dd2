"""Landlock: let the worker open nothing but the files of its own job (Linux 5.13 and later).

Source of numbers and structures: the kernel's ``linux/landlock.h``. Like the rest of the moat it is
the best on offer and no condition: :func:`restrict_files` says whether it took hold.
"""

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every 64-bit architecture
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_FOLDER
#: All rights that version 1 knows, and those that versions 2, 3 and 5 added.
_RIGHTS_1 = (1 << 13) - 1
_RIGHTS_ADDED = ((2, 1 << 13), (3, _TRUNCATE), (5, 1 << 15))
#: Making devices, sockets and pipes is not for the worker's own folders either.
_WRITE = _RIGHTS_1 & ~(1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12) | 1 << 13 | _TRUNCATE
_NET_BIND_CONNECT = 0b11
#: Version 6: abstract sockets and signals reach no process outside.
_SCOPE_SOCKET_SIGNAL = 0b11

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")


def landlock_version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version = ctypes.CDLL(None, use_errno=True).syscall(_CREATE, None, 0, _VERSION_FLAG)
    return max(0, int(version))


def program_places() -> list[str]:
    """The folders that Python itself needs to read: its own and those it imports from."""
    places = [sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(sys.executable)]  # noqa: PTH120
    places += [path for path in sys.path if os.path.isabs(path)]  # noqa: PTH117
    return sorted({*places, *_LIBRARIES})


def restrict_files(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """Give up all files but ``readable`` and, to write as well, ``writable``; for good.

    It holds for this thread and those that it starts later. No new privileges must be set. Paths
    that do not exist are passed over. False: the kernel has no Landlock, and nothing changed.
    """
    version = landlock_version()
    if version < 1:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    rights = _RIGHTS_1
    for since, added in _RIGHTS_ADDED:
        rights |= added if version >= since else 0
    attributes = struct.pack("=Q", rights)
    if version >= 4:
        attributes += struct.pack("=Q", _NET_BIND_CONNECT)
    if version >= 6:
        attributes += struct.pack("=Q", _SCOPE_SOCKET_SIGNAL)
    rules = libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(libc, rules, path, _READ & rights)
        for path in writable:
            _allow(libc, rules, path, (_READ | _WRITE) & rights)
        return bool(libc.syscall(_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


if sys.platform == "linux":

    def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
        with contextlib.suppress(OSError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                if not stat.S_ISDIR(os.fstat(place).st_mode):
                    rights &= _FILE_ONLY
                libc.syscall(_ADD, rules, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
            finally:
                os.close(place)
else:

    def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
        raise OSError("Landlock is a part of Linux")
