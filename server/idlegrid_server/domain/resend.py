"""Tasks that a host was given and knows nothing of: offered again (BOINC.md D3, E12).

The reply was lost, or the host lost its disk. The same rule rebuilds the answer to a repeated
request from state.
"""

from collections.abc import Collection, Iterable

from .model import TaskSnapshot, Value


class Resend(Value, frozen=True):
    """A task to offer again, and its deadline from now on (µs)."""

    task_id: int
    deadline_at: int


def find_lost(
    in_progress: Iterable[TaskSnapshot],
    held: Collection[int],
    reported: Collection[int],
    now: int,
    most: int,
) -> tuple[Resend, ...]:
    """Which tasks in progress the host neither holds nor reports; oldest first, at most ``most``.

    One whose deadline has passed is left to the next pass, which gives it up. The deadline becomes
    at least half the original span from now, so that there is time to compute it.
    """
    lost = [
        task
        for task in in_progress
        if task.id not in held
        and task.id not in reported
        and task.deadline_at is not None
        and task.deadline_at > now
    ]
    lost.sort(key=lambda task: task.id)
    return tuple(Resend(task.id, extended_deadline(task, now)) for task in lost[: max(0, most)])


def extended_deadline(task: TaskSnapshot, now: int) -> int:
    """max(old deadline, now + half of the original span)."""
    deadline = task.deadline_at or now
    span = deadline - (task.sent_at or now)
    return max(deadline, now + span // 2)
