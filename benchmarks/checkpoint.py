"""The zoo's programs that declare ``checkpoint = "auto"``: do checkpoints hold, and cost?"""

import hashlib
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from examples.programs.zoo import PROGRAMS, SEED, Program
from idlegrid.app import App
from idlegrid.build import build_app
from idlegrid.place import cache_folder
from idlegrid_shared.sandbox.job import Checkpoint, Outcome, SandboxJob
from idlegrid_shared.sandbox.run import CheckpointError, SandboxProcess, run_sandboxed

from .figure import Figure, Measured, Options

TRIALS = 200
ROUNDS_MIN, ROUNDS_MAX = 7, 15
START_WAIT_S = 120.0
RUN_WAIT_S = 1_200.0
ATTEMPTS_MAX = 20


def auto_programs() -> list[Program]:
    """The programs that declare it."""
    return [program for program in PROGRAMS.values() if program.app().checkpoint == "auto"]


def make_job(program: Program, app: App, folder: Path, out: str) -> SandboxJob:
    """The program's large run as that app builds it, with outputs in ``folder``/``out``."""
    name = app.split.program
    built = build_app(app)[name]
    return SandboxJob(
        module=str(built.path),
        module_sha256=built.entry.sha256,
        program=name,
        args=list(program.large),
        inputs={name: str(path) for name, path in app.split.inputs.items()},
        output_dir=str(folder / out),
        seed=SEED,
        limits=app.programs[name].limits,
        profile=app.profile,
        cache_dir=str(cache_folder() / "modules"),
        checkpoint=app.checkpoint,
        checkpoint_dir=str(folder / "saved") if app.checkpoint == "auto" else None,
    )


# --- do they hold?


class Trial(msgspec.Struct):
    """One interruption: where it came, and whether the rest was as if it had not come."""

    program: str
    moment: float
    ops: int
    bytes: int
    waited_s: float
    identical: bool


def save_and_kill(job: SandboxJob, delay_s: float) -> Checkpoint | None:
    """Run, checkpoint at the next safepoint after ``delay_s``, kill -9; None: it had ended."""
    with SandboxProcess.start(job) as process:
        until_s = time.monotonic() + START_WAIT_S
        while not process.progress.started and process.wait(0.002) is None:
            if time.monotonic() > until_s:
                raise TimeoutError(f"{job.program} did not start")
        time.sleep(delay_s)
        try:
            return process.checkpoint("saved")
        except CheckpointError:
            return None
        finally:
            process.kill()


def run_trial(job: SandboxJob, whole: Outcome, rng: random.Random, number: int) -> Trial:
    """Interrupt once at a random moment, and compare what comes of it."""
    for attempt in range(ATTEMPTS_MAX):
        # A machine under load may be faster or slower than it was for the whole run.
        moment = rng.random() * 0.9**attempt
        part = msgspec.structs.replace(job, output_dir=f"{job.output_dir}-part{number}")
        saved = save_and_kill(part, moment * whole.elapsed_s)
        if saved is not None:
            break
    else:
        raise TimeoutError(f"{job.program} always ended before its checkpoint")
    rest = msgspec.structs.replace(
        job, output_dir=f"{job.output_dir}-rest{number}", resume=saved.path
    )
    outcome = run_sandboxed(rest, timeout=RUN_WAIT_S)
    identical = (outcome.reason, outcome.ops, outcome.outputs, outcome.stderr) == (
        whole.reason,
        whole.ops,
        whole.outputs,
        whole.stderr,
    )
    return Trial(job.program, moment, saved.ops, saved.bytes, saved.waited_s, identical)


def run_trials(count: int, seed: int, folder: Path) -> list[Trial]:
    """``count`` trials, taking turns among the programs."""
    rng = random.Random(seed)
    jobs = []
    for program in auto_programs():
        job = make_job(program, program.app(), folder, program.name)
        plain = msgspec.structs.replace(job, output_dir=f"{job.output_dir}-whole")
        whole = run_sandboxed(plain, timeout=RUN_WAIT_S)
        if whole.reason != "ok":
            raise RuntimeError(f"{program.name} does not run: {whole.message}")
        jobs.append((job, whole))
    return [run_trial(*jobs[number % len(jobs)], rng, number) for number in range(count)]


def measure_trials(options: Options) -> Measured:
    """Every trial must be identical: a single other byte or op would spoil a quorum."""
    with workplace() as folder:
        trials = run_trials(TRIALS, options.seed, folder)
    return Measured(
        figure=sum(trial.identical for trial in trials),
        detail={
            "programs": sorted({trial.program for trial in trials}),
            "different": [msgspec.to_builtins(t) for t in trials if not t.identical],
            "bytes_median": statistics.median(trial.bytes for trial in trials),
            "bytes_max": max(trial.bytes for trial in trials),
            "safepoint_wait_s_max": max(trial.waited_s for trial in trials),
        },
    )


# --- what do they cost?


def measure_cost(options: Options) -> Measured:
    """Processor time of the instrumented module ÷ the plain one, without any checkpoint.

    Both take turns, and the shortest run of each counts: what else the machine does only adds.
    """
    ratios: dict[str, float] = {}
    programs = auto_programs()
    with workplace() as folder:
        for program in programs:
            app = program.app()
            # Each is read from the build folder before the other is built there.
            auto = _keep(make_job(program, app, folder, "auto"), folder)
            none = msgspec.structs.replace(app, checkpoint="none")
            plain = _keep(make_job(program, none, folder, "plain"), folder)
            ratios[program.name] = _ratio(auto, plain, options.seconds / len(programs))
    rounded = {name: round(ratio, 3) for name, ratio in sorted(ratios.items())}
    return Measured(figure=statistics.median(ratios.values()), detail={"programs": rounded})


def _keep(job: SandboxJob, folder: Path) -> SandboxJob:
    data = Path(job.module).read_bytes()
    path = folder / f"{hashlib.sha256(data).hexdigest()}.wasm"
    path.write_bytes(data)
    return msgspec.structs.replace(job, module=str(path))


def _ratio(auto: SandboxJob, plain: SandboxJob, seconds: float) -> float:
    until_s = time.monotonic() + seconds
    times: dict[str, list[float]] = {"auto": [], "plain": []}
    rounds = 0
    while rounds < ROUNDS_MIN or (rounds < ROUNDS_MAX and time.monotonic() < until_s):
        for name, job in (("auto", auto), ("plain", plain)):
            outcome = run_sandboxed(job, timeout=RUN_WAIT_S)
            if outcome.reason != "ok":
                raise RuntimeError(f"{job.program} does not run: {outcome.message}")
            times[name].append(outcome.cpu_s)
        rounds += 1
    return min(times["auto"]) / min(times["plain"])


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for the files of one figure."""
    with tempfile.TemporaryDirectory(prefix="idlegrid-checkpoint-") as folder:
        yield Path(folder)


FIGURES = (
    Figure(
        name="checkpoint-trials",
        what="interruptions of real programs after which bytes and ops are the same",
        unit=f"of {TRIALS}",
        bar=TRIALS,
        better="equal",
        measure=measure_trials,
    ),
    Figure(
        name="checkpoint-cost",
        what="processor time of a module that can be checkpointed ÷ the plain one, median",
        unit="×",
        bar=1.05,
        better="lower",
        measure=measure_cost,
    ),
)
