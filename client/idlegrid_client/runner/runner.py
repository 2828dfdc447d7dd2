"""Runs tasks, one thread each. What runs was verified again a moment before."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from idlegrid_client.core.event import (
    Event,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskProgress,
    TaskUntrusted,
)
from idlegrid_client.core.model import Result, TaskKey, TaskState
from idlegrid_client.core.progress import fraction_done
from idlegrid_client.layout import ProjectFolder, TaskFolder
from idlegrid_client.machine.orphan import leave_trace, make_humble
from idlegrid_client.store_task import StoredResult, save_result, sync_outputs
from idlegrid_client.transfer.download import in_cache
from idlegrid_client.verify import Trust, VerifyError, check_descriptor, check_runtime
from idlegrid_shared.box.box import Box
from idlegrid_shared.box.open import open_box
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import Program, Release, TaskDescriptor
from idlegrid_shared.manifest import ManifestEntry, ManifestError
from idlegrid_shared.sandbox.job import JobError, Outcome
from idlegrid_shared.signing import Signed

from .prepare import Preparation
from .result import MACHINE_FAULTS, make_result, read_outputs
from .saving import Saving, work_name

PROGRESS_STEP = 0.01
#: How long the agent waits at its end until all tasks are at a checkpoint and durable.
LEAVE_WAIT_S = 20.0
PROGRESS_POLL_S = 0.5

Post = Callable[[Event], None]
#: "saved": only with a checkpoint; "anyway": the agent ends.
_Leave = Literal["", "saved", "anyway"]


class FilesLostError(OSError):
    """A file of the task is not in the cache any more, or not with its bytes."""


class Runner:
    """Starts, follows and ends tasks.

    A subclass may override :meth:`collect_outputs`; that is the extension point by which tests and
    demonstrations make a host that returns other bytes than it computed. Nothing else here is
    meant to be overridden.
    """

    def __init__(self, compiled: Path) -> None:
        """``compiled`` is the folder for compiled modules; it never holds anything foreign."""
        self._compiled = compiled
        self._lock = threading.Lock()
        self._runs: dict[TaskKey, _Run] = {}
        self._preparation: Preparation | None = None
        self._closed = False
        #: The profiles of native programs and containers that may be run now.
        self._offered: tuple[str, ...] = ()

    def offer(self, offered: tuple[str, ...]) -> None:
        """What may be run from now on; runs of what the volunteer allows no more are ended.

        They are started again at once, are refused then, and go back to their server.
        """
        with self._lock:
            withdrawn = set(self._offered) - set(offered)
            self._offered = offered
            ended = [run for run in self._runs.values() if run.profile in withdrawn]
        for run in ended:
            run.interrupt()

    @property
    def offered(self) -> tuple[str, ...]:
        """What :meth:`offer` said last."""
        return self._offered

    def collect_outputs(
        self, task: TaskState, out: Path, outcome: Outcome
    ) -> tuple[ManifestEntry, ...]:
        """The manifest of a successful run's outputs, read off the disk.

        Raises ``OSError`` and ``ManifestError``.
        """
        return read_outputs(out)

    def start(
        self,
        project: ProjectFolder,
        task: TaskState,
        trust: Trust,
        releases: Mapping[str, Signed],
        post: Post,
    ) -> None:
        """Run ``task`` in a thread of its own; exactly one event tells the end, if not stopped."""
        run = _Run(self, project, task, trust, releases, post)
        with self._lock:
            if self._closed or task.key in self._runs:
                return
            self._runs[task.key] = run
        run.thread.start()

    def prepare(
        self,
        project: ProjectFolder,
        task: TaskState,
        releases: Mapping[str, Signed],
        post: Post,
    ) -> None:
        """Compile the interpreter of ``task`` in a thread; one event tells the end."""
        preparation = Preparation(project, task, releases, post, self._compiled)
        with self._lock:
            if self._closed:
                return
            self._preparation = preparation
        preparation.start()

    def stop(self, key: TaskKey) -> None:
        """End a task's process at once. No event follows."""
        with self._lock:
            run = self._runs.get(key)
        if run is not None:
            run.stop()

    def suspend(self, key: TaskKey) -> None:
        """Let a task's process stand still, now or as soon as there is one."""
        with self._lock:
            run = self._runs.get(key)
        if run is not None:
            run.suspend()

    def resume(self, key: TaskKey) -> None:
        """Let a suspended process go on."""
        with self._lock:
            run = self._runs.get(key)
        if run is not None:
            run.resume()

    def leave(self, key: TaskKey, *, anyway: bool) -> None:
        """End a task's process at a checkpoint; one event tells whether that went well.

        ``anyway``: soon, and if need be without a checkpoint; no event follows.
        """
        with self._lock:
            run = self._runs.get(key)
        if run is not None:
            run.leave(anyway=anyway)

    def stop_preparing(self) -> None:
        """End the compiling of an interpreter at once. No event follows."""
        with self._lock:
            preparation, self._preparation = self._preparation, None
        if preparation is not None:
            preparation.stop()

    def close(self, timeout_s: float) -> None:
        """End all tasks and wait for their threads, at most so long in all.

        Those that were told to leave anyway have :data:`LEAVE_WAIT_S` for it before that.
        """
        with self._lock:
            self._closed = True
            runs = list(self._runs.values())
            preparation = self._preparation
        if preparation is not None:
            preparation.stop()
        until_s = time.monotonic() + LEAVE_WAIT_S
        for run in runs:
            if run.ending:
                run.thread.join(max(0.0, until_s - time.monotonic()))
        for run in runs:
            run.stop()
        for run in runs:
            run.thread.join(timeout_s / max(1, len(runs)))

    def ended(self, key: TaskKey) -> None:
        """A run's thread is done."""
        with self._lock:
            self._runs.pop(key, None)

    @property
    def compiled(self) -> Path:
        """The folder for compiled modules."""
        return self._compiled


