"""Jobs under leases, and what a combine's end does."""

from idlegrid_server.store import command as c
from idlegrid_server.store.apply import revalidation
from idlegrid_server.store.apply.file import require_files, store_files
from idlegrid_server.store.apply.lease import close, own
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import batch as batch_sql
from idlegrid_server.store.sql import file as file_sql
from idlegrid_server.store.sql import job as sql
from idlegrid_server.store.sql import output as output_sql
from idlegrid_server.store.sql import unit as unit_sql


def claim(db: Connection, command: c.ClaimJob) -> c.ClaimJobResult:
    """Take the oldest job that nobody works on."""
    job = db.fetch_one(sql.JOB_NEXT, kinds=list(command.kinds), now=command.now)
    if job is None:
        return c.ClaimJobResult()
    db.execute(sql.JOB_CLAIM, job_id=job.id, lease_until=command.lease_until, worker=command.worker)
    return c.ClaimJobResult(
        c.Job(
            id=job.id,
            kind=job.kind,  # type: ignore[arg-type]
            object_id=job.object_id,
            attempts=job.attempts + 1,
            progress=job.progress,
            errors=job.errors,
        )
    )


def renew(db: Connection, command: c.RenewJob) -> c.JobResult:
    """Keep a job."""
    if own(db, command.job_id, command.worker) is None:
        return c.JobResult("lost")
    db.execute(
        sql.JOB_RENEW,
        job_id=command.job_id,
        lease_until=command.lease_until,
        progress=command.progress,
    )
    return c.JobResult("ok")


def finish(db: Connection, command: c.FinishJob) -> c.JobResult:
    """The job is done; a repeat finds it done."""
    job = db.fetch_one(sql.JOB_BY_ID_LOCKED, job_id=command.job_id)
    if job is not None and job.state in ("done", "cancelled"):
        return c.JobResult("ok")
    job = own(db, command.job_id, command.worker)
    if job is None:
        return c.JobResult("lost")
    close(db, job, "done", "", command.now)
    return c.JobResult("ok")


def fail(db: Connection, command: c.FailJob) -> c.FailJobResult:
    """An attempt failed; after the last one a combine's unit fails, and its batch is looked at."""
    job = own(db, command.job_id, command.worker)
    if job is None:
        return c.FailJobResult("lost")
    if command.retry_at is not None and command.attempts_max > 1:
        db.execute(sql.JOB_POSTPONE, job_id=job.id, reason=command.reason, until=command.retry_at)
        return c.FailJobResult("retry")
    if job.errors + 1 < command.attempts_max:
        close(db, job, "queued", command.reason, None)
        return c.FailJobResult("retry")
    close(db, job, "failed", command.reason, command.now)
    if job.kind == "combine":
        _fail_unit(db, job.object_id, command)
    elif job.kind == "revalidate":
        revalidation.give_up(db, job.object_id, command.reason)
    elif job.kind == "validate":
        # Nothing is lost: the unit waits, and a pass asks for another look.
        again = command.now if command.retry_at is None else command.retry_at
        db.execute(unit_sql.UNITS_WAKE, unit_ids=[job.object_id], now=again)
    return c.FailJobResult("failed")


def _fail_unit(db: Connection, unit_id: int, command: c.FailJob) -> None:
    unit = db.fetch_all(unit_sql.UNITS_LOCK, unit_ids=[unit_id])[0]
    if unit.state != "open":
        return
    ledger = Ledger(db, command.now, "compute")
    ledger.step("unit", unit.id, unit.state, "failed", "compute_failed")
    db.execute_many(
        unit_sql.UNITS_DECIDED,
        [_ended(unit.id, "failed", f"compute_failed: {command.reason}")],
    )
    _count(db, unit, command.now, failed=1)
    ledger.write()


def _ended(
    unit_id: int, state: str, reason: str, manifest: bytes | None = None
) -> tuple[object, ...]:
    """The row of a unit of the server's own: no tasks, no queue, nobody's word to wait for."""
    return (state, reason, *(0,) * 4, *(None,) * 3, manifest, *(None,) * 4, unit_id)


def _count(
    db: Connection, unit: unit_sql.UnitRow, now: int, *, assimilated: int = 0, failed: int = 0
) -> None:
    db.fetch_one(
        batch_sql.STAGE_COUNT,
        stage_id=unit.stage_id,
        assimilated=assimilated,
        failed=failed,
        cancelled=0,
        provisional=0,
    )
    db.execute(batch_sql.BATCH_WAKE, batch_id=unit.batch_id, now=now)


def release_expired(db: Connection, command: c.ReleaseExpiredJobs) -> c.Done:
    """Let jobs whose worker is gone wait again."""
    return c.Done(db.execute(sql.JOBS_RELEASE_EXPIRED, now=command.now) > 0)


def complete_server_unit(db: Connection, command: c.CompleteServerUnit) -> c.JobResult:
    """Store a combine's output: its unit is valid and assimilated, its job is done."""
    job = db.fetch_one(sql.JOB_BY_ID_LOCKED, job_id=command.job_id)
    if job is None or job.object_id != command.unit_id or job.kind != "combine":
        raise c.StoreRefused(
            "unknown_job", f"job {command.job_id} is no combine of unit {command.unit_id}"
        )
    unit = db.fetch_all(unit_sql.UNITS_LOCK, unit_ids=[command.unit_id])[0]
    if job.state == "done" and unit.canonical_manifest == command.manifest_hash:
        return c.JobResult("ok")
    if job.state != "running" or job.lease_by != command.worker or unit.state != "open":
        return c.JobResult("lost")
    store_files(db, command.files, command.now)
    require_files(db, [file.sha256 for file in command.files if file.data is None])
    db.execute(file_sql.MANIFEST_INSERT, hash=command.manifest_hash, body=command.manifest)
    ledger = Ledger(db, command.now, command.actor)
    ledger.step("unit", unit.id, "open", "valid", "computed")
    ledger.step("unit", unit.id, "valid", "assimilated", "indexed")
    db.execute_many(
        unit_sql.UNITS_DECIDED,
        [_ended(unit.id, "assimilated", "indexed", command.manifest_hash)],
    )
    db.execute_many(output_sql.OUTPUT_INSERT, [(unit.id,)])
    _count(db, unit, command.now, assimilated=1)
    close(db, job, "done", "", command.now)
    ledger.write()
    return c.JobResult("ok")
