"""Runs that are checkpointed: guests instrumented as the SDK does it, moments, continuations."""

import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from idlegrid.instrument import instrument
from idlegrid_shared.sandbox.job import Checkpoint, Outcome, SandboxJob
from idlegrid_shared.sandbox.run import CheckpointError, SandboxProcess, run_sandboxed

from .conftest import Lab

MIB = 1024**2
LIMITS = {
    "memory_bytes": 64 * MIB,
    "max_ops": 10**12,
    "time_s": 120.0,
    "output_bytes": 4 * MIB,
    "output_files": 20,
}


def wander_job(
    lab: Lab, build_c: Callable[[str], bytes], rounds: int = 200, depth: int = 20, **fields: Any
) -> SandboxJob:
    """The wandering program with its inputs; it runs for some tenths of a second."""
    words = lab.folder / "words"
    words.write_text(" ".join(f"word{n}" for n in range(37)))
    inputs = {"words": str(words)}
    for n in range(12):
        many = lab.folder / f"many{n}"
        many.touch()
        inputs[f"many/file{n}"] = str(many)
    module = instrument(build_c("wander"))
    values: dict[str, Any] = {"checkpoint": "auto", "checkpoint_dir": str(lab.folder / "saved")}
    return lab.job(
        module,
        args=[str(rounds), str(depth)],
        inputs=inputs,
        limits=LIMITS,
        **(values | fields),
    )


def again(job: SandboxJob, **fields: Any) -> SandboxJob:
    """The same work in a fresh output folder."""
    count = int(fields.pop("count", 0))
    folder = f"{job.output_dir}-{count}-{hashlib.sha256(repr(fields).encode()).hexdigest()[:8]}"
    return msgspec.structs.replace(job, output_dir=folder, **fields)


def wait_until_started(process: SandboxProcess) -> None:
    """Compiling takes longer than any moment of a test."""
    until_s = time.monotonic() + 60
    while not process.progress.started and process.wait(0.001) is None:
        assert time.monotonic() < until_s, "the program did not start"


def save_at(
    job: SandboxJob, delay_s: float, *, name: str = "saved", stop: bool = False
) -> Checkpoint:
    """Start the job, checkpoint it at the next safepoint after a moment, and kill it -9."""
    with SandboxProcess.start(job) as process:
        wait_until_started(process)
        time.sleep(delay_s)
        saved = process.checkpoint(name, stop=stop, timeout_s=30)
        if not stop:
            process.kill()
        assert process.wait(30) is not None
    return saved


def save_somewhere(job: SandboxJob, whole: Outcome, rng: random.Random) -> Checkpoint:
    """Checkpoint at a random moment; a machine under load may need a second try."""
    for attempt in range(10):
        delay_s = rng.random() * whole.elapsed_s * 0.8**attempt
        try:
            return save_at(job, delay_s)
        except CheckpointError:
            continue
    raise AssertionError("the program always ended before its checkpoint")


def continue_from(job: SandboxJob, path: str | Path, **fields: Any) -> Outcome:
    """Go on from a checkpoint in a new process, to the end."""
    return run_sandboxed(again(job, resume=str(path), **fields), timeout=120)


def figures(outcome: Outcome) -> tuple[object, ...]:
    """What must not depend on whether and where a run was interrupted."""
    return (
        outcome.reason,
        outcome.message,
        outcome.exit_code,
        outcome.ops,
        outcome.outputs,
        outcome.stderr,
        outcome.peak_memory_bytes,
    )
