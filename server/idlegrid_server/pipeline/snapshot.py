"""Snapshots for decisions, read in a constant number of statements."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from idlegrid_server.domain.canary import choose_canaries
from idlegrid_server.domain.model import (
    BatchSnapshot,
    CanarySnapshot,
    Fleet,
    Hold,
    Relation,
    TaskSnapshot,
    UnitSnapshot,
)
from idlegrid_server.store.apply.policy import policy
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.snapshot import snapshot as batch_snapshot
from idlegrid_server.store.sql.batch import BATCHES_DUE, STAGES_OF_BATCHES, BatchRow, StageRow
from idlegrid_server.store.sql.unit import (
    TASKS_OF_UNITS,
    UNIT_STAGES,
    UNITS_AT,
    UNITS_DUE,
    UNITS_OPEN_OF_STAGE,
    TaskRow,
    UnitRow,
    UnitStageRow,
)
from idlegrid_server.store.sql.validation import COMPARISONS, OUTPUT_CHECKS
from idlegrid_shared.documents import Checkpoint, Release
from idlegrid_shared.signing import Signed

from .standing import Fleets, Known, read_known
from .worth import with_worth

RELEASES_KEPT = 256
#: Of a canary: a single result that is held until it is final shows that its program runs.
RAN_WELL = frozenset({"provisional", "valid", "assimilated"})


def due_units(
    db: Connection, now: int, limit: int, fleets: Fleets | None = None
) -> list[UnitSnapshot]:
    """The units that wait for a pass, longest first.

    Nine statements at most, eleven with validators.

    Whether there are proven hosts is looked up now and then alone, if ``fleets`` remembers it.
    """
    units = db.fetch_all(UNITS_DUE, now=now, limit=limit)
    return unit_snapshots(db, units, now=now, fleets=fleets)


def open_units(db: Connection, now: int, stage_id: int, limit: int) -> list[UnitSnapshot]:
    """The open units of a stage, the first of them, in as many statements."""
    units = db.fetch_all(UNITS_OPEN_OF_STAGE, stage_id=stage_id, limit=limit)
    return unit_snapshots(db, units, now=now)


def unit_snapshots(
    db: Connection,
    units: Sequence[UnitRow],
    validator: bytes | None = None,
    *,
    now: int | None = None,
    fleets: Fleets | None = None,
) -> list[UnitSnapshot]:
    """These units as decisions see them, by their stage's validator or another.

    Without ``now`` nobody's standing is read: for those who ask about outputs alone.
    """
    if not units:
        return []
    tasks: dict[int, list[TaskSnapshot]] = {unit.id: [] for unit in units}
    for row in db.fetch_all(TASKS_OF_UNITS, unit_ids=list(tasks)):
        tasks[row.unit_id].append(task_snapshot(row))
    stage_ids = sorted({unit.stage_id for unit in units})
    stages = {row.stage_id: row for row in db.fetch_all(UNIT_STAGES, stage_ids=stage_ids)}
    judged = [unit.id for unit in units if stages[unit.stage_id].validator_hash or validator]
    relations = read_relations(db, judged, validator)
    known = None
    if now is not None:
        hosts = {task.host_id for row in tasks.values() for task in row if task.host_id}
        holders = [unit.held_by for unit in units if unit.held_by is not None]
        known = read_known(db, now, hosts, stages.values(), fleets or Fleets(), holders)
    found = [
        unit_snapshot(unit, tasks[unit.id], stages[unit.stage_id], relations.get(unit.id), known)
        for unit in units
    ]
    return with_worth(db, found, {row.stage_id: row.release for row in stages.values()})


def read_relations(
    db: Connection, unit_ids: Sequence[int], validator: bytes | None = None
) -> dict[int, Relation]:
    """What is known of the outputs of units with a validator; two statements."""
    if not unit_ids:
        return {}
    sets: dict[int, dict[str, set[Any]]] = {
        unit_id: {name: set() for name in Relation.__struct_fields__} for unit_id in unit_ids
    }
    given = {"unit_ids": list(unit_ids), "validator": validator}
    for check in db.fetch_all(OUTPUT_CHECKS, **given):
        sets[check.unit_id][check.outcome].add(check.manifest)
    for found in db.fetch_all(COMPARISONS, **given):
        sets[found.unit_id]["agree" if found.agrees else "differ"].add((found.a, found.b))
    return {
        unit_id: Relation(**{name: frozenset(members) for name, members in known.items()})
        for unit_id, known in sets.items()
    }


def unit_snapshot(
    unit: UnitRow,
    tasks: list[TaskSnapshot],
    stage: UnitStageRow,
    relation: Relation | None = None,
    known: Known | None = None,
) -> UnitSnapshot:
    """A unit as decisions see it. The schema's CHECKs hold the states to their types."""
    hosts = sorted({task.host_id for task in tasks if task.host_id is not None})
    hold = None
    if unit.held_by is not None and unit.final_at is not None:
        hold = Hold(unit.held_by, unit.final_at)
    return UnitSnapshot(
        id=unit.id,
        stage_id=unit.stage_id,
        batch_id=unit.batch_id,
        index=unit.idx,
        state=unit.state,  # type: ignore[arg-type]
        version=unit.version,
        policy=policy(stage.policy),
        tasks=tuple(tasks),
        target=unit.target,
        reason=unit.reason,
        canonical_task=unit.canonical_task,
        canonical_manifest=unit.canonical_manifest,
        batch_state=stage.batch_state,  # type: ignore[arg-type]
        stage_state=stage.state,  # type: ignore[arg-type]
        placement=stage.placement,  # type: ignore[arg-type]
        rank=unit.rank,
        checkpoint=read_checkpoint(stage.release),
        due_at=unit.due_at,
        batch_since=stage.batch_since,
        relation=relation,
        standings=() if known is None else known.standings(stage, hosts),
        fleet=Fleet() if known is None else known.fleets[stage.stage_id],
        draw_seed=stage.seed,
        hold=hold,
        typical_ops=stage.typical_ops,
        reserved_until=unit.reserved_until,
        known=unit.known,
    )


