"""Programs that begin on this processor and end on another kind: the same bytes and ops?"""

import random
import sys
from pathlib import Path

import msgspec

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.run import SandboxProcess, run_sandboxed

from . import aarch64
from .checkpoint import RUN_WAIT_S, auto_programs, make_job, save_and_kill, workplace
from .figure import Figure, Measured, Options

MOVES = 2  # of each program
EMULATED_WAIT_S = 3_600.0
ATTEMPTS_MAX = 20


def measure(options: Options) -> Measured:
    """How many moved runs differ from the unmoved one."""
    rng = random.Random(options.seed)
    command = aarch64.worker_command()
    different: list[str] = []
    moved = 0
    with workplace() as folder:
        for program in auto_programs():
            job = make_job(program, program.app(), folder, program.name)
            whole = run_sandboxed(job, timeout=RUN_WAIT_S)
            if whole.reason != "ok":
                raise RuntimeError(f"{program.name} does not run: {whole.message}")
            for number in range(MOVES):
                print(f"{program.name}, move {number + 1}", file=sys.stderr, flush=True)
                saved = _save_somewhere(job, whole, rng, number)
                rest = msgspec.structs.replace(
                    job,
                    output_dir=f"{job.output_dir}-moved{number}",
                    resume=saved,
                    cache_dir=str(aarch64.cache_folder()),
                )
                moved += 1
                outcome = _finish(rest, command)
                if _told(outcome) != _told(whole):
                    different.append(f"{program.name}: {_told(outcome)}, not {_told(whole)}")
    return Measured(len(different), {"moves": moved, "to": "aarch64", "different": different})


def _save_somewhere(job: SandboxJob, whole: Outcome, rng: random.Random, number: int) -> str:
    """A checkpoint from a random moment of a run on this processor."""
    for attempt in range(ATTEMPTS_MAX):
        part = msgspec.structs.replace(job, output_dir=f"{job.output_dir}-part{number}")
        # Late moments: what is left runs some twenty times slower under emulation.
        delay_s = whole.elapsed_s * (0.5 + 0.4 * rng.random()) * 0.9**attempt
        saved = save_and_kill(part, delay_s)
        if saved is not None:
            kept = Path(saved.path).with_name(f"moving{number}")
            Path(saved.path).replace(kept)
            return str(kept)
    raise TimeoutError(f"{job.program} always ended before its checkpoint")


def _finish(job: SandboxJob, command: list[str]) -> Outcome:
    with SandboxProcess.start(job, command=command) as process:
        outcome = process.wait(EMULATED_WAIT_S)
    if outcome is None:
        raise TimeoutError(f"{job.program} did not end under emulation")
    return outcome


def _told(outcome: Outcome) -> tuple[object, ...]:
    return outcome.reason, outcome.ops, outcome.outputs, outcome.stderr


FIGURES = (
    Figure(
        name="moved-aarch64",
        what="runs begun on this processor and ended on aarch64 (emulated) that differ",
        unit="differences",
        bar=0,
        better="equal",
        measure=measure,
    ),
)
