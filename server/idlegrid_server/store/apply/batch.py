"""Batches steered, decided and answered."""

from idlegrid_server.domain.batch import cancel_batch, fail_batch
from idlegrid_server.domain.canary import choose_canaries
from idlegrid_server.domain.model import BatchPlan
from idlegrid_server.domain.transition import BATCH_ENDED
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.file import require_files, store_files
from idlegrid_server.store.apply.stage import (
    known_batch,
    requeue,
    set_batch_state,
    set_stage_state,
)
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.snapshot import snapshot
from idlegrid_server.store.sql import batch as sql
from idlegrid_server.store.sql import file as file_sql
from idlegrid_server.store.sql import unit as unit_sql

UNIT_LIVE = frozenset({"open", "provisional", "valid"})


def apply_plan(db: Connection, command: c.ApplyBatchPlan) -> c.ApplyBatchPlanResult:
    """Apply a decision, unless the batch has changed since it was made."""
    batch = known_batch(db, command.plan.batch_id)
    if batch.version != command.plan.version:
        return c.ApplyBatchPlanResult("void", made_due=True)
    ledger = Ledger(db, command.now, command.actor)
    jobs = _carry_out(db, ledger, batch, command.plan)
    ledger.write()
    return c.ApplyBatchPlanResult(
        "applied", made_due=command.plan.due_at is not None, started_jobs=jobs
    )


def _carry_out(db: Connection, ledger: Ledger, batch: sql.BatchRow, plan: BatchPlan) -> bool:
    """The steps of a plan; says whether jobs for the compute worker were made."""
    for step in plan.steps:
        batch = set_batch_state(db, ledger, batch, step.state, step.reason)
    stages = {stage.id: stage for stage in db.fetch_all(sql.STAGES_OF_BATCH, batch_id=batch.id)}
    jobs = False
    for change in plan.stages:
        stage = stages[change.stage_id]
        jobs |= set_stage_state(db, ledger, stage, change.state, change.reason)
    if plan.steps or plan.stages:
        requeue(db, batch.id)
    if plan.open_canaries:
        _open_canaries(db, batch, list(stages.values()))
    # An answer that must be made keeps the batch due until it is there, whoever dies meanwhile.
    due_at = ledger.now if plan.answer is not None else plan.due_at
    db.execute(sql.BATCH_SET_DUE, batch_id=batch.id, due_at=due_at)
    return jobs


def _open_canaries(db: Connection, batch: sql.BatchRow, stages: list[sql.StageRow]) -> None:
    """Nobody proven has taken them in time: anybody may."""
    db.execute(sql.BATCH_CANARIES_OPEN, batch_id=batch.id)
    for stage in stages:
        if stage.state == "running":
            indexes = list(choose_canaries(batch.seed, stage.expected, batch.canaries))
            db.execute(unit_sql.UNITS_UNRESERVED, stage_id=stage.id, indexes=indexes)


def _end(db: Connection, batch: sql.BatchRow, now: int, actor: str, plan: BatchPlan) -> c.Done:
    ledger = Ledger(db, now, actor)
    _carry_out(db, ledger, batch, plan)
    ledger.write()
    return c.Done()


def fail(db: Connection, command: c.FailBatch) -> c.Done:
    """End a batch that cannot go on."""
    batch = known_batch(db, command.batch_id)
    if batch.state in BATCH_ENDED:
        return c.Done(changed=False)
    stages = db.fetch_all(sql.STAGES_OF_BATCH, batch_id=batch.id)
    plan = fail_batch(snapshot(batch, stages), command.reason)
    return _end(db, batch, command.now, command.actor, plan)


def cancel(db: Connection, command: c.CancelBatch) -> c.Done:
    """End a batch because somebody asked for it."""
    batch = known_batch(db, command.batch_id)
    if batch.state in BATCH_ENDED:
        return c.Done(changed=False)
    stages = db.fetch_all(sql.STAGES_OF_BATCH, batch_id=batch.id)
    plan = cancel_batch(snapshot(batch, stages), command.reason)
    return _end(db, batch, command.now, command.actor, plan)


