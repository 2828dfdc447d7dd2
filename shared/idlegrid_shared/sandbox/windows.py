"""Suspending a process on Windows, where there is no stop signal."""

import ctypes
import subprocess
import sys

if sys.platform == "win32":

    def set_suspended(process: "subprocess.Popen[bytes]", suspended: bool) -> None:
        """Suspend or resume all threads of ``process`` (ntdll; the calls count, so pair them)."""
        handle = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined]
        if suspended:
            ctypes.windll.ntdll.NtSuspendProcess(handle)
        else:
            ctypes.windll.ntdll.NtResumeProcess(handle)
