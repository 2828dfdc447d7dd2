"""What another validator would change: a unit's decision undone and made again, in memory.

The very functions that decide units are asked, on the unit as it would be opened again; so a dry
run tells what would happen, and applying it changes no unit that the dry run left as it is.
"""

import msgspec

from .model import Relation, TaskSnapshot, UnitPlan, UnitSnapshot, UnitState, Value, Verdict
from .unit import decide_unit, reopen_unit

#: Units whose decision may be made again.
DECIDED: frozenset[UnitState] = frozenset({"valid", "assimilated", "failed"})


class TaskDiff(Value, frozen=True):
    """What becomes of one result: its verdict, or ``error`` where the validator cannot read it."""

    n: int
    before: Verdict | str
    after: Verdict | str


class UnitDiff(Value, frozen=True):
    """What becomes of one unit."""

    index: int
    before: UnitState
    after: UnitState
    canonical: bool  # whether another result (or none) would be the canonical one
    tasks: tuple[TaskDiff, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything would be other than it is."""
        return self.canonical or self.before != self.after or bool(self.tasks)


def undecided(unit: UnitSnapshot, relation: Relation | None, now: int) -> UnitSnapshot | None:
    """The unit as it would be opened again under what a validator says; None if it is not decided.

    Its batch is taken to run.
    """
    if unit.state not in DECIDED:
        return None
    opened = after(unit, reopen_unit(unit, now))
    return msgspec.structs.replace(
        opened, relation=relation, batch_state="running", stage_state="running"
    )


def difference(unit: UnitSnapshot, relation: Relation | None, now: int) -> UnitDiff | None:
    """What deciding again under ``relation`` would change; None for a unit that is not decided.

    The relation must know all that the decision asks for. A unit whose results agree no longer is
    open in the end: more tasks would be made for it.
    """
    opened = undecided(unit, relation, now)
    if opened is None:
        return None
    decided = after(opened, decide_unit(opened, now))
    before = {task.id: _end(task) for task in unit.tasks if task.manifest is not None}
    return UnitDiff(
        index=unit.index,
        before=unit.state,
        after=decided.state,
        canonical=(unit.canonical_manifest or b"") != (decided.canonical_manifest or b""),
        tasks=tuple(
            TaskDiff(task.n, before[task.id], _end(task))
            for task in decided.tasks
            if task.id in before and before[task.id] != _end(task)
        ),
    )


def _end(task: TaskSnapshot) -> str:
    return task.verdict or task.state


def after(unit: UnitSnapshot, plan: UnitPlan) -> UnitSnapshot:
    """The unit as it is when ``plan`` has been applied, without the tasks that it makes."""
    changes = {change.task_id: change for change in plan.tasks}
    tasks = []
    for task in unit.tasks:
        change = changes.get(task.id)
        if change is not None:
            state = change.state or task.state
            verdict = change.verdict or ("pending" if state != task.state else task.verdict)
            task = msgspec.structs.replace(
                task,
                state=state,
                verdict=verdict if state == "success" else None,
                reason=change.reason or task.reason,
                credit_micro=(
                    task.credit_micro if change.credit_micro is None else change.credit_micro
                ),
            )
        tasks.append(task)
    ended = plan.steps[-1].state if plan.steps else unit.state
    canonical = (unit.canonical_task, unit.canonical_manifest)
    if plan.canonical_manifest is not None:
        canonical = (plan.canonical_task, plan.canonical_manifest)
    elif ended == "open":
        canonical = (None, None)
    return msgspec.structs.replace(
        unit,
        state=ended,
        tasks=tuple(tasks),
        target=unit.target if plan.target is None else plan.target,
        canonical_task=canonical[0],
        canonical_manifest=canonical[1],
        hold=plan.hold,
    )