def pause(db: Connection, command: c.PauseBatch) -> c.Done:
    """Send nothing more."""
    batch = known_batch(db, command.batch_id)
    if batch.state == "paused":
        return c.Done(changed=False)
    if batch.state in BATCH_ENDED:
        raise c.StoreRefused("batch_ended", f"the batch is {batch.state}: it cannot be paused")
    ledger = Ledger(db, command.now, command.actor)
    set_batch_state(db, ledger, batch, "paused", command.reason)
    requeue(db, batch.id)
    ledger.write()
    return c.Done()


def resume(db: Connection, command: c.ResumeBatch) -> c.Done:
    """Go on where it was; a pass looks at what came back meanwhile."""
    batch = known_batch(db, command.batch_id)
    if batch.state != "paused" or batch.resume_state is None:
        return c.Done(changed=False)
    ledger = Ledger(db, command.now, command.actor)
    # Who resumes a batch whose canaries failed has been asked, and wants the rest of it.
    state = "running" if batch.reason == "canaries_failed" else batch.resume_state
    set_batch_state(db, ledger, batch, state, "resumed")
    db.execute(sql.BATCH_FORGIVEN, batch_id=batch.id, now=command.now)
    requeue(db, batch.id)
    db.execute(sql.BATCH_WAKE, batch_id=batch.id, now=command.now)
    ledger.write()
    return c.Done()


def settle_stage(db: Connection, command: c.SettleStage) -> c.SettleStageResult:
    """Mark the next live units of a stage that ended early."""
    stage = db.fetch_one(sql.STAGE_BY_ID_LOCKED, stage_id=command.stage_id)
    if stage is None or stage.settle_from is None:
        return c.SettleStageResult(0, more=False)
    rows = db.fetch_all(
        unit_sql.UNITS_SETTLE,
        stage_id=stage.id,
        settle_from=stage.settle_from,
        limit=command.limit,
    )
    live = [unit_id for unit_id, _, state in rows if state in UNIT_LIVE]
    if live:
        db.execute(unit_sql.UNITS_WAKE, unit_ids=live, now=command.now)
    more = len(rows) == command.limit
    db.execute(
        sql.STAGE_SETTLED_TO,
        stage_id=stage.id,
        settle_from=rows[-1][1] + 1 if more else None,
    )
    return c.SettleStageResult(len(live), more=more)


def add_answer(db: Connection, command: c.AddAnswer) -> c.AddAnswerResult:
    """Store an answer; with a state, end the batch by it."""
    batch = known_batch(db, command.batch_id)
    if batch.revision >= command.revision:
        return c.AddAnswerResult("existing", batch.revision)
    if batch.version != command.version or batch.revision + 1 != command.revision:
        return c.AddAnswerResult("stale", batch.revision)
    store_files(db, command.files, command.now)
    require_files(db, [file.sha256 for file in command.files if file.data is None])
    db.execute(file_sql.MANIFEST_INSERT, hash=command.manifest_hash, body=command.manifest)
    db.execute(
        sql.ANSWER_INSERT,
        batch_id=batch.id,
        revision=command.revision,
        manifest=command.manifest_hash,
        detail=command.detail,
        now=command.now,
    )
    db.execute(sql.BATCH_ANSWERED, batch_id=batch.id, revision=command.revision)
    ledger = Ledger(db, command.now, command.actor)
    ledger.note("batch", batch.id, batch.state, f"answer {command.revision}")
    if command.state is not None and command.state != batch.state:
        set_batch_state(db, ledger, batch, command.state, command.reason)
    db.execute(sql.BATCH_SET_DUE, batch_id=batch.id, due_at=None)
    ledger.write()
    return c.AddAnswerResult("added", command.revision)
