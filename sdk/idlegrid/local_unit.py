"""Running one step of a batch here, in the same sandbox and under the same limits as on a host."""

import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from idlegrid_shared.box.box import Box
from idlegrid_shared.box.native.wall import native_platform
from idlegrid_shared.box.open import open_box
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import PLATFORM_WASM, WALLED_BY_SYSTEM, Checkpoint
from idlegrid_shared.sandbox.job import JobError, Outcome
from idlegrid_shared.seeds import unit_seed

from .app import App
from .built import BuiltProgram
from .fault import IdlegridError, InputError
from .python_runtime import runtime_places
from .table import PlannedUnit

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
    #: As on a host; a combine step has none.
    checkpoint: Checkpoint = "none"


def unit_step(
    app: App,
    files: Mapping[str, Path],
    index: int,
    unit: PlannedUnit,
    seed: bytes,
    output_dir: Path,
    *,
    checkpoint: Checkpoint = "none",
) -> Step:
    """Unit ``index`` of the map stage; ``files`` are its own by hash, ``seed`` is the batch's."""
    own = {item.name: files[item.sha256] for item in unit.inputs}
    return Step(
        program=app.split.program,
        args=unit.args,
        inputs={**app.split.inputs, **own},
        seed=unit_seed(seed, 0, index),
        output_dir=output_dir,
        checkpoint=checkpoint,
    )


class Stopped(Exception):  # noqa: N818 (not an error: somebody asked for it)
    """The run was stopped on purpose."""


def step_order(app: App, built: Mapping[str, BuiltProgram], step: Step, cache: Path) -> BoxOrder:
    """What a box needs to run ``step``; ``cache`` is the folder of compiled modules.

    Raises :class:`InputError` for a program that is not made for this machine.
    """
    program, source = built[step.program], app.programs[step.program]
    if program.variants and native_platform() not in program.variants:
        made = ", ".join(program.variants)
        raise InputError(f"program {step.program} is made for {made}, not for {native_platform()}")
    interpreter, places = None, program.places()
    if program.interpreter:
        interpreter, more = runtime_places(program.interpreter)
        places |= more
    return BoxOrder(
        program=program.document(source, app.runtime),
        places=places,
        interpreter=interpreter,
        args=step.args,
        inputs={name: str(path) for name, path in step.inputs.items()},
        output_dir=str(step.output_dir),
        seed=step.seed,
        profile=app.profile,
        runtime=source.runtime,
        platform=native_platform() if source.runtime in WALLED_BY_SYSTEM else PLATFORM_WASM,
        cache_dir=str(cache),
        checkpoint=step.checkpoint,
    )


def run_step(
    app: App, built: Mapping[str, BuiltProgram], step: Step, cache: Path, stop: threading.Event
) -> Outcome:
    """Run ``step``; a program's own failure is an outcome.

    Raises :class:`InputError` for arguments that no program can get, :class:`IdlegridError` when
    this machine is at fault, and :class:`Stopped` soon after ``stop`` is set.
    """
    order = step_order(app, built, step, cache)
    for _ in range(ATTEMPTS_MAX):
        try:
            box = open_box(order)
        except JobError as error:
            raise InputError(f"program {step.program}: {error}") from error
        outcome = _run_once(box, stop)
        if outcome.reason != "worker_died":
            break
    if outcome.reason in (*HOST_REASONS, "worker_died"):
        raise IdlegridError(f"this machine could not run {step.program}: {outcome.message}")
    return outcome


def _run_once(box: Box, stop: threading.Event) -> Outcome:
    if stop.is_set():
        raise Stopped
    with box as process:
        process.launch()
        while (outcome := process.wait(POLL_S)) is None:
            if stop.is_set():
                process.kill("run-local was stopped")
    if stop.is_set():
        raise Stopped
    return outcome
