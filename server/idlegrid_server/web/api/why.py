"""Why a batch stands where it stands: one sentence, the cause and what comes next."""

from collections.abc import Collection

import msgspec

from idlegrid_server.domain.matching import SERVED
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import BatchRow, StageRow
from idlegrid_server.store.sql.job import JOB_NEWEST_OF_OBJECT
from idlegrid_server.store.sql.unit import UNITS_OF_STAGE_AFTER, UNITS_WITHOUT_PARTNER
from idlegrid_server.store.sql.validation import UNITS_UNVALIDATED

UNITS_LOOKED_AT = 1_000  # of those that wait for a partner


class Computers(msgspec.Struct, frozen=True):
    """Who asks for work: ``seen`` computers since ``since`` (µs); what copies must not share."""

    seen: int
    since: int
    distinct: Collection[str] = ()


def why_sentence(
    db: Connection, batch: BatchRow, stages: list[StageRow], computers: Computers
) -> str:
    """The sentence for people."""
    reason = batch.reason.strip().splitlines()[0] if batch.reason.strip() else ""
    if batch.state in ("draft", "checking"):
        job = db.fetch_one(JOB_NEWEST_OF_OBJECT, kind="submit", object_id=batch.id)
        progress = f" So far: {job.progress}." if job is not None and job.progress else ""
        return f"The server checks the table of work units before any goes out.{progress}"
    if batch.state == "canary":
        return _canaries(batch, stages[0], computers)
    if batch.state == "running":
        return _running(db, stages[0], computers)
    if batch.state == "combining":
        return _combining(db, stages[-1])
    if batch.state == "paused" and batch.reason.startswith("brake: "):
        return (
            f"The server stopped sending it, since it fails everywhere: {reason[7:]}. "
            "Nothing new goes out. Cancel it, or resume it if the cause is gone."
        )
    if batch.state == "paused" and batch.reason == "canaries_failed":
        return (
            f"Most of the {batch.canaries} units that went out first failed, so the rest was kept "
            "back. Cancel it, or resume it to send the rest all the same."
        )
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


def _canaries(batch: BatchRow, stage: StageRow, computers: Computers) -> str:
    """The first units are under way, alone."""
    if computers.seen == 0:
        return (
            f"{stage.expected:,} work units wait: no computer has asked for work in the last day. "
            "They go out as soon as one does."
        )
    return (
        f"{batch.canaries} of {stage.expected:,} work units go out first; the others follow when "
        f"most of them came back well. So far {stage.assimilated:,} agree."
    )


def _running(db: Connection, stage: StageRow, computers: Computers) -> str:
    left = stage.expected - stage.assimilated - stage.failed - stage.cancelled
    if computers.seen == 0:
        return (
            f"{left:,} work units wait: no computer has asked for work in the last day. "
            "They go out as soon as one does."
        )
    done = f"{stage.assimilated:,} of {stage.expected:,} work units agree"
    if stage.provisional:
        left -= stage.provisional
        done += (
            f", {stage.provisional:,} more are provisional until the computers that computed them "
            "have passed further checks"
        )
    waiting = db.fetch_one(UNITS_UNVALIDATED, stage_id=stage.id) if stage.validator else None
    if waiting is not None and waiting[0]:
        return f"{done}; {_unvalidated(*waiting)}"
    lonely = db.fetch_one(
        UNITS_WITHOUT_PARTNER,
        stage_id=stage.id,
        limit=UNITS_LOOKED_AT,
        states=list(SERVED),
        since=computers.since,
        by_account=int("account" in computers.distinct),
        by_subnet=int("subnet" in computers.distinct),
    )
    if lonely:
        return f"{done}; {_lonely(lonely, left, computers)}"
    return f"{done}; {left:,} are under way."


def _unvalidated(count: int, reason: str) -> str:
    """That the stage's validator fails itself."""
    units = "work unit waits" if count == 1 else "work units wait"
    first = reason.strip().splitlines()[0].rstrip(".") if reason.strip() else "no reason was given"
    return (
        f"{count:,} {units}: the app's validator failed ({first}). Nothing is lost; it is tried "
        "again, ever more rarely. An admin sees it among the incidents."
    )


def _lonely(count: int, left: int, computers: Computers) -> str:
    """That units wait for somebody new."""
    many = "+" if count >= UNITS_LOOKED_AT else ""
    units = "work unit waits" if count == 1 else "work units wait"
    them = "it" if count == 1 else "them"
    attached = "1 computer is" if computers.seen == 1 else f"{computers.seen:,} computers are"
    whose = ""
    if {"account", "subnet"} & set(computers.distinct):
        whose = " (computers of one owner or one network count as one)"
    rest = f" {left - count:,} more are under way." if left > count and not many else ""
    return (
        f"{count:,}{many} {units} for a computer that has not tried {them}: {attached} attached, "
        f"and {'it' if computers.seen == 1 else 'each'} had its copy{whose}. Attach one more.{rest}"
    )


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
