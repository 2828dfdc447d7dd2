"""Short words for telling the story of a work unit in a test."""

import hashlib

from idlegrid_server.domain.model import TaskSnapshot, UnitPlan, UnitSnapshot
from idlegrid_server.domain.transition import check_transition
from idlegrid_shared.documents import Policy

SECOND = 1_000_000
NOW = 1_700_000_000 * SECOND
HOUR = 3_600 * SECOND


def bytes_of(word: str) -> bytes:
    """The manifest hash of a result that says ``word``."""
    return hashlib.sha256(word.encode()).digest()


def unsent(n: int) -> TaskSnapshot:
    return TaskSnapshot(id=100 + n, n=n, state="unsent")


def out(n: int, *, deadline: int = NOW + HOUR, host: int | None = None) -> TaskSnapshot:
    """In progress on host 10+n."""
    return TaskSnapshot(
        id=100 + n,
        n=n,
        state="in_progress",
        host_id=10 + n if host is None else host,
        sent_at=NOW - HOUR,
        deadline_at=deadline,
    )


def returned(
    n: int, word: str, *, verdict: str = "pending", ops: int = 10**12, profile: str = "p"
) -> TaskSnapshot:
    """A success that says ``word``."""
    return TaskSnapshot(
        id=100 + n,
        n=n,
        state="success",
        verdict=verdict,  # type: ignore[arg-type]
        host_id=10 + n,
        sent_at=NOW - HOUR,
        deadline_at=NOW + HOUR,
        received_at=NOW - HOUR + n,
        manifest=bytes_of(word),
        ops=ops,
        profile=profile,
        credit_micro=7 if verdict == "valid" else None,
    )


def failed(n: int, reason: str = "trap") -> TaskSnapshot:
    return TaskSnapshot(id=100 + n, n=n, state="error", host_id=10 + n, reason=reason)


def silent(n: int) -> TaskSnapshot:
    """Timed out before."""
    return TaskSnapshot(id=100 + n, n=n, state="timed_out", host_id=10 + n, reason="deadline")


def unit(*tasks: TaskSnapshot, **more: object) -> UnitSnapshot:
    """An open unit of quorum 2 with these tasks."""
    fields: dict[str, object] = {
        "id": 1,
        "stage_id": 2,
        "batch_id": 3,
        "index": 0,
        "state": "open",
        "version": 5,
        "policy": Policy(),
        "target": 2,
    }
    fields.update(more)
    return UnitSnapshot(tasks=tuple(tasks), **fields)  # type: ignore[arg-type]


def steps(plan: UnitPlan) -> list[tuple[str, str]]:
    return [(step.state, step.reason) for step in plan.steps]


def task_ends(plan: UnitPlan) -> dict[int, tuple[str | None, str | None]]:
    """What becomes of each changed task, by its number."""
    return {change.task_id - 100: (change.state, change.verdict) for change in plan.tasks}


def check_plan(before: UnitSnapshot, plan: UnitPlan) -> None:
    """Every step of a plan must stand in the transition tables."""
    state = before.state
    for step in plan.steps:
        check_transition("unit", state, step.state)
        state = step.state
    by_id = {task.id: task for task in before.tasks}
    for change in plan.tasks:
        task = by_id[change.task_id]
        if change.state is not None and change.state != task.state:
            check_transition("task", task.state, change.state)
        if change.verdict is not None and change.verdict != task.verdict:
            check_transition("verdict", task.verdict or "", change.verdict)
