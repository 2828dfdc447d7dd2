"""Running one step of a batch here, in the same sandbox and under the same limits as on a host."""

import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from idlegrid_shared.sandbox.job import JobError, Outcome, SandboxJob
from idlegrid_shared.sandbox.run import SandboxProcess

from .app import App
from .build import BuiltProgram
from .fault import IdlegridError, InputError

POLL_S = 0.2
# A worker that dies without a word (the system was short of memory, say) is started again.
ATTEMPTS_MAX = 3
HOST_REASONS = ("host_error", "profile_mismatch")


class Step(msgspec.Struct, frozen=True):
    """One run: a unit of the map stage, or the combine step."""

    program: str
    args: tuple[str, ...]
    inputs: Mapping[str, Path]
    seed: bytes
    output_dir: Path


class Stopped(Exception):  # noqa: N818 (not an error: somebody asked for it)
    """The run was stopped on purpose."""


def run_step(
    app: App, built: Mapping[str, BuiltProgram], step: Step, cache: Path, stop: threading.Event
) -> Outcome:
    """Run ``step``; a program's own failure is an outcome.

    Raises :class:`InputError` for arguments that no program can get, :class:`IdlegridError` when
    this machine is at fault, and :class:`Stopped` soon after ``stop`` is set.
    """
    program = built[step.program]
    try:
        job = SandboxJob(
            module=str(program.path),
            module_sha256=program.entry.sha256,
            program=step.program,
            args=list(step.args),
            inputs={name: str(path) for name, path in step.inputs.items()},
            output_dir=str(step.output_dir),
            seed=step.seed,
            limits=app.programs[step.program].limits,
            profile=app.profile,
            cache_dir=str(cache),
        )
    except JobError as error:
        raise InputError(f"program {step.program}: {error}") from error
    for _ in range(ATTEMPTS_MAX):
        outcome = _run_once(job, stop)
        if outcome.reason != "worker_died":
            break
    if outcome.reason in (*HOST_REASONS, "worker_died"):
        raise IdlegridError(f"this machine could not run {step.program}: {outcome.message}")
    return outcome


def _run_once(job: SandboxJob, stop: threading.Event) -> Outcome:
    if stop.is_set():
        raise Stopped
    with SandboxProcess.start(job) as process:
        while (outcome := process.wait(POLL_S)) is None:
            if stop.is_set():
                process.kill("run-local was stopped")
    if stop.is_set():
        raise Stopped
    return outcome
