"""The job ``validate``: look at the outputs of one work unit that its stage's validator must see.

What is found is kept by the content of the outputs, so doing it again finds it known. A validator
that fails itself decides nothing: the unit waits, an admin is told, and it is tried again, each
time after a longer while.
"""

import logging
from collections.abc import Callable

from idlegrid_server.domain.quorum import questions
from idlegrid_server.faults import reach
from idlegrid_server.store.command import (
    FINDINGS_MAX,
    AddFindings,
    FailJob,
    FinishJob,
    OutputFinding,
    PairFinding,
    RecordIncident,
)
from idlegrid_server.store.sql.unit import UNITS_BY_ID
from idlegrid_server.store.sql.validation import STAGE_RULE

from .judge import Judge, Rule, ValidatorFailed
from .lease import Lease, LeaseLost
from .snapshot import unit_snapshots
from .tools import Tools

RETRY_FIRST_US = 60 * 1_000_000
RETRY_MAX_US = 86_400 * 1_000_000
RETRY_FACTOR = 4
log = logging.getLogger(__name__)


def run_validation(tools: Tools, lease: Lease, stopping: Callable[[], bool]) -> None:
    """Answer what the unit of a claimed job waits for.

    Raises ``LeaseLost``, ``Interrupted``, ``StoreError`` and ``OSError``.
    """
    reach("validate.claimed")
    unit_id = lease.job.object_id
    with tools.store.reading() as db:
        row = db.fetch_one(STAGE_RULE, unit_id=unit_id)
        found = unit_snapshots(db, db.fetch_all(UNITS_BY_ID, unit_ids=[unit_id]))
    if row is None or row[0] is None or not found:
        _end(tools, lease)
        return
    text, digest, release, _ = row
    unit = found[0]
    wanted = questions(unit)
    try:
        judge = Judge(tools, lease, stopping, Rule.read(text, digest, release))
        outputs, pairs = judge.look(wanted.outputs, wanted.pairs)
    except ValidatorFailed as error:
        _postpone(tools, lease, unit.stage_id, str(error))
        return
    reach("validate.found")
    _keep(tools, lease, digest, unit_id, outputs, pairs)
    reach("validate.done.after")


def _keep(
    tools: Tools,
    lease: Lease,
    digest: bytes,
    unit_id: int,
    outputs: list[OutputFinding],
    pairs: list[PairFinding],
) -> None:
    findings: list[OutputFinding | PairFinding] = [*outputs, *pairs]
    pieces = [
        findings[start : start + FINDINGS_MAX] for start in range(0, len(findings), FINDINGS_MAX)
    ]
    for i, piece in enumerate(pieces or [[]]):
        last = i >= len(pieces) - 1
        answer = tools.store.execute(
            AddFindings(
                now=tools.clock(),
                job_id=lease.job.id,
                worker=lease.worker,
                validator=digest,
                outputs=tuple(f for f in piece if isinstance(f, OutputFinding)),
                pairs=tuple(f for f in piece if isinstance(f, PairFinding)),
                unit_id=unit_id if last else None,
                ends_job=last,
            )
        )
        if answer.status == "lost":
            raise LeaseLost(f"job {lease.job.id} has gone to another worker")


def _end(tools: Tools, lease: Lease) -> None:
    tools.store.execute(FinishJob(now=tools.clock(), job_id=lease.job.id, worker=lease.worker))


def retry_us(errors: int) -> int:
    """How long to wait after so many failures before this one (µs)."""
    return int(min(RETRY_MAX_US, RETRY_FIRST_US * RETRY_FACTOR ** min(errors, 10)))


def _postpone(tools: Tools, lease: Lease, stage_id: int, why: str) -> None:
    log.warning("A validator failed.", extra={"job": lease.job.id, "stage": stage_id})
    now = tools.clock()
    tools.store.execute(
        RecordIncident(
            now=now,
            code="validator_failed",
            source=f"stage:{stage_id}",
            text=f"unit {lease.job.object_id} waits, since the validator failed: {why}",
        )
    )
    answer = tools.store.execute(
        FailJob(
            now=now,
            job_id=lease.job.id,
            worker=lease.worker,
            reason=why,
            retry_at=now + retry_us(lease.job.errors),
        )
    )
    if answer.status == "lost":
        raise LeaseLost(f"job {lease.job.id} has gone to another worker")
