"""Commands about what validators found out."""

from typing import ClassVar, Literal

from .base import Command, Part, Result
from .job import JobResult

FINDINGS_MAX = 2_000  # of one AddFindings


class OutputFinding(Part, frozen=True):
    """What a validator found of one output, and why."""

    manifest: bytes
    outcome: Literal["good", "failed", "unreadable"]
    note: str = ""


class PairFinding(Part, frozen=True):
    """What a validator found of two outputs; ``a`` < ``b``."""

    a: bytes
    b: bytes
    agrees: bool
    note: str = ""


class AddFindings(Command[JobResult], frozen=True):
    """Keep what a validator found, and wake the unit that waits for it, if there is one.

    With ``ends_job`` that unit's job is done. ``lost``: the job has another worker by now.
    """

    answers: ClassVar[type[Result]] = JobResult
    bulk: ClassVar[bool] = True
    job_id: int
    worker: str
    validator: bytes
    outputs: tuple[OutputFinding, ...] = ()
    pairs: tuple[PairFinding, ...] = ()
    unit_id: int | None = None
    ends_job: bool = True
    actor: str = "compute"

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for more than ``FINDINGS_MAX`` findings."""
        count = len(self.outputs) + len(self.pairs)
        if count > FINDINGS_MAX:
            raise ValueError(f"{count} findings: at most {FINDINGS_MAX} at a time")
