"""Another validator for a batch: tried, reported, and applied to the units that it judges anew."""

from idlegrid_server.domain.transition import BATCH_ENDED
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.lease import close, own
from idlegrid_server.store.apply.plan import apply_unit_plans
from idlegrid_server.store.apply.stage import (
    known_batch,
    requeue,
    set_batch_state,
    set_stage_state,
)
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import batch as batch_sql
from idlegrid_server.store.sql import job as job_sql
from idlegrid_server.store.sql import unit as unit_sql
from idlegrid_server.store.sql import validation as sql

#: Batches whose units may be judged anew: they run, or have an answer that can be followed by
#: another.
REVALIDATED = frozenset({"running", "complete", "complete_with_failures"})


def try_validator(db: Connection, command: c.TryValidator) -> c.TryValidatorResult:
    """A rule to be tried, and the job that tries it."""
    known_batch(db, command.batch_id)
    revalidation_id = db.insert(
        sql.REVALIDATION_INSERT,
        batch_id=command.batch_id,
        stage_id=command.stage_id,
        rule=command.rule,
        rule_hash=command.rule_hash,
        now=command.now,
    )
    db.execute(job_sql.JOB_INSERT, kind="revalidate", object_id=revalidation_id, now=command.now)
    return c.TryValidatorResult(revalidation_id)


def report(db: Connection, command: c.ReportRevalidation) -> c.JobResult:
    """What a rule would change is known, or why it cannot be."""
    job = own(db, command.job_id, command.worker)
    if job is None:
        return c.JobResult("lost")
    db.execute(
        sql.REVALIDATION_SET,
        revalidation_id=job.object_id,
        state="failed" if command.report is None else "ready",
        reason=command.reason,
        report=command.report,
    )
    close(db, job, "done", "", command.now)
    return c.JobResult("ok")


def _known(db: Connection, revalidation_id: int) -> sql.RevalidationRow:
    row = db.fetch_one(sql.REVALIDATION_BY_ID, revalidation_id=revalidation_id)
    if row is None:
        raise c.StoreRefused("unknown_validation", f"there is no validation {revalidation_id}")
    return row


def apply(db: Connection, command: c.ApplyRevalidation) -> c.ApplyRevalidationResult:
    """The stage gets its new rule; a job then looks at its units, piece by piece."""
    batch = known_batch(db, _known(db, command.revalidation_id).batch_id)
    row = db.fetch_one(sql.REVALIDATION_BY_ID_LOCKED, revalidation_id=command.revalidation_id)
    assert row is not None  # noqa: S101  known above, and never deleted
    if row.state in ("applying", "applied"):
        if row.state == "applying":  # whose job was given up goes on
            db.execute(job_sql.JOB_INSERT, kind="revalidate", object_id=row.id, now=command.now)
        return c.ApplyRevalidationResult("existing")
    stage = db.fetch_one(batch_sql.STAGE_BY_ID_LOCKED, stage_id=row.stage_id)
    if row.state != "ready":
        raise c.StoreRefused("not_ready", f"the validation is {row.state}, not ready")
    if batch.state not in REVALIDATED or stage is None:
        raise c.StoreRefused(
            "batch_state", f"the batch is {batch.state}: its units cannot be judged anew now"
        )
    if stage.reopen_from is not None:
        raise c.StoreRefused("batch_state", "another rule is being applied to the batch")
    ledger = Ledger(db, command.now, command.actor)
    ledger.note(
        "batch",
        batch.id,
        batch.state,
        "validator_changed",
        {
            "stage": stage.idx,
            "from": (stage.validator_hash or b"").hex(),
            "to": (row.rule_hash or b"").hex(),
        },
    )
    db.execute(
        batch_sql.STAGE_REVALIDATE,
        stage_id=stage.id,
        validator=row.rule,
        validator_hash=row.rule_hash,
    )
    # Plans that were made under the rule before do not hold any more.
    db.execute(unit_sql.UNITS_DUE_TOUCH, stage_id=stage.id, now=command.now)
    db.execute(batch_sql.BATCH_TOUCH, batch_id=batch.id)
    db.execute(job_sql.JOBS_HURRY, stage_id=stage.id)
    if batch.state in BATCH_ENDED:
        set_batch_state(db, ledger, batch, "running", "revalidated")
    if stage.state == "complete":
        set_stage_state(db, ledger, stage, "running", "revalidated")
    db.execute(
        sql.REVALIDATION_SET,
        revalidation_id=row.id,
        state="applying",
        reason="",
        report=None,
    )
    db.execute(job_sql.JOB_INSERT, kind="revalidate", object_id=row.id, now=command.now)
    requeue(db, batch.id)
    ledger.write()
    return c.ApplyRevalidationResult("applying")


def reopen_units(db: Connection, command: c.ReopenUnits) -> c.JobResult:
    """One piece of the stage has been looked at."""
    row = _known(db, command.revalidation_id)
    stages = db.fetch_all(batch_sql.STAGES_OF_BATCH, batch_id=row.batch_id)
    stage = next(stage for stage in stages if stage.id == row.stage_id)
    job = own(db, command.job_id, command.worker)
    if job is None:
        return c.JobResult("lost")
    if stage.state != "running" or stage.reopen_from is None:
        _end(db, command, row, job, "failed", "the batch ended meanwhile")
        return c.JobResult("ok")
    done = apply_unit_plans(
        db, c.ApplyUnitPlans(now=command.now, plans=command.plans, actor=command.actor)
    )
    db.execute(unit_sql.UNITS_WAKE, unit_ids=list(command.wake), now=command.now)
    if done.void:
        return c.JobResult("again")
    if command.up_to is None:
        _end(db, command, row, job, "applied", "")
        db.execute(batch_sql.BATCH_WAKE, batch_id=row.batch_id, now=command.now)
    else:
        db.execute(batch_sql.STAGE_REOPENED_TO, stage_id=row.stage_id, reopen_from=command.up_to)
    return c.JobResult("ok")


def _end(
    db: Connection,
    command: c.ReopenUnits,
    row: sql.RevalidationRow,
    job: job_sql.JobRow,
    state: str,
    reason: str,
) -> None:
    db.execute(
        sql.REVALIDATION_SET, revalidation_id=row.id, state=state, reason=reason, report=None
    )
    db.execute(batch_sql.STAGE_REOPENED_TO, stage_id=row.stage_id, reopen_from=None)
    close(db, job, "done", "", command.now)


def give_up(db: Connection, revalidation_id: int, reason: str) -> None:
    """No worker survives its job. One that was being applied keeps its batch open: ask again."""
    row = _known(db, revalidation_id)
    if row.state == "looking":
        db.execute(
            sql.REVALIDATION_SET,
            revalidation_id=row.id,
            state="failed",
            reason=reason,
            report=None,
        )
