"""Steps of batches and stages, and what follows from them in the tables."""

from idlegrid_server.domain.transition import BATCH_ENDED
from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import batch as sql
from idlegrid_server.store.sql import job as job_sql
from idlegrid_server.store.sql import output as output_sql
from idlegrid_server.store.sql import unit as unit_sql

#: Batches that send tasks, if a stage of theirs runs.
SENDING = frozenset({"canary", "running", "combining"})
#: Stages whose live units are to be ended.
CUT_OFF = frozenset({"failed", "cancelled"})


def known_batch(db: Connection, batch_id: int) -> sql.BatchRow:
    """The batch, locked; raises ``unknown_batch``."""
    batch = db.fetch_one(sql.BATCH_BY_ID_LOCKED, batch_id=batch_id)
    if batch is None:
        raise c.StoreRefused("unknown_batch", f"there is no batch {batch_id}")
    return batch


def set_batch_state(
    db: Connection, ledger: Ledger, batch: sql.BatchRow, state: str, reason: str
) -> sql.BatchRow:
    """One step of a batch's life cycle; returns the row as it is now (its version grows)."""
    ledger.step("batch", batch.id, batch.state, state, reason)
    paused = batch.state if state == "paused" else None
    finished = ledger.now if state in BATCH_ENDED else None
    db.execute(
        sql.BATCH_SET_STATE,
        batch_id=batch.id,
        state=state,
        reason=reason,
        resume_state=paused,
        finished_at=finished,
    )
    db.execute(sql.BATCH_TOUCH, batch_id=batch.id)
    if state == "running" and batch.canaries and "canary" in (batch.state, batch.resume_state):
        db.execute(sql.STAGES_RELEASED, batch_id=batch.id)
    if state in BATCH_ENDED and batch.state not in BATCH_ENDED:
        _end_submission(db, batch.id, ledger.now, reason)
    return batch._replace(
        state=state,
        reason=reason,
        resume_state=paused,
        finished_at=finished,
        version=batch.version + 1,
    )


def _end_submission(db: Connection, batch_id: int, now: int, reason: str) -> None:
    job = db.fetch_one(job_sql.JOB_LIVE_OF_OBJECT, kind="submit", object_id=batch_id)
    if job is not None:
        db.execute(
            job_sql.JOB_END,
            job_id=job.id,
            state="cancelled",
            reason=reason,
            errors=job.errors,
            finished_at=now,
        )


def set_stage_state(
    db: Connection, ledger: Ledger, stage: sql.StageRow, state: str, reason: str
) -> bool:
    """One step of a stage's life cycle; says whether a job for the compute worker was made."""
    ledger.step("stage", stage.id, stage.state, state, reason)
    settle_from = 0 if state in CUT_OFF and stage.created > 0 else None
    db.execute(sql.STAGE_SET_STATE, stage_id=stage.id, state=state, settle_from=settle_from)
    if state == "running" and stage.kind == "combine" and stage.created == 0:
        return _make_combine(db, ledger, stage)
    if state == "running" and stage.kind == "combine" and stage.state == "complete":
        return _redo_combine(db, ledger, stage)
    return False


def _make_combine(db: Connection, ledger: Ledger, stage: sql.StageRow) -> bool:
    """The one unit of a combine step on the server, and the job that computes it."""
    if stage.placement != "server":
        return False
    if stage.expected != 1:
        db.execute(sql.STAGE_SET_EXPECTED, stage_id=stage.id, expected=1)
    unit_id = db.insert(
        unit_sql.UNIT_INSERT,
        stage_id=stage.id,
        batch_id=stage.batch_id,
        idx=0,
        args="[]",
        inputs=None,
    )
    ledger.step("unit", unit_id, None, "open", "submitted")
    db.execute(sql.STAGE_CREATED, stage_id=stage.id, count=1, unit_files=0, dispatchable=0)
    db.execute(job_sql.JOB_INSERT, kind="combine", object_id=unit_id, now=ledger.now)
    return True


def _redo_combine(db: Connection, ledger: Ledger, stage: sql.StageRow) -> bool:
    """What was combined has changed: compute it anew. Answers that used the old output keep it."""
    unit = db.fetch_one(unit_sql.UNIT_OF_STAGE, stage_id=stage.id, idx=0)
    if stage.placement != "server" or unit is None or unit.state != "assimilated":
        return False
    ledger.step("unit", unit.id, unit.state, "open", "reopened")
    db.execute(unit_sql.SERVER_UNIT_REOPEN, unit_id=unit.id)
    if not db.execute(output_sql.OUTPUT_FORGET, unit_id=unit.id):
        db.execute(output_sql.OUTPUT_RETRACT, unit_id=unit.id)
        db.execute(sql.BATCH_ANSWER_STALE, batch_id=stage.batch_id)
    db.fetch_one(
        sql.STAGE_COUNT, stage_id=stage.id, assimilated=-1, failed=0, cancelled=0, provisional=0
    )
    db.execute(job_sql.JOB_INSERT, kind="combine", object_id=unit.id, now=ledger.now)
    return True


def requeue(db: Connection, batch_id: int) -> None:
    """Let the batch's stages send, or not, as the batch's state and theirs now say."""
    for stage in db.fetch_all(sql.STAGES_OF_BATCH, batch_id=batch_id):
        if stage.placement == "grid":
            db.execute(sql.STAGE_QUEUED, stage_id=stage.id)
