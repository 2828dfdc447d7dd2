"""Programs that the demo starts: each with its log, ended with the demo whatever happens."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_S = 20.0


class StepError(RuntimeError):
    """A program of the demo failed; the message holds its last words."""


def python_module(module: str, *args: str) -> list[str]:
    """The command that runs ``module`` with this very interpreter."""
    return [sys.executable, "-m", module, *args]


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return "(no output)"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    return "\n".join("    " + line for line in lines) or "(no output)"


def run(command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> str:
    """Run to the end and return standard output; raises :class:`StepError`."""
    done = subprocess.run(
        command, capture_output=True, text=True, env=dict(env), cwd=cwd, check=False
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command[1:])}\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        raise StepError(
            f"`{' '.join(command[2:])}` ended with exit code {done.returncode}:\n{last_lines(log)}"
        )
    return done.stdout


class Program:
    """A long-running program in its own session, so that it can be killed with all it started."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(env)
        self.cwd = cwd
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes to the log."""
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; 0 if it never started."""
        return self.process.pid if self.process else 0

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def check_alive(self) -> None:
        """Raise :class:`StepError` if it ended by itself."""
        if not self.alive():
            code = self.process.returncode if self.process else None
            raise StepError(f"{self.name} ended by itself (exit {code}):\n{last_lines(self.log)}")

    def kill(self) -> None:
        """SIGKILL, as a power cut would: only this process; what it leaves is its own affair."""
        if self.process and self.alive():
            self.process.kill()
            self.process.wait()

    def stop(self) -> int | None:
        """SIGTERM, and SIGKILL to the whole session if that is not heard. Returns the exit code."""
        if self.process is None:
            return None
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill_session()
        return self.process.returncode

    def kill_session(self) -> None:
        """SIGKILL to everything it started in its session."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def wait_for(
    what: str, ready: Callable[[], bool], timeout_s: float, programs: Sequence[Program] = ()
) -> None:
    """Poll ``ready()`` until true; raises :class:`StepError` when time is up or a program died."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        for program in programs:
            program.check_alive()
        if ready():
            return
        time.sleep(0.1)
    logs = "".join(f"\n{p.name}:\n{last_lines(p.log)}" for p in programs)
    raise StepError(f"{what} did not happen within {timeout_s:.0f} s{logs}")
