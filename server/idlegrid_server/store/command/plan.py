"""Commands that apply what the passes decided."""

from typing import ClassVar, Literal

from idlegrid_server.domain.model import BatchPlan, UnitPlan

from .base import Command, Done, Result

PLANS_MAX = 500  # of one ApplyUnitPlans
AUDITS_MAX = 1_000  # of one AuditUnits


class ApplyUnitPlansResult(Result, frozen=True):
    """How many plans were applied; which units had changed meanwhile (they stay due)."""

    applied: int
    void: tuple[int, ...] = ()
    made_due: bool = False  # some batch waits for a pass now
    dispatchable: bool = False  # there are tasks to send that were not there before


class ApplyUnitPlans(Command[ApplyUnitPlansResult], frozen=True):
    """Apply decisions about units, each only if its unit is still at the version it was made on."""

    answers: ClassVar[type[Result]] = ApplyUnitPlansResult
    bulk: ClassVar[bool] = True
    plans: tuple[UnitPlan, ...]
    actor: str = "pass"

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for more than ``PLANS_MAX`` plans."""
        if len(self.plans) > PLANS_MAX:
            raise ValueError(f"{len(self.plans)} plans: at most {PLANS_MAX} at a time")


class AuditUnits(Command[Done], frozen=True):
    """Have provisional results checked by another host each; those that are already stay so."""

    answers: ClassVar[type[Result]] = Done
    bulk: ClassVar[bool] = True
    unit_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for more than ``AUDITS_MAX`` units."""
        if len(self.unit_ids) > AUDITS_MAX:
            raise ValueError(f"{len(self.unit_ids)} units: at most {AUDITS_MAX} at a time")


class ApplyBatchPlanResult(Result, frozen=True):
    """applied; or void: the batch had changed meanwhile, it stays due."""

    status: Literal["applied", "void"]
    made_due: bool = False
    started_jobs: bool = False  # a combine waits for the compute worker


class ApplyBatchPlan(Command[ApplyBatchPlanResult], frozen=True):
    """Apply a decision about a batch and its stages.

    A combine stage that starts on the server gets its one unit and the job that computes it. The
    units of a stage that fails or is cancelled are to be settled: see :class:`SettleStage`.
    """

    answers: ClassVar[type[Result]] = ApplyBatchPlanResult
    plan: BatchPlan
    actor: str = "pass"


class SettleStageResult(Result, frozen=True):
    """``marked`` units wait for a pass; ``more``: call again."""

    marked: int
    more: bool


class SettleStage(Command[SettleStageResult], frozen=True):
    """Mark the next ``limit`` live units of an ended stage due, so that a pass cancels them."""

    answers: ClassVar[type[Result]] = SettleStageResult
    bulk: ClassVar[bool] = True
    stage_id: int
    limit: int = 1_000


class ReleaseUnitsResult(Result, frozen=True):
    """``released`` units have tasks now; ``more``: call again."""

    released: int
    more: bool


class ReleaseUnits(Command[ReleaseUnitsResult], frozen=True):
    """Give the next ``limit`` units that waited for their batch's canaries their first tasks."""

    answers: ClassVar[type[Result]] = ReleaseUnitsResult
    bulk: ClassVar[bool] = True
    stage_id: int
    limit: int = 1_000