def task_snapshot(row: TaskRow) -> TaskSnapshot:
    """A task as decisions see it."""
    return TaskSnapshot(
        id=row.id,
        n=row.n,
        state=row.state,  # type: ignore[arg-type]
        verdict=row.verdict,  # type: ignore[arg-type]
        host_id=row.host_id,
        account_id=row.account_id,
        subnet=row.subnet or "",
        sent_at=row.sent_at,
        deadline_at=row.deadline_at,
        received_at=row.received_at,
        manifest=row.manifest,
        ops=row.ops or 0,
        profile=row.profile or "",
        exit_code=row.exit_code or 0,
        reason=row.reason,
        credit_micro=row.credit_micro,
        took_us=row.cpu_us or row.elapsed_us or 0,
    )


@lru_cache(maxsize=RELEASES_KEPT)
def read_checkpoint(release: bytes) -> Checkpoint:
    """How a release's programs are checkpointed; it was verified when it was published."""
    signed = msgspec.json.decode(release, type=Signed)
    return msgspec.json.decode(signed.body, type=Release).checkpoint


def due_batches(db: Connection, now: int, limit: int) -> list[BatchSnapshot]:
    """The batches that wait for a pass, longest first: two statements, two more for canaries."""
    batches = db.fetch_all(BATCHES_DUE, now=now, limit=limit)
    stages: dict[int, list[StageRow]] = {batch.id: [] for batch in batches}
    if batches:
        for row in db.fetch_all(STAGES_OF_BATCHES, batch_ids=list(stages)):
            stages[row.batch_id].append(row)
    return [
        msgspec.structs.replace(
            batch_snapshot(batch, stages[batch.id]),
            canary=canary_snapshot(db, batch, stages[batch.id]),
        )
        for batch in batches
    ]


def canary_snapshot(
    db: Connection, batch: BatchRow, stages: list[StageRow]
) -> CanarySnapshot | None:
    """How a batch's canaries do; None if it has none to wait for."""
    if batch.state != "canary" or not batch.canaries:
        return None
    indexes = choose_canaries(batch.seed, stages[0].expected, batch.canaries)
    units = db.fetch_all(UNITS_AT, stage_id=stages[0].id, indexes=list(indexes))
    tasks = db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id for unit in units])
    return CanarySnapshot(
        total=len(indexes),
        valid=sum(1 for unit in units if unit.state in RAN_WELL),
        failed=sum(1 for unit in units if unit.state == "failed"),
        errors=sum(1 for task in tasks if task.state == "error"),
        until=batch.canary_until or 0,
        proven_until=batch.canary_proven_until,
    )
