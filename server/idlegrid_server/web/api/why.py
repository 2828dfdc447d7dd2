"""Why a batch stands where it stands: one sentence, the cause and what comes next."""

from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import BatchRow, StageRow
from idlegrid_server.store.sql.job import JOB_NEWEST_OF_OBJECT
from idlegrid_server.store.sql.unit import UNITS_OF_STAGE_AFTER


def why_sentence(db: Connection, batch: BatchRow, stages: list[StageRow], hosts_seen: int) -> str:
    """The sentence for people; ``hosts_seen`` computers asked for work lately."""
    reason = batch.reason.strip().splitlines()[0] if batch.reason.strip() else ""
    if batch.state in ("draft", "checking"):
        job = db.fetch_one(JOB_NEWEST_OF_OBJECT, kind="submit", object_id=batch.id)
        progress = f" So far: {job.progress}." if job is not None and job.progress else ""
        return f"The server checks the table of work units before any goes out.{progress}"
    if batch.state in ("running", "canary"):
        return _running(stages[0], hosts_seen)
    if batch.state == "combining":
        return _combining(db, stages[-1])
    if batch.state == "paused":
        return f"Paused: {reason or 'someone asked for it'}. Nothing new goes out until it resumes."
    if batch.state == "complete":
        return f"All {stages[0].expected:,} work units agree. The answer is ready."
    if batch.state == "complete_with_failures":
        return (
            f"{stages[0].assimilated:,} of {stages[0].expected:,} work units agree, "
            f"{stages[0].failed:,} failed and are listed in the answer."
        )
    if batch.state == "failed":
        return f"It failed: {reason or 'see its failures'}."
    if batch.state == "cancelled":
        return f"Cancelled: {reason or 'someone asked for it'}."
    return reason


def _running(stage: StageRow, hosts_seen: int) -> str:
    left = stage.expected - stage.assimilated - stage.failed - stage.cancelled
    if hosts_seen == 0:
        return (
            f"{left:,} work units wait: no computer has asked for work in the last day. "
            "They go out as soon as one does."
        )
    return f"{stage.assimilated:,} of {stage.expected:,} work units agree; {left:,} are under way."


def _combining(db: Connection, stage: StageRow) -> str:
    units = db.fetch_all(UNITS_OF_STAGE_AFTER, stage_id=stage.id, after=-1, limit=1)
    job = (
        db.fetch_one(JOB_NEWEST_OF_OBJECT, kind="combine", object_id=units[0].id) if units else None
    )
    if job is not None and job.errors:
        return (
            f"The combine program failed {job.errors} times and is tried again: "
            f"{job.reason.splitlines()[0] if job.reason else 'no reason was given'}."
        )
    return "All work units have ended; the server combines their results into one answer."
