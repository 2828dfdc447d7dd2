"""The parent's side of the sandbox: start a worker, follow it, suspend it, end it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from idlegrid_shared.manifest import ManifestError, make_manifest

from .fault import TAKEN_BACK
from .job import Checkpoint, Outcome, Progress, SandboxJob
from .launch import absolute_paths, worker_command, worker_environment
from .profile import can_run, current_profile
from .wording import lines, one_line

#: The worker ends a program by processor time; the parent steps in much later, by wall time, as a
#: busy machine may give a worker only a part of a processor.
WALL_FACTOR = 4.0
WALL_GRACE_S = 30.0
LINE_BYTES_MAX = 64 * 1024 * 1024
EXIT_WAIT_S = 10.0
POLL_S = 0.5
#: A program is refused ``checkpoint = "auto"`` if it goes longer without a host call.
SAFEPOINT_WAIT_S = 60.0
#: For writing a checkpoint of the largest memory to a slow disk.
WRITE_WAIT_S = 600.0


class CheckpointError(Exception):
    """There is no checkpoint; the message says why. The run goes on, unless it has ended."""


class _CheckpointAnswer(msgspec.Struct):
    id: int
    error: str = ""
    name: str = ""
    bytes: int = 0
    sha256: str = ""
    ops: int = 0
    fraction: float = 0.0
    waited_s: float = 0.0
    took_s: float = 0.0


class _Message(msgspec.Struct):
    progress: Progress | None = None
    outcome: Outcome | None = None
    checkpoint: _CheckpointAnswer | None = None


class _Order(msgspec.Struct):
    parent: int
    job: SandboxJob


_DECODER = msgspec.json.Decoder(_Message)


class SandboxProcess:
    """One running worker. Use it as a context manager, or see it through to its outcome.

    All methods may be called from any thread. Linux ties a child's life to the *thread* that made
    it, so the thread that starts the worker is also the one that reads from it until its end.
    """

    def __init__(
        self,
        job: SandboxJob,
        *,
        wall_factor: float = WALL_FACTOR,
        wall_grace_s: float = WALL_GRACE_S,
        command: Sequence[str] | None = None,
    ) -> None:
        """``command`` starts another worker than this installation's: under an emulator, say."""
        self.job = absolute_paths(job)
        self._wall_factor = wall_factor
        self._wall_grace_s = wall_grace_s
        self._command = worker_command() if command is None else list(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._progress = Progress()
        self._seen = self._progress
        self._outcome: Outcome | None = None
        self._done = threading.Event()
        self._answered = threading.Condition()
        self._answers: dict[int, _CheckpointAnswer] = {}
        self._orders = 0
        self._launched = threading.Event()
        #: Why the parent ended the worker, if it did.
        self._ended_as: Outcome | None = None
        self._started_s: float | None = None
        self._suspended_since_s: float | None = None
        self._suspended_s = 0.0

    @classmethod
    def start(cls, job: SandboxJob, *, command: Sequence[str] | None = None) -> "SandboxProcess":
        """Start a worker for ``job``. Faults of any kind are told by the outcome."""
        process = cls(job, command=command)
        process.launch()
        return process

    def launch(self) -> None:
        """Start the worker and return once it has a process id, or has failed to start."""
        threading.Thread(target=self._serve, name="sandbox", daemon=True).start()
        self._launched.wait()

    # --- what is going on

    @property
    def pid(self) -> int | None:
        """The worker's process id; None if it could not be started."""
        return self._process.pid if self._process is not None else None

    @property
    def progress(self) -> Progress:
        """The newest report."""
        return self._progress

    @property
    def suspended(self) -> bool:
        """Whether :meth:`suspend` holds it now."""
        return self._suspended_since_s is not None

    def poll(self) -> Progress | Outcome | None:
        """The outcome once there is one, else a report not seen before, else None. Never blocks."""
        if self._done.is_set():
            return self._outcome
        self._check_wall_time()
        if self._progress is not self._seen:
            self._seen = self._progress
            return self._seen
        return None

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the outcome at most ``timeout`` seconds; None if there is none by then."""
        until_s = None if timeout is None else time.monotonic() + timeout
        while not self._done.is_set():
            left = POLL_S if until_s is None else min(POLL_S, until_s - time.monotonic())
            if left <= 0:
                return None
            self._done.wait(left)
            self._check_wall_time()
        return self._outcome

    # --- taking part

    def suspend(self) -> None:
        """Stop the worker where it stands; its time stands still too."""
        with self._lock:
            if self._suspended_since_s is None and self._alive():
                self._suspended_since_s = time.monotonic()
                self._signal(stop=True)

    def resume(self) -> None:
        """Let a suspended worker go on."""
        with self._lock:
            self._end_suspension()
            if self._alive():
                self._signal(stop=False)

    def checkpoint(
        self, name: str = "checkpoint", *, stop: bool = False, timeout_s: float = SAFEPOINT_WAIT_S
    ) -> Checkpoint:
        """Write a checkpoint ``name`` into the job's ``checkpoint_dir``, durably.

        The program comes to it at its next host call, and goes on afterwards or, with ``stop``,
        ends there (its outcome says ``killed``). Raises :class:`CheckpointError` when it has not
        come to one in ``timeout_s`` seconds (those suspended do not count), when it ends first, and
        when the disk refuses.
        """
        with self._answered:
            self._orders += 1
            number = self._orders
        order = {"checkpoint": {"id": number, "name": name, "stop": stop}}
        self._order(order)
        answer = self._await_answer(number, timeout_s)
        if answer is None:
            # It may be at it just now: then the answer comes all the same, and it counts.
            self._order({"cancel": number})
            answer = self._await_answer(number, WRITE_WAIT_S)
        if answer is None:
            raise CheckpointError("the program ended, or its worker hangs, before a checkpoint")
        if answer.error == TAKEN_BACK:
            raise CheckpointError(f"the program made no host call in {timeout_s:g} s")
        if answer.error:
            raise CheckpointError(answer.error)
        if stop:
            self._done.wait(EXIT_WAIT_S)
        return Checkpoint(
            path=str(Path(self.job.checkpoint_dir or "") / answer.name),
            bytes=answer.bytes,
            sha256=answer.sha256,
            ops=answer.ops,
            fraction=answer.fraction,
            waited_s=answer.waited_s,
            took_s=answer.took_s,
        )

    def kill(self, message: str = "the run was stopped by its owner") -> None:
        """End the worker at once; the outcome says ``killed``, unless it had already ended."""
        self._end(Outcome(status="error", reason="killed", message=message))

    def __enter__(self) -> "SandboxProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._done.is_set():
            self.kill()
            self._done.wait(EXIT_WAIT_S)

    # --- inside

    def _order(self, message: Mapping[str, object]) -> None:
        process = self._process
        if self.job.checkpoint_dir is None:
            raise CheckpointError("the run was started without a folder for checkpoints")
        if self.suspended:
            raise CheckpointError("the run is suspended: let it go on first")
        if process is None or process.stdin is None or self._done.is_set():
            raise CheckpointError("the program is not running")
        try:
            with self._lock:
                process.stdin.write(msgspec.json.encode(message) + b"\n")
                process.stdin.flush()
        except (OSError, ValueError) as error:
            raise CheckpointError("the program has just ended") from error

    def _await_answer(self, number: int, timeout_s: float) -> _CheckpointAnswer | None:
        def settled() -> bool:
            return number in self._answers or self._done.is_set()

        left_s = timeout_s
        with self._answered:
            while not settled() and left_s > 0:
                began_s = time.monotonic()
                self._answered.wait_for(settled, min(left_s, POLL_S))
                if not self.suspended:  # while it is, it can neither come to a call nor answer
                    left_s -= time.monotonic() - began_s
            return self._answers.pop(number, None)

    def _alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def _signal(self, stop: bool) -> None:
        if self._process is None:
            return
        if sys.platform == "win32":
            from .windows import set_suspended

            set_suspended(self._process, stop)
        else:
            self._process.send_signal(signal.SIGSTOP if stop else signal.SIGCONT)

    def _end(self, outcome: Outcome) -> None:
        with self._lock:
            if self._ended_as is None:
                self._ended_as = outcome
            if self._process is not None:
                self._process.kill()

    def _end_suspension(self) -> None:
        if self._suspended_since_s is not None:
            self._suspended_s += time.monotonic() - self._suspended_since_s
            self._suspended_since_s = None

    def _check_wall_time(self) -> None:
        """End a worker that outlives its time limit by far, as its own watch must have failed."""
        with self._lock:
            if self._started_s is None or self._suspended_since_s is not None:
                return
            running_s = time.monotonic() - self._started_s - self._suspended_s
        limit_s = self.job.limits.time_s
        if running_s > limit_s * self._wall_factor + self._wall_grace_s:
            self._end(
                Outcome(
                    status="error",
                    reason="time_limit",
                    message=f"the program ran for {running_s:.0f} s; its limit is {limit_s:g} s",
                    elapsed_s=running_s,
                )
            )

    def _serve(self) -> None:
        """Start the worker, read from it to its end, and set the outcome."""
        outcome: Outcome | None = None
        try:
            outcome = self._follow()
        except (OSError, ValueError) as error:  # ValueError: a path that is no text
            outcome = Outcome(
                status="error",
                reason="host_error",
                message=f"the sandbox worker could not be started: {error}",
            )
        finally:
            # Whatever happens, nobody may be left waiting.
            with self._lock:
                self._end_suspension()
                self._outcome = self._settle(outcome)
            self._launched.set()
            self._done.set()
            with self._answered:
                self._answered.notify_all()

    def _follow(self) -> Outcome | None:
        if not can_run(self.job.profile):
            differences = self.job.profile.differences(current_profile())
            return Outcome(
                status="error",
                reason="profile_mismatch",
                message=f"this host cannot run {self.job.profile.name}: {'; '.join(differences)}",
            )
        Path(self.job.output_dir).mkdir(parents=True, exist_ok=True)
        if self.job.checkpoint_dir is not None:
            Path(self.job.checkpoint_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
        outcome = None
        # An order that came too late for the worker stays in the pipe's buffer: closing tells so.
        with contextlib.suppress(BrokenPipeError), self._start_worker() as process:
            with self._lock:
                self._process = process
                if self._ended_as is not None:
                    process.kill()
            self._launched.set()
            try:
                outcome = self._converse(process)
            finally:
                process.kill()
        return outcome

    def _start_worker(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.job.output_dir,
            env=worker_environment(self.job.compile_threads),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            # Its own group: a Ctrl-C in the parent's terminal is the parent's business.
            process_group=None if sys.platform == "win32" else 0,
        )

    def _converse(self, process: subprocess.Popen[bytes]) -> Outcome | None:
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(msgspec.json.encode(_Order(os.getpid(), self.job)) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
        while line := process.stdout.readline(LINE_BYTES_MAX):
            try:
                message = _DECODER.decode(line)
            except msgspec.DecodeError:
                return None
            if message.progress is not None:
                if message.progress.started and self._started_s is None:
                    self._started_s = time.monotonic()
                self._progress = message.progress
            if message.checkpoint is not None:
                with self._answered:
                    self._answers[message.checkpoint.id] = message.checkpoint
                    self._answered.notify_all()
            if message.outcome is not None:
                self._await_exit(process)
                return message.outcome
        return None

    @staticmethod
    def _await_exit(process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()

    def _settle(self, outcome: Outcome | None) -> Outcome:
        """The outcome as the caller sees it."""
        if outcome is None:
            if self._ended_as is not None:
                return msgspec.structs.replace(
                    self._ended_as,
                    ops=self._progress.ops,
                    peak_memory_bytes=self._progress.peak_memory_bytes,
                )
            code = self._process.returncode if self._process is not None else None
            how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
            return Outcome(
                status="error",
                reason="worker_died",
                message=f"the sandbox worker ended {how} before it had an outcome; try it again",
                ops=self._progress.ops,
                peak_memory_bytes=self._progress.peak_memory_bytes,
            )
        try:
            outputs = make_manifest(outcome.outputs)
        except ManifestError as error:
            return Outcome(
                status="error", reason="host_error", message=f"bad list of outputs: {error}"
            )
        elapsed_s = max(0.0, outcome.elapsed_s - self._suspended_s)
        return msgspec.structs.replace(
            outcome,
            outputs=outputs,
            elapsed_s=elapsed_s,
            message=one_line(outcome.message),
            stderr=lines(outcome.stderr),
        )


def run_sandboxed(
    job: SandboxJob,
    on_progress: Callable[[Progress], None] | None = None,
    timeout: float | None = None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Run ``job`` to its end and return the outcome.

    ``on_progress`` is called from this thread with each new report. After ``timeout`` seconds of
    wall time the run is killed. ``command`` is that of :class:`SandboxProcess`. Faults of program
    and host are outcomes and never exceptions.
    """
    until_s = None if timeout is None else time.monotonic() + timeout
    with SandboxProcess.start(job, command=command) as process:
        seen = Progress()
        while True:
            outcome = process.wait(POLL_S if on_progress is None else POLL_S / 5)
            if on_progress is not None and process.progress is not seen:
                seen = process.progress
                on_progress(seen)
            if outcome is not None:
                return outcome
            if until_s is not None and time.monotonic() > until_s:
                process.kill(f"the run was stopped by its caller after {timeout:g} s")
