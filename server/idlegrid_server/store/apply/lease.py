"""A worker's right to a job, and the end of it."""

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import job as sql


def own(db: Connection, job_id: int, worker: str) -> sql.JobRow | None:
    """The job, locked, if this worker still has it; raises ``unknown_job``."""
    job = db.fetch_one(sql.JOB_BY_ID_LOCKED, job_id=job_id)
    if job is None:
        raise c.StoreRefused("unknown_job", f"there is no job {job_id}")
    return job if job.state == "running" and job.lease_by == worker else None


def close(db: Connection, job: sql.JobRow, state: str, reason: str, now: int | None) -> None:
    """The job is done, failed, or waits again."""
    errors = job.errors + (1 if state in ("queued", "failed") else 0)
    db.execute(
        sql.JOB_END, job_id=job.id, state=state, reason=reason, errors=errors, finished_at=now
    )
