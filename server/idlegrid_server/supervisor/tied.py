"""Start a program that dies when its parent dies: ``tied.py PARENT_PID PROGRAM [ARG…]``.

Linux only (prctl PR_SET_PDEATHSIG, kept across exec); elsewhere the program simply starts, and the
next ``serve`` ends what a dead supervisor left. A separate tiny program because Python must not
run code between fork and exec of a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(args: list[str]) -> None:
    """Tie this process to ``args[0]`` (a pid), then become ``args[1:]``."""
    parent, command = int(args[0]), args[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we were tied to it
            sys.exit(0)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
