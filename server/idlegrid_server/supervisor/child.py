"""One supervised process: its command, its log, its life."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from .backoff import Backoff

LOG_BYTES_MAX = 16 * 1024 * 1024
TIED = Path(__file__).with_name("tied.py")


class Child:
    """A process that is started again when it dies. Times are seconds of a monotonic clock."""

    def __init__(
        self,
        role: str,
        command: list[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
        stop_s: float = 5.0,
    ) -> None:
        self.role = role
        self.command = command
        self.log = log
        self.env = dict(env or {})
        self.pass_fds = pass_fds
        self.stop_s = stop_s
        self.backoff = Backoff()
        self.process: subprocess.Popen[bytes] | None = None
        self.born = 0.0
        self.start_at: float | None = 0.0  # when to start (again); None while it lives
        self.starts = 0

    @property
    def pid(self) -> int:
        """The pid; 0 while it does not run."""
        return self.process.pid if self.process is not None else 0

    def start(self, now: float) -> None:
        """Start it, tied to the life of this process; its output is appended to its log."""
        trim_log(self.log)
        tie = [sys.executable, "-S", "-E", str(TIED), str(os.getpid())]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*tie, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self.env,
                pass_fds=self.pass_fds,
                # Ctrl-C in a terminal is for the supervisor, which ends its children in order.
                start_new_session=True,
            )
        self.born = now
        self.start_at = None
        self.starts += 1

    def poll(self, now: float) -> int | None:
        """If it has died since the last look, plan its restart and return its exit code."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.process = None
        self.start_at = now + self.backoff.died(self.born, now)
        return code

    def stop(self) -> None:
        """Ask it to end; after ``stop_s`` kill it, and in any case all that it started."""
        self.start_at = None
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        kill_group(self.process.pid)
        self.process = None


def kill_group(pid: int) -> None:
    """SIGKILL to what is left of the session that process ``pid`` led."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def trim_log(log: Path) -> None:
    """Move a log that has grown beyond :data:`LOG_BYTES_MAX` aside, in place of the last one.

    Copied and cut instead of renamed: the process that appends to it keeps its handle.
    """
    try:
        if log.stat().st_size <= LOG_BYTES_MAX:
            return
    except OSError:
        return
    shutil.copyfile(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)
