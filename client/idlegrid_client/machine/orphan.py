"""Sandbox processes that a former run of the client left behind.

On Linux a worker dies with the client by itself. Elsewhere, and should that fail, its process id
and birth stand in the task's folder, so that the next start can end it: and no other process that
happened to get the same number.
"""

import contextlib
import os
import sys
from pathlib import Path

import msgspec
import psutil

_BIRTH_TOLERANCE_S = 1.0
_END_WAIT_S = 2.0


class Trace(msgspec.Struct, frozen=True):
    """A process as it can be found again."""

    pid: int
    born_at_s: float  # Unix time


def leave_trace(path: Path, pid: int) -> None:
    """Note a process. Not synced: after a power cut there is none to look for."""
    with contextlib.suppress(psutil.Error, OSError):
        trace = Trace(pid, psutil.Process(pid).create_time())
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(msgspec.json.encode(trace))
        temporary.replace(path)


def end_orphan(path: Path) -> bool:
    """End the process noted at ``path`` if it still lives; whether it did. The note goes."""
    try:
        trace = msgspec.json.decode(path.read_bytes(), type=Trace)
    except FileNotFoundError:
        return False
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        path.unlink(missing_ok=True)
        return False
    path.unlink(missing_ok=True)
    try:
        process = psutil.Process(trace.pid)
        same = abs(process.create_time() - trace.born_at_s) < _BIRTH_TOLERANCE_S
        if not same or trace.pid == os.getpid():
            return False
        for victim in [*process.children(recursive=True), process]:
            victim.kill()
        process.wait(_END_WAIT_S)
    except psutil.NoSuchProcess:
        return False
    except (psutil.AccessDenied, psutil.TimeoutExpired):
        return False
    return True


def make_humble(pid: int) -> None:
    """Give a process the lowest priority for processor and disk: the owner comes first."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if sys.platform == "win32":
            process.nice(psutil.IDLE_PRIORITY_CLASS)
            process.ionice(psutil.IOPRIO_VERYLOW)
        else:
            process.nice(19)
            if sys.platform == "linux":
                process.ionice(psutil.IOPRIO_CLASS_IDLE)
