"""The server's slow jobs, one after the other, each under a lease."""

import logging
from collections.abc import Callable

from idlegrid_server.files import FileError
from idlegrid_server.store.command import (
    ClaimJob,
    FailBatch,
    FailJob,
    Job,
    JobKind,
    RecordIncident,
)

from .combine import run_combine
from .finding import RETRY_MAX_US
from .lease import Interrupted, Lease, LeaseLost
from .revalidation import run_revalidation
from .submit import run_submission
from .tools import Tools
from .validation import run_validation

RUN: dict[JobKind, Callable[[Tools, Lease, Callable[[], bool]], None]] = {
    "submit": run_submission,
    "combine": run_combine,
    "validate": run_validation,
    "revalidate": run_revalidation,
}
# A job whose worker died so often is what kills it. Ordinary ends of a worker are far fewer.
CLAIMS_MAX = 50
log = logging.getLogger(__name__)


def work_jobs(tools: Tools, stopping: Callable[[], bool] = lambda: False) -> int:
    """Work on jobs until none waits or ``stopping()``; returns how many were worked on.

    Raises ``StoreError``: what was begun is found again when its lease has run out.
    """
    count = 0
    while not stopping() and (job := claim(tools)) is not None:
        count += 1
        lease = Lease(tools.store, tools.clock, job, tools.worker, tools.lease_us)
        fields = {"job": job.id, "kind": job.kind, "object": job.object_id}
        log.info("A %s job begins.", job.kind, extra=fields)
        try:
            if job.attempts > CLAIMS_MAX:
                give_up(tools, lease)
            else:
                RUN[job.kind](tools, lease, stopping)
        except LeaseLost as error:
            log.warning("A job was lost: %s.", error, extra=fields)
        except (FileError, OSError) as error:
            # A full disk, most often. The job is not to blame: its next lease tries again.
            log.error("A %s job could not go on: %s.", job.kind, error, extra=fields)
            _tell(tools, job, str(error))
            return count
        except Interrupted:
            log.info("A %s job waits for the next worker.", job.kind, extra=fields)
        else:
            log.info("A %s job has ended.", job.kind, extra=fields)
    return count


def claim(tools: Tools) -> Job | None:
    """The oldest job that waits, under a lease of ours; None if there is none."""
    now = tools.clock()
    command = ClaimJob(
        now=now,
        kinds=tuple(RUN),
        worker=tools.worker,
        lease_until=now + tools.lease_us,
    )
    return tools.store.execute(command).job


def _tell(tools: Tools, job: Job, text: str) -> None:
    tools.store.execute(
        RecordIncident(
            now=tools.clock(), code="job_stuck", source=f"{job.kind}:{job.object_id}", text=text
        )
    )


def give_up(tools: Tools, lease: Lease) -> None:
    """End a job that no worker survives, and say so to its owner."""
    job = lease.job
    reason = f"the server gave up: its worker died {job.attempts - 1} times over this {job.kind}"
    if job.kind == "submit":
        tools.store.execute(
            FailBatch(now=tools.clock(), batch_id=job.object_id, reason=reason, actor="compute")
        )
    elif job.kind in ("validate", "revalidate"):
        _tell(tools, job, reason)
    now = tools.clock()
    tools.store.execute(
        FailJob(
            now=now,
            job_id=job.id,
            worker=lease.worker,
            reason=reason,
            attempts_max=1,
            retry_at=now + RETRY_MAX_US,
        )
    )
