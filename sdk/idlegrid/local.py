"""``run-local``: a whole batch on this machine, without a server, with the same answer.

Programs, seeds, limits, sandbox, combine mapping and plot are the grid's; only the replicas are
missing: each unit runs once. So the answer's files are the grid's, byte for byte.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import msgspec

from idlegrid_shared.combine import CombineError, UnitRow, combine_inputs, unit_folder
from idlegrid_shared.manifest import Manifest, ManifestEntry, make_manifest
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.seeds import SEED_TEXT, batch_seed, unit_seed

from .app import App
from .build import build_app
from .built import BuiltProgram
from .drawing import draw_plot
from .fault import BatchFailedError, IdlegridError, InputError
from .local_unit import Step, Stopped, run_step, unit_step
from .place import cache_folder
from .python_runtime import prepare_runtimes
from .table import PlannedUnit, UnitTable

JOBS_MAX = 256
# How many runs wait in the pool beside those that run: enough to keep it busy, few in memory.
QUEUED_PER_JOB = 4


class FailedUnit(msgspec.Struct, frozen=True):
    """A unit whose program failed."""

    index: int
    args: tuple[str, ...]
    reason: str
    message: str
    stderr: str


class Usage(msgspec.Struct):
    """What the runs of one program really took: the largest of each, and the sum of ops."""

    runs: int = 0
    ops_max: int = 0
    ops_sum: int = 0
    memory_bytes_max: int = 0
    cpu_s_max: float = 0.0
    output_bytes_max: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.ops_max = max(self.ops_max, outcome.ops)
        self.ops_sum += outcome.ops
        self.memory_bytes_max = max(self.memory_bytes_max, outcome.peak_memory_bytes)
        self.cpu_s_max = max(self.cpu_s_max, outcome.cpu_s)
        size = sum(entry.bytes for entry in outcome.outputs)
        self.output_bytes_max = max(self.output_bytes_max, size)


class LocalAnswer(msgspec.Struct, frozen=True):
    """The answer of a local run: its files lie in ``out`` under the names of ``manifest``."""

    out: Path
    manifest: Manifest
    units: int
    skipped: tuple[FailedUnit, ...]
    usage: Mapping[str, Usage]
    #: What went wrong without spoiling the answer: a plot that could not be drawn.
    notes: tuple[str, ...]


class Watcher:
    """Hears how a local run goes on; this one says nothing. Called from one thread."""

    def step(self, text: str) -> None:
        """Something that takes a while begins."""

    def planned(self, units: int) -> None:
        """So many units will be run."""

    def unit_done(self, failed: bool) -> None:
        """One unit has ended."""


def run_local(
    app: App,
    out: Path,
    *,
    table: Path | None = None,
    jobs: int | None = None,
    seed: str = SEED_TEXT,
    watcher: Watcher | None = None,
) -> LocalAnswer:
    """Run the batch and write the answer's files into ``out``.

    Raises :class:`BatchFailedError` when units fail beyond ``on_failure`` or the combine step
    fails, :class:`InputError` (table, build) before anything runs, and :class:`IdlegridError` when
    this machine is at fault.
    """
    watcher = watcher or Watcher()
    units = UnitTable(app, table)
    planned = list(units.units())
    built = build_app(app, watcher.step)
    _make_folder(out)
    prepare_runtimes(built.values(), cache_folder() / "modules", watcher.step)
    # Beside the answer, so that the outputs only change their names when they become it.
    with tempfile.TemporaryDirectory(prefix=".run-local-", dir=out) as work:
        run = _Run(app, built, Path(work), batch_seed(app.name, app.version, seed), watcher)
        watcher.planned(len(planned))
        run.map(planned, units.files.by_hash, _jobs(jobs))
        answer = run.combine(planned)
        notes = draw_plot(app, answer)
        manifest = _move(answer, out)
    return LocalAnswer(out, manifest, len(planned), tuple(run.failed), run.usage, notes)


def _jobs(jobs: int | None) -> int:
    jobs = jobs if jobs is not None else (os.cpu_count() or 1)
    if not 1 <= jobs <= JOBS_MAX:
        raise InputError(f"--jobs {jobs} must be from 1 to {JOBS_MAX}")
    return jobs


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror}") from error


class _Run:
    """The state of one local run."""

    def __init__(
        self,
        app: App,
        built: Mapping[str, BuiltProgram],
        work: Path,
        seed: bytes,
        watcher: Watcher,
    ) -> None:
        self.app = app
        self.built = built
        self.work = work
        self.seed = seed
        self.watcher = watcher
        self.cache = cache_folder() / "modules"
        self.stop = threading.Event()
        self.outputs: dict[int, Manifest] = {}
        self.failed: list[FailedUnit] = []
        self.usage: dict[str, Usage] = {}

    def map(self, planned: list[PlannedUnit], files: Mapping[str, Path], jobs: int) -> None:
        """Run every unit once, ``jobs`` at a time."""
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        waiting = iter(self._steps(planned, files))
        running: dict[Future[Outcome], int] = {}
        with ThreadPoolExecutor(jobs, thread_name_prefix="unit") as pool:
            try:
                while True:
                    for index, step in waiting:
                        future = pool.submit(
                            run_step, self.app, self.built, step, self.cache, self.stop
                        )
                        running[future] = index
                        if len(running) >= jobs * QUEUED_PER_JOB:
                            break
                    if not running:
                        break
                    done = wait(running, return_when=FIRST_COMPLETED).done
                    for future in sorted(done, key=running.__getitem__):
                        index = running.pop(future)
                        self._take(index, planned, future.result())
            except Stopped as error:
                raise IdlegridError("the run was stopped") from error
            finally:
                # On any error, Ctrl-C among them: let no program run on behind it.
                self.stop.set()
        self.stop.clear()
        self.failed.sort(key=lambda unit: unit.index)

    def _steps(
        self, planned: list[PlannedUnit], files: Mapping[str, Path]
    ) -> Iterator[tuple[int, Step]]:
        for index, unit in enumerate(planned):
            out = self.work / unit_folder(index)
            mode = self.app.checkpoint
            yield (
                index,
                unit_step(self.app, files, index, unit, self.seed, out, checkpoint=mode),
            )

    def _take(self, index: int, planned: list[PlannedUnit], outcome: Outcome) -> None:
        program = self.app.split.program
        self.usage.setdefault(program, Usage()).add(outcome)
        failed = outcome.status != "success"
        if failed:
            unit = FailedUnit(
                index, planned[index].args, outcome.reason, outcome.message, outcome.stderr
            )
            self.failed.append(unit)
        else:
            self.outputs[index] = outcome.outputs
        self.watcher.unit_done(failed)
        if failed and not self.app.split.on_failure.allows(len(self.failed), len(planned)):
            arguments = " ".join(unit.args)
            raise BatchFailedError(
                f"unit {index} ({program} {arguments}) failed: {outcome.message}",
                detail=outcome.stderr,
            )

    def combine(self, planned: list[PlannedUnit]) -> Path:
        """Make the folder of the answer: by the combine step, or of all outputs as they are."""
        folder = self.work / "answer"
        combine = self.app.combine
        if combine is None:
            folder.mkdir()
            for index in self.outputs:
                place = folder / unit_folder(index)
                place.parent.mkdir(exist_ok=True)
                (self.work / unit_folder(index)).rename(place)
            return folder
        self.watcher.step(f"combining by {combine.program}")
        rows = (
            UnitRow(index, unit.args, "assimilated" if index in self.outputs else "failed")
            for index, unit in enumerate(planned)
        )
        try:
            inputs = combine_inputs(rows, self._files, combine.inputs, self.work / "combine")
        except CombineError as error:
            raise BatchFailedError(str(error)) from error
        seed = unit_seed(self.seed, 1, 0)
        step = Step(combine.program, combine.args, inputs, seed, folder)
        outcome = run_step(self.app, self.built, step, self.cache, self.stop)
        self.usage.setdefault(combine.program, Usage()).add(outcome)
        if outcome.status != "success":
            raise BatchFailedError(
                f"the combine step {combine.program} failed: {outcome.message}",
                detail=outcome.stderr,
            )
        return folder

    def _files(self, unit: UnitRow) -> dict[str, Path]:
        folder = self.work / unit_folder(unit.index)
        return {entry.name: folder / entry.name for entry in self.outputs[unit.index]}


def list_folder(folder: Path) -> Manifest:
    """The manifest of all files below ``folder``."""
    return make_manifest(_entry(folder, path) for path in folder.rglob("*") if path.is_file())


def _entry(folder: Path, path: Path) -> ManifestEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ManifestEntry(path.relative_to(folder).as_posix(), digest, file.tell())


def _move(answer: Path, out: Path) -> Manifest:
    """Bring the answer's files to their place; files of the same name are replaced."""
    manifest = list_folder(answer)
    for entry in manifest:
        target = out / entry.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            (answer / entry.name).replace(target)
        except OSError as error:
            raise InputError(f"cannot write {target}: {error.strerror}") from error
    return manifest
