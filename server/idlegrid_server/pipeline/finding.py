"""What validators find, stored piece by piece; a validator that fails is tried again later."""

from collections.abc import Sequence

from idlegrid_server.store.command import (
    FINDINGS_MAX,
    AddFindings,
    FailJob,
    OutputFinding,
    PairFinding,
    RecordIncident,
)

from .lease import Lease, LeaseLost
from .tools import Tools

RETRY_FIRST_US = 60 * 1_000_000
RETRY_MAX_US = 86_400 * 1_000_000
RETRY_FACTOR = 4


def keep_findings(
    tools: Tools,
    lease: Lease,
    validator: bytes,
    findings: Sequence[OutputFinding | PairFinding],
    *,
    ends_for: int | None = None,
) -> None:
    """Store what was found under the validator of this hash; raises ``LeaseLost``.

    ``ends_for``: the unit whose job is done with that, also if nothing was found.
    """
    pieces = [
        findings[start : start + FINDINGS_MAX] for start in range(0, len(findings), FINDINGS_MAX)
    ]
    if ends_for is not None and not pieces:
        pieces = [()]
    for i, piece in enumerate(pieces):
        ends = ends_for is not None and i == len(pieces) - 1
        answer = tools.store.execute(
            AddFindings(
                now=tools.clock(),
                job_id=lease.job.id,
                worker=lease.worker,
                validator=validator,
                outputs=tuple(f for f in piece if isinstance(f, OutputFinding)),
                pairs=tuple(f for f in piece if isinstance(f, PairFinding)),
                unit_id=ends_for if ends else None,
                ends_job=ends,
            )
        )
        hold(lease, answer.status)


def hold(lease: Lease, status: str) -> None:
    """Raise ``LeaseLost`` if a command's answer says that the job has another worker by now."""
    if status == "lost":
        raise LeaseLost(f"job {lease.job.id} has gone to another worker")


def retry_us(errors: int) -> int:
    """How long to wait after so many failures before this one (µs)."""
    return int(min(RETRY_MAX_US, RETRY_FIRST_US * RETRY_FACTOR ** min(errors, 10)))


def try_later(tools: Tools, lease: Lease, stage_id: int, text: str, why: str) -> str:
    """A validator failed: tell an admin ``text``, and put the job off; the answer's status."""
    now = tools.clock()
    tools.store.execute(
        RecordIncident(now=now, code="validator_failed", source=f"stage:{stage_id}", text=text)
    )
    return tools.store.execute(
        FailJob(
            now=now,
            job_id=lease.job.id,
            worker=lease.worker,
            reason=why,
            retry_at=now + retry_us(lease.job.errors),
        )
    ).status
