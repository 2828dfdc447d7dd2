"""The job ``combine``: a combine step that is placed on the server, run in the sandbox."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from idlegrid_server.faults import reach
from idlegrid_server.store.command import CompleteServerUnit, FailJob
from idlegrid_server.store.sql.batch import (
    BATCH_BY_ID,
    STAGE_FACTS,
    STAGES_OF_BATCH,
    StageFactsRow,
    StageRow,
)
from idlegrid_server.store.sql.output import OUTPUTS_AFTER
from idlegrid_server.store.sql.unit import UNIT_INPUT, UNIT_INPUTS_AFTER, UnitInputRow
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.combine import CombineError, UnitRow, combine_inputs
from idlegrid_shared.documents import Release, TaskInput
from idlegrid_shared.manifest import manifest_bytes, parse_manifest
from idlegrid_shared.sandbox.job import INPUT_FILES_MAX, JobError
from idlegrid_shared.seeds import unit_seed
from idlegrid_shared.signing import Signed

from .lease import Lease, LeaseLost
from .sandbox import UnrunnableError, make_order, run_box
from .spec import read_stage
from .tools import MissingFile, Tools

ATTEMPTS_MAX = 3
PAGE = 2_000
STDERR_TOLD = 2_000  # characters of the end of standard error that a reason holds
log = logging.getLogger(__name__)


class CombineFailed(Exception):  # noqa: N818 - what happened is its name
    """An attempt failed; the message is what the batch's owner reads."""


def run_combine(tools: Tools, lease: Lease, stopping: Callable[[], bool]) -> None:
    """Compute the unit of a claimed job and store its outputs, or note a failed attempt.

    Raises ``LeaseLost``, ``Interrupted`` and ``StoreError``.
    """
    reach("combine.claimed")
    with tempfile.TemporaryDirectory(prefix="combine-", dir=tools.work) as folder:
        try:
            _attempt(tools, lease, stopping, Path(folder))
        except (CombineFailed, CombineError, JobError, MissingFile, UnrunnableError) as error:
            log.warning(
                "A combine step failed.", extra={"job": lease.job.id, "attempt": lease.job.attempts}
            )
            answer = tools.store.execute(
                FailJob(
                    now=tools.clock(),
                    job_id=lease.job.id,
                    worker=lease.worker,
                    reason=str(error),
                    attempts_max=ATTEMPTS_MAX,
                )
            )
            if answer.status == "lost":
                raise LeaseLost(f"job {lease.job.id} has gone to another worker") from error


def _attempt(tools: Tools, lease: Lease, stopping: Callable[[], bool], folder: Path) -> None:
    unit, stage, before, facts = _what(tools, lease)
    order = _order(tools, unit, stage, before, facts, folder)
    outcome = run_box(order, lease, stopping)
    reach("combine.ran")
    if outcome.status != "success":
        tail = outcome.stderr[-STDERR_TOLD:]
        raise CombineFailed(
            f"combine program {facts.program}: {outcome.message}" + (f"\n{tail}" if tail else "")
        )
    files = {}
    for entry in outcome.outputs:
        digest = bytes.fromhex(entry.sha256)
        if digest not in files:
            files[digest] = tools.keep_file(folder / "out" / entry.name, digest, entry.bytes)
        lease.keep()
    reach("combine.stored")
    manifest = manifest_bytes(outcome.outputs)
    answer = tools.store.execute(
        CompleteServerUnit(
            now=tools.clock(),
            job_id=lease.job.id,
            worker=lease.worker,
            unit_id=unit.id,
            manifest=manifest,
            manifest_hash=hashlib.sha256(manifest).digest(),
            files=tuple(files.values()),
            ops=outcome.ops,
            elapsed_us=round(outcome.elapsed_s * 1e6),
        )
    )
    if answer.status == "lost":
        raise LeaseLost(f"job {lease.job.id} has gone to another worker")
    reach("combine.done.after")


def _what(tools: Tools, lease: Lease) -> tuple[UnitInputRow, StageRow, StageRow, StageFactsRow]:
    """The unit, its stage, the stage that it combines, and what never changes about it."""
    with tools.store.reading() as db:
        unit = db.fetch_one(UNIT_INPUT, unit_id=lease.job.object_id)
        if unit is None:
            raise CombineFailed(f"work unit {lease.job.object_id} does not exist")
        stages = db.fetch_all(STAGES_OF_BATCH, batch_id=unit.batch_id)
        facts = db.fetch_one(STAGE_FACTS, stage_id=unit.stage_id)
    place = next((i for i, stage in enumerate(stages) if stage.id == unit.stage_id), 0)
    if facts is None or place == 0:
        raise CombineFailed("there is no stage before this one whose outputs could be combined")
    return unit, stages[place], stages[place - 1], facts


def _order(
    tools: Tools,
    unit: UnitInputRow,
    stage: StageRow,
    before: StageRow,
    facts: StageFactsRow,
    folder: Path,
) -> BoxOrder:
    signed = msgspec.json.decode(facts.release, type=Signed)
    release = msgspec.json.decode(signed.body, type=Release)  # verified when it was published
    with tools.store.reading() as db:
        batch = db.fetch_one(BATCH_BY_ID, batch_id=unit.batch_id)
    if batch is None:
        raise CombineFailed(f"batch {unit.batch_id} does not exist")
    copies = folder / "copies"
    copies.mkdir()
    shared = {
        file.name: tools.place_file(bytes.fromhex(file.sha256), copies)
        for file in msgspec.json.decode(facts.inputs, type=tuple[TaskInput, ...])
    }
    outputs = _outputs(tools, before, copies)
    inputs = combine_inputs(
        stage_rows(tools, before), lambda row: outputs.get(row.index, {}), shared, folder / "in"
    )
    return make_order(
        tools,
        release,
        release.program(facts.program),
        folder,
        inputs=inputs,
        seed=unit_seed(facts.batch_seed, facts.idx, unit.idx),
        args=read_stage(batch.spec, stage.idx).args,
    )


def stage_rows(tools: Tools, stage: StageRow) -> Iterator[UnitRow]:
    """The units of ``stage`` in order of index, as ``units.jsonl`` tells them."""
    after = -1
    while True:
        with tools.store.reading() as db:
            page = db.fetch_all(UNIT_INPUTS_AFTER, stage_id=stage.id, after=after, limit=PAGE)
        for index, args, _, state in page:
            if state not in ("assimilated", "failed", "cancelled"):
                raise CombineFailed(f"work unit {index} is still {state}")
            after = index
            yield UnitRow(index, msgspec.json.decode(args, type=tuple[str, ...]), state)  # type: ignore[arg-type]
        if len(page) < PAGE:
            return


def _outputs(tools: Tools, stage: StageRow, copies: Path) -> dict[int, Mapping[str, Path]]:
    """The files of every assimilated unit, by index and name."""
    found: dict[int, Mapping[str, Path]] = {}
    after, count = -1, 0
    while True:
        with tools.store.reading() as db:
            page = db.fetch_all(OUTPUTS_AFTER, stage_id=stage.id, after=after, limit=PAGE)
        for row in page:
            manifest = parse_manifest(row.body)
            count += len(manifest)
            if count > INPUT_FILES_MAX:
                raise CombineFailed(
                    f"there are more than {INPUT_FILES_MAX} outputs to combine: let each unit do "
                    "more work, or write fewer files"
                )
            found[row.idx] = {
                entry.name: tools.place_file(bytes.fromhex(entry.sha256), copies)
                for entry in manifest
            }
            after = row.idx
        if len(page) < PAGE:
            return found
