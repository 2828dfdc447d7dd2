"""Commands about jobs: the slow work of the server itself, under leases; and incidents."""

from typing import ClassVar, Literal

from .base import Command, Done, Result
from .exchange import FileIn

JobKind = Literal["submit", "combine", "validate", "revalidate"]


class Job(Result, frozen=True):
    """A claimed job."""

    id: int
    kind: JobKind
    object_id: (
        int  # the batch of a submission; the work unit of a combine or a validation; a revalidation
    )
    attempts: int  # this one included
    progress: str | None = None
    errors: int = 0  # attempts that failed before


class ClaimJobResult(Result, frozen=True):
    """The oldest job that waits, or None."""

    job: Job | None = None


class ClaimJob(Command[ClaimJobResult], frozen=True):
    """Take a job until ``lease_until``; an expired lease of another worker is taken over."""

    answers: ClassVar[type[Result]] = ClaimJobResult
    kinds: tuple[JobKind, ...]
    worker: str
    lease_until: int


class JobResult(Result, frozen=True):
    """ok; or lost: the lease is another's by now, so stop. again: do it once more."""

    status: Literal["ok", "lost", "again"]


class RenewJob(Command[JobResult], frozen=True):
    """Keep a job, and say how far it is."""

    answers: ClassVar[type[Result]] = JobResult
    job_id: int
    worker: str
    lease_until: int
    progress: str | None = None


class FinishJob(Command[JobResult], frozen=True):
    """The job is done."""

    answers: ClassVar[type[Result]] = JobResult
    job_id: int
    worker: str


class FailJobResult(Result, frozen=True):
    """retry: it waits again. failed: it was the last attempt."""

    status: Literal["retry", "failed", "lost"]


class FailJob(Command[FailJobResult], frozen=True):
    """An attempt failed. After ``attempts_max`` the job is failed; a combine's unit with it.

    With ``retry_at`` (µs) it waits until then, however often it failed. When a validation fails for
    good, its unit is looked at again at that time.
    """

    answers: ClassVar[type[Result]] = FailJobResult
    job_id: int
    worker: str
    reason: str
    attempts_max: int = 3
    retry_at: int | None = None


class ReleaseExpiredJobs(Command[Done], frozen=True):
    """Let jobs whose worker is gone wait again; ``changed`` says whether there were any."""

    answers: ClassVar[type[Result]] = Done


class CompleteServerUnit(Command[JobResult], frozen=True):
    """The combine of a unit ran: store its output, assimilate the unit, end its job."""

    answers: ClassVar[type[Result]] = JobResult
    job_id: int
    worker: str
    unit_id: int
    manifest: bytes
    manifest_hash: bytes
    files: tuple[FileIn, ...]  # data None: the file's row exists
    ops: int = 0
    elapsed_us: int = 0
    actor: str = "compute"


class RecordIncident(Command[Done], frozen=True):
    """Something an admin should see. Equal (code, source) are counted; the newest text stays."""

    answers: ClassVar[type[Result]] = Done
    code: str
    source: str
    text: str
