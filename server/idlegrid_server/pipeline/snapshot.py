"""Snapshots for decisions, read in a constant number of statements."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from idlegrid_server.domain.canary import choose_canaries
from idlegrid_server.domain.model import (
    BatchSnapshot,
    CanarySnapshot,
    Relation,
    TaskSnapshot,
    UnitSnapshot,
)
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
from idlegrid_shared.documents import Checkpoint, Policy, Release
from idlegrid_shared.signing import Signed

from .worth import with_worth

POLICIES_KEPT = 1_024
RELEASES_KEPT = 256


def due_units(db: Connection, now: int, limit: int) -> list[UnitSnapshot]:
    """The units that wait for a pass, longest first: four statements, six with validators."""
    return unit_snapshots(db, db.fetch_all(UNITS_DUE, now=now, limit=limit))


def open_units(db: Connection, stage_id: int, limit: int) -> list[UnitSnapshot]:
    """The open units of a stage, the first of them, in as many statements."""
    return unit_snapshots(db, db.fetch_all(UNITS_OPEN_OF_STAGE, stage_id=stage_id, limit=limit))


def unit_snapshots(
    db: Connection, units: Sequence[UnitRow], validator: bytes | None = None
) -> list[UnitSnapshot]:
    """These units as decisions see them, by their stage's validator or another."""
    if not units:
        return []
    tasks: dict[int, list[TaskSnapshot]] = {unit.id: [] for unit in units}
    for row in db.fetch_all(TASKS_OF_UNITS, unit_ids=list(tasks)):
        tasks[row.unit_id].append(task_snapshot(row))
    stage_ids = sorted({unit.stage_id for unit in units})
    stages = {row.stage_id: row for row in db.fetch_all(UNIT_STAGES, stage_ids=stage_ids)}
    judged = [unit.id for unit in units if stages[unit.stage_id].validator_hash or validator]
    relations = read_relations(db, judged, validator)
    found = [
        unit_snapshot(unit, tasks[unit.id], stages[unit.stage_id], relations.get(unit.id))
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
) -> UnitSnapshot:
    """A unit as decisions see it. The schema's CHECKs hold the states to their types."""
    return UnitSnapshot(
        id=unit.id,
        stage_id=unit.stage_id,
        batch_id=unit.batch_id,
        index=unit.idx,
        state=unit.state,  # type: ignore[arg-type]
        version=unit.version,
        policy=read_policy(stage.policy),
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


@lru_cache(maxsize=POLICIES_KEPT)
def read_policy(text: str) -> Policy:
    """A stage's policy; the same text is read once."""
    return msgspec.json.decode(text, type=Policy)


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
        valid=sum(1 for unit in units if unit.state in ("valid", "assimilated")),
        failed=sum(1 for unit in units if unit.state == "failed"),
        errors=sum(1 for task in tasks if task.state == "error"),
        until=batch.canary_until or 0,
        proven_until=batch.canary_proven_until,
    )
