"""The pulse of a stage: how much of it came back and ended, in slices of time.

A slice is a second at first and twice as long each time that the stage's age has doubled, so that a
stage of any age has some hundred slices and the newest ones tell of the last hundredth of its life.
"""

from .model import ErrorSeen, News, UnitSnapshot

SLICE_US = 1_000_000
SLICES = 64  # of the newest width, at least half as many while the stage ages


def slice_start(now: int, since: int) -> int:
    """The start (µs) of the slice that holds ``now``, for a stage that began at ``since``.

    Later moments never have earlier slices.
    """
    age = max(0, now - since)
    width = SLICE_US
    while age >= SLICES * width:
        width *= 2
    return since + age // width * width


def read_news(unit: UnitSnapshot, now: int) -> News | None:
    """What hosts have reported of this unit since a pass last decided on it; None: nothing.

    A report sets the unit due at its own time, and a pass sets it due later than itself. So what
    was received at or after the moment that the unit is due has been seen by no pass.
    """
    if unit.due_at is None or unit.placement != "grid":
        return None
    fresh = [
        task
        for task in unit.tasks
        if task.received_at is not None and task.received_at >= unit.due_at
    ]
    results = sum(1 for task in fresh if task.state == "success")
    errors = tuple(
        ErrorSeen(
            at=task.received_at or now,
            task_id=task.id,
            unit_id=unit.id,
            host_id=task.host_id or 0,
            reason=task.reason,
            took_us=max(0, (task.received_at or now) - (task.sent_at or now)),
        )
        for task in fresh
        if task.state == "error"
    )
    if not results and not errors:
        return None
    return News(slice_start(now, unit.batch_since), results, errors)
