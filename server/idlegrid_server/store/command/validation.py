"""Commands about what validators found out."""

from typing import ClassVar, Literal

from idlegrid_server.domain.model import UnitPlan

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


class TryValidatorResult(Result, frozen=True):
    """tried: its report is being made."""

    revalidation_id: int


class TryValidator(Command[TryValidatorResult], frozen=True):
    """Find out what another rule (None: byte by byte) would change in a stage. Changes nothing."""

    answers: ClassVar[type[Result]] = TryValidatorResult
    batch_id: int
    stage_id: int
    rule: str | None
    rule_hash: bytes | None


class ReportRevalidation(Command[JobResult], frozen=True):
    """The report of a revalidation is ready (JSON); None: it failed, by ``reason``.

    Ends the job.
    """

    answers: ClassVar[type[Result]] = JobResult
    job_id: int
    worker: str
    report: str | None
    reason: str = ""


class ApplyRevalidationResult(Result, frozen=True):
    """applying: units are being looked at again. existing: that was asked for before."""

    status: Literal["applying", "existing"]


class ApplyRevalidation(Command[ApplyRevalidationResult], frozen=True):
    """Give the stage its new rule, and look at all its decided units again under it.

    Refused with ``not_ready`` before the report is there, ``batch_state`` while the batch is in a
    state that cannot go back to running.
    """

    answers: ClassVar[type[Result]] = ApplyRevalidationResult
    revalidation_id: int
    actor: str


class ReopenUnits(Command[JobResult], frozen=True):
    """Open those units of the next piece of a stage again that the new rule judges otherwise.

    ``up_to``: the index to go on from; None: that was the last piece, and the job is done.
    ``again``: a unit has changed meanwhile, so the piece is to be looked at once more.
    """

    answers: ClassVar[type[Result]] = JobResult
    job_id: int
    worker: str
    revalidation_id: int
    plans: tuple[UnitPlan, ...]
    wake: tuple[int, ...] = ()  # undecided units that the new rule may decide
    up_to: int | None = None
    actor: str = "compute"
