"""``app test``: does a program give the same everywhere, and what does it need?

Each unit runs twice in every way that there is to run it here; a difference in a byte or an op is
a difference that two volunteers would see. The rest is measured on the way.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.seeds import SEED_TEXT, batch_seed

from .app import App
from .build import build_app, build_plain
from .built import BuiltProgram, Say
from .fault import BuildError, InputError
from .local_unit import Step, step_order, unit_step
from .native import build_native, native_cpu_s
from .place import cache_folder
from .python_runtime import prepare_runtimes
from .safepoint import GAP_S_MAX
from .table import PlannedUnit, UnitTable
from .verdict import Needs, WayRun, compute_needs, find_faults, note_run
from .way import AS_ON_A_HOST, CRANELIFT, PULLEY, Way, run_way

REPEATS = 2


class NativeSpeed(msgspec.Struct, frozen=True):
    """The first unit against the same source compiled for this machine; ``why_not`` if it is not.

    ``ratio``: processor time in the sandbox ÷ that outside.
    """

    cpu_s: float = 0.0
    ratio: float = 0.0
    why_not: str = ""


class CheckpointCost(msgspec.Struct, frozen=True):
    """What checkpoints cost the first unit. ``gap_s``: its longest way between two host calls.

    ``ratio`` and ``ops_ratio``: with what ``checkpoint = "auto"`` adds ÷ without, 0 if not "auto".
    """

    mode: str
    gap_s: float
    gap_ops: int
    ratio: float = 0.0
    ops_ratio: float = 0.0


class Trial(msgspec.Struct, frozen=True):
    """What came out. ``faults`` has a sentence for whatever must be mended before publishing."""

    program: str
    runtime: str
    units: int
    runs: tuple[WayRun, ...]
    needs: Needs
    limits: Limits
    native: NativeSpeed
    checkpoint: CheckpointCost
    faults: tuple[str, ...]


def try_app(app: App, *, units: int = 1, table: Path | None = None, say: Say = None) -> Trial:
    """Build the app and run its first ``units`` units in every way.

    Raises :class:`InputError` for what is wrong before anything runs, and ``IdlegridError`` when
    this machine is at fault.
    """
    say = say or (lambda text: None)
    listed = UnitTable(app, table)
    planned = _first(listed, units)
    built = build_app(app, say)
    prepare_runtimes(built.values(), cache_folder() / "modules", say)
    with tempfile.TemporaryDirectory(prefix="idlegrid-test-") as folder:
        trial = _Trial(app, built, listed.files.by_hash, Path(folder), say)
        return trial.run(planned)


def _first(table: UnitTable, units: int) -> list[PlannedUnit]:
    if units < 1:
        raise InputError(f"--units {units} must be at least 1")
    found = []
    for unit in table.units():
        found.append(unit)
        if len(found) == units:
            break
    return found


class _Trial:
    def __init__(
        self,
        app: App,
        built: Mapping[str, BuiltProgram],
        files: Mapping[str, Path],
        folder: Path,
        say: Say,
    ) -> None:
        self.app = app
        self.built = built
        self.files = files
        self.folder = folder
        self.say = say or (lambda text: None)
        self.name = app.split.program
        self.source = app.programs[self.name]
        self.boxed = self.source.runtime in ("wasm", "python")

    def run(self, planned: Sequence[PlannedUnit]) -> Trial:
        ways = (CRANELIFT, PULLEY) if self.boxed else (AS_ON_A_HOST,)
        runs, faults = [], []
        for index, unit in enumerate(planned):
            mine = [
                note_run(index, way, self._outcome(self.built, index, unit, way))
                for way in ways * REPEATS
            ]
            faults += find_faults(mine)
            runs += mine
        first = planned[0]
        well = all(run.reason == "ok" for run in runs)
        speed = self._native(first, runs) if well else NativeSpeed(why_not="the program failed")
        cost = self._checkpoint(first) if well and self.boxed else self._no_checkpoint()
        if cost.mode == "auto" and cost.gap_s > GAP_S_MAX:
            faults.append(
                f"the program went {cost.gap_s:.0f} s without a host call; with checkpoint = "
                f'"auto" it must not be more than {GAP_S_MAX:.0f}: call idlegrid_safepoint() in '
                "its long loops"
            )
        return Trial(
            program=self.name,
            runtime=self.source.runtime,
            units=len(planned),
            runs=tuple(runs),
            needs=compute_needs(runs),
            limits=self.source.limits,
            native=speed,
            checkpoint=cost,
            faults=tuple(faults),
        )

    def _step(self, index: int, unit: PlannedUnit) -> Step:
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        seed = batch_seed(self.app.name, self.app.version, SEED_TEXT)
        return unit_step(self.app, self.files, index, unit, seed, out)

    def _outcome(
        self,
        built: Mapping[str, BuiltProgram],
        index: int,
        unit: PlannedUnit,
        way: Way,
        *,
        measure_gaps: bool = False,
    ) -> Outcome:
        order = step_order(self.app, built, self._step(index, unit), cache_folder() / "modules")
        words = f"unit {index} on {way.name}"
        self.say(words)
        return run_way(
            order,
            way,
            measure_gaps=measure_gaps,
            on_fraction=lambda fraction: self.say(f"{words}: {fraction:.0%}"),
        )

    def _native(self, unit: PlannedUnit, runs: Sequence[WayRun]) -> NativeSpeed:
        if self.source.runtime != "wasm":
            return NativeSpeed(why_not=f"it is a {self.source.runtime} program")
        if not self.source.sources:
            return NativeSpeed(why_not="it has no C or C++ sources here")
        self.say("compiling for this machine itself")
        try:
            place = build_native(self.app, self.folder / "native")
        except (InputError, BuildError) as error:
            return NativeSpeed(why_not=str(error))
        for item in unit.inputs:
            shutil.copyfile(self.files[item.sha256], place / "in" / item.name)
        self.say("unit 0 outside the sandbox")
        try:
            cpu_s = min(native_cpu_s(place, unit.args) for _ in range(REPEATS))
        except (subprocess.SubprocessError, OSError) as error:
            return NativeSpeed(why_not=f"outside the sandbox it failed: {error}")
        boxed = min(run.cpu_s for run in runs if run.unit == 0 and run.way == CRANELIFT.name)
        return NativeSpeed(cpu_s=cpu_s, ratio=boxed / max(cpu_s, 1e-3))

    def _no_checkpoint(self) -> CheckpointCost:
        return CheckpointCost(self.app.checkpoint, 0.0, 0)

    def _checkpoint(self, unit: PlannedUnit) -> CheckpointCost:
        measured = self._outcome(self.built, 0, unit, CRANELIFT, measure_gaps=True)
        cost = CheckpointCost(self.app.checkpoint, measured.gap_s, measured.gap_ops)
        if self.app.checkpoint != "auto" or self.source.runtime != "wasm":
            return cost
        plain = {self.name: build_plain(self.app, self.folder / "plain.wasm")}
        # Taking turns, so that both meet the same machine.
        pairs = [
            [self._outcome(kind, 0, unit, CRANELIFT) for kind in (self.built, plain)]
            for _ in range(REPEATS + 1)
        ]
        own, bare = (min(pair[i].cpu_s for pair in pairs) for i in (0, 1))
        return msgspec.structs.replace(
            cost,
            ratio=own / max(bare, 1e-3),
            ops_ratio=pairs[0][0].ops / max(pairs[0][1].ops, 1),
        )