class _Run:
    """One task on its way."""

    def __init__(
        self,
        runner: Runner,
        project: ProjectFolder,
        task: TaskState,
        trust: Trust,
        releases: Mapping[str, Signed],
        post: Post,
    ) -> None:
        self.runner = runner
        self.project = project
        self.task = task
        self.trust = trust
        self.releases = releases
        self.post = post
        self.folder: TaskFolder = project.task(task.id)
        self.thread = threading.Thread(target=self._run, name=f"run {task.id}", daemon=True)
        self._lock = threading.Lock()
        self._stopped = False
        self._suspended = False
        self._leave: _Leave = ""
        self._process: Box | None = None
        self._saving = Saving(self.folder, task, post)
        #: What the host must offer for it; known once its signatures were checked.
        self.profile = ""
        self._ops_estimate = 0

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            process.kill()

    def suspend(self) -> None:
        """Let the process stand still; one that is yet to be launched will."""
        with self._lock:
            self._suspended = True
            if self._process is not None:
                self._process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        with self._lock:
            self._suspended = False
            if self._process is not None:
                self._process.resume()

    def leave(self, *, anyway: bool) -> None:
        """End the process at a checkpoint; it must go on a little to come to one."""
        with self._lock:
            self._leave = "anyway" if anyway else (self._leave or "saved")
        self.resume()

    @property
    def ending(self) -> bool:
        """Whether it was told to leave anyway."""
        return self._leave == "anyway"

    def interrupt(self) -> None:
        """End the process, but tell of it: the task is not stopped, only its run."""
        with self._lock:
            process = self._process
        if process is not None:
            process.kill("the volunteer does not allow such programs any more")

    def _run(self) -> None:
        event = self._guarded()
        self.runner.ended(self.task.key)
        with self._lock:
            stopped = self._stopped
        if event is not None and not stopped:
            self.post(event)

    def _guarded(self) -> Event | None:
        task = self.task
        try:
            return self._compute()
        except VerifyError as error:
            return TaskUntrusted(task.project, task.id, error.code, str(error))
        except JobError as error:
            result = Result(outcome="error", reason="bad_input", stderr=str(error))
            return TaskFinished(task.project, task.id, result)
        except FilesLostError as error:
            return TaskInterrupted(task.project, task.id, str(error), files_lost=True)
        except (OSError, ManifestError) as error:
            text = f"this machine could not run the task: {error}"
            return TaskInterrupted(task.project, task.id, text)

    def _compute(self) -> Event | None:
        task = self.task
        if task.descriptor is None:
            raise VerifyError("no_descriptor", "the task's signed descriptor is missing")
        descriptor, release = check_descriptor(
            self.trust, task.descriptor, self.releases, self.runner.offered
        )
        self.profile = release.profile_of(release.program(descriptor.program))
        if descriptor.task != task.id:
            raise VerifyError("other_task", "the descriptor belongs to another task")
        runtime = check_runtime(release, release.program(descriptor.program), self.releases)
        interpreter = runtime.programs[0] if runtime is not None else None
        self._check_files(descriptor, release, interpreter)
        shutil.rmtree(self.folder.out, ignore_errors=True)
        self._ops_estimate = descriptor.ops_estimate
        outcome = self._sandbox(self._order(descriptor, release, interpreter))
        if outcome is None:
            return TaskLeft(task.project, task.id, saved=True) if self._leave == "saved" else None
        if outcome.reason in MACHINE_FAULTS:
            return TaskInterrupted(task.project, task.id, outcome.message)
        manifest: tuple[ManifestEntry, ...] = ()
        if outcome.status == "success":
            self.folder.out.mkdir(parents=True, exist_ok=True)
            manifest = self.runner.collect_outputs(task, self.folder.out, outcome)
            sync_outputs(self.folder.out)
        result = make_result(outcome, self.profile, manifest)
        save_result(self.folder, StoredResult(task.id, task.deadline_at, task.accepted_at, result))
        self._saving.clear()
        return TaskFinished(task.project, task.id, result)

    def _check_files(
        self, descriptor: TaskDescriptor, release: Release, interpreter: Program | None
    ) -> None:
        program = release.program(descriptor.program)
        needs = [
            (sha256, size, part.name)
            for part in (program, interpreter)
            if part is not None
            for sha256, size in part.needs().items()
        ]
        needs += [(given.sha256, given.bytes, given.name) for given in descriptor.inputs]
        for sha256, size, name in needs:
            if not in_cache(self.project, sha256, size):
                raise FilesLostError(f"{name} ({sha256[:16]}…) is not whole in the cache any more")

    def _order(
        self, descriptor: TaskDescriptor, release: Release, interpreter: Program | None
    ) -> BoxOrder:
        program = release.program(descriptor.program)
        needs = program.needs() | (interpreter.needs() if interpreter is not None else {})
        cache = self.project.cache
        return BoxOrder(
            program=program,
            places={sha256: str(cache / sha256) for sha256 in needs},
            interpreter=interpreter,
            args=descriptor.args,
            inputs={given.name: str(cache / given.sha256) for given in descriptor.inputs},
            output_dir=str(self.folder.out),
            seed=bytes.fromhex(descriptor.seed),
            profile=release.profile,
            runtime=release.runtime_of(program),
            platform=release.platform,
            cache_dir=str(self.runner.compiled),
            checkpoint=release.checkpoint,
            resume=self._others_checkpoint(descriptor),
            work=work_name(descriptor),
        )

    def _others_checkpoint(self, descriptor: TaskDescriptor) -> str | None:
        """What another host left of the task, if it is here; else it starts from its beginning."""
        given = descriptor.resume
        if given is None or not in_cache(self.project, given.sha256, given.bytes):
            return None
        return str(self.project.cache / given.sha256)

    def _sandbox(self, order: BoxOrder) -> Outcome | None:
        """Run to the end; None if it was stopped. Raises ``JobError``, ``OSError``."""
        outcome = None
        for start in self._saving.starts(order):
            outcome = self._attempt(start)
            if outcome is None or outcome.reason != "bad_checkpoint" or start.resume is None:
                break
            self._saving.refused(start.resume, outcome.message)
        return outcome

    def _attempt(self, order: BoxOrder) -> Outcome | None:
        process = open_box(order)
        with self._lock:
            if self._stopped:
                return None
            self._process = process
        with process:
            process.launch()
            if process.pid is not None:
                leave_trace(self.folder.process, process.pid)
                make_humble(process.pid)
            with self._lock:
                if self._suspended:
                    process.suspend()
            outcome = self._follow(process, order)
        self.folder.process.unlink(missing_ok=True)
        with self._lock:
            return None if self._stopped else outcome

    def _follow(self, process: Box, order: BoxOrder) -> Outcome | None:
        """Tell of progress and keep checkpoints until it ends; None if it left memory."""
        self._saving.launched()
        told = 0.0
        while (outcome := process.wait(PROGRESS_POLL_S)) is None:
            if self._leave:
                if self._saving.leave(process, order):
                    return None
                if self.ending:
                    return process.wait(0)  # if it ended by itself just now, its result counts
                self._stay()
            if not process.suspended:
                self._saving.follow(process, order)
            seen = process.progress
            fraction = fraction_done(seen.fraction, seen.ops, self._ops_estimate)
            if fraction >= told + PROGRESS_STEP:
                told = fraction
                self.post(TaskProgress(self.task.project, self.task.id, fraction))
        return outcome

    def _stay(self) -> None:
        """It cannot be saved now: it stands still again, and is not lost."""
        with self._lock:
            if self._leave != "saved":
                return  # the agent ends
            self._leave = ""
            self._suspended = True
            if self._process is not None:
                self._process.suspend()
        text = "the task came to no checkpoint, so it stays in memory"
        self.post(TaskLeft(self.task.project, self.task.id, saved=False, text=text))
