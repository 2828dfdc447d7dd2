"""Compiling an interpreter for this machine: in a thread of its own, at the lowest priority."""

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from idlegrid_client.core.event import Event, RuntimeFailed, RuntimeReady
from idlegrid_client.core.model import TaskState
from idlegrid_client.layout import ProjectFolder
from idlegrid_client.machine.orphan import leave_trace, make_humble
from idlegrid_client.transfer.download import in_cache
from idlegrid_shared.box.python import compile_job
from idlegrid_shared.documents import Release
from idlegrid_shared.runtime.key import open_runtime
from idlegrid_shared.sandbox.job import JobError, Outcome
from idlegrid_shared.sandbox.run import SandboxProcess
from idlegrid_shared.signing import SignatureError, Signed

from .result import MACHINE_FAULTS


class Preparation:
    """One interpreter on its way."""

    def __init__(
        self,
        project: ProjectFolder,
        task: TaskState,
        releases: Mapping[str, Signed],
        post: Callable[[Event], None],
        compiled: Path,
    ) -> None:
        self._project = project
        self._task = task
        self._releases = releases
        self._post = post
        self._compiled = compiled
        self._lock = threading.Lock()
        self._stopped = False
        self._process: SandboxProcess | None = None

    def start(self) -> None:
        """Begin; exactly one event tells the end, if not stopped."""
        name = f"prepare {self._task.runtime_name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def stop(self) -> None:
        """End it at once. No event follows."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            process.kill()

    def _run(self) -> None:
        event = self._guarded()
        with self._lock:
            stopped = self._stopped
        if not stopped:
            self._post(event)

    def _guarded(self) -> Event:
        runtime = self._task.runtime
        try:
            signed = self._releases.get(runtime)
            if signed is None:
                raise SignatureError("its signed release is missing")
            # Verified once more, right before it is used: our own disk may have been changed.
            outcome = self._compile(open_runtime(signed))
        except (SignatureError, JobError) as error:
            return RuntimeFailed(runtime, str(error), hopeless=True)
        except OSError as error:
            return RuntimeFailed(runtime, f"this machine refused: {error}")
        if outcome is None:
            # What is wrong with the files the task itself finds out, and has them fetched again.
            return RuntimeReady(runtime)
        if outcome.reason == "ok":
            return RuntimeReady(runtime)
        hopeless = outcome.reason not in MACHINE_FAULTS
        return RuntimeFailed(runtime, outcome.message, hopeless=hopeless)

    def _compile(self, release: Release) -> Outcome | None:
        """The outcome; None if its module is not whole in the cache. Raises ``JobError``."""
        interpreter, folder = release.programs[0], self._project.task(self._task.id)
        module = interpreter.module
        if not in_cache(self._project, module.sha256, module.bytes):
            return None
        job = compile_job(
            interpreter,
            str(self._project.cache / module.sha256),
            release.profile,
            str(folder.out),
            str(self._compiled),
            threads=1,
        )
        process = SandboxProcess(job)
        with self._lock:
            if self._stopped:
                return None
            self._process = process
        with process:
            process.launch()
            if process.pid is not None:
                leave_trace(folder.process, process.pid)
                make_humble(process.pid)
            outcome = process.wait()
        folder.process.unlink(missing_ok=True)
        shutil.rmtree(folder.out, ignore_errors=True)
        return outcome
