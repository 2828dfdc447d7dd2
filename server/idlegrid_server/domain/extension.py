"""A running task that would miss its deadline and tells how far it is may be given longer.

What a host says of its progress is a claim, and costs nothing to make. So it is believed for a
while, in bounds that do not grow with what is claimed:

1. Only if at its pace since it was sent the task would end after the deadline, yet within
   ``SPAN_MAX`` times the time that it was given.
2. Only if it has come further than it said when it was last given longer.
3. At most ``TIMES_MAX`` times, and never beyond ``SPAN_MAX`` times the first span in all.

The new deadline is when the task would end, and a quarter of the rest beyond.
"""

from .model import Value

TIMES_MAX = 3
SPAN_MAX = 2
TOLD_MIN = 0.02  # below, a pace is guesswork
MILLION = 1_000_000


class Runner(Value, frozen=True):
    """A task in progress. ``told_ppm``: its progress when it was last given longer.

    ``longest_at``: the latest deadline that it may have; None as long as it has the first one.
    """

    task_id: int
    sent_at: int
    deadline_at: int
    extended: int = 0
    told_ppm: int = 0
    longest_at: int | None = None


class Extension(Value, frozen=True):
    """The task's new deadline, and what to remember of it."""

    task_id: int
    deadline_at: int
    longest_at: int
    told_ppm: int


def extend(runner: Runner, progress: float, now: int) -> Extension | None:
    """Whether a task that says it is at ``progress`` (0 … 1) gets longer. Pure."""
    ran = now - runner.sent_at
    told_ppm = round(progress * MILLION)
    if ran <= 0 or not TOLD_MIN <= progress < 1 or runner.extended >= TIMES_MAX:
        return None
    if told_ppm <= runner.told_ppm:
        return None
    rest = round(ran * (1 - progress) / progress)
    longest_at = runner.longest_at
    if longest_at is None:
        longest_at = runner.sent_at + SPAN_MAX * (runner.deadline_at - runner.sent_at)
    if not runner.deadline_at < now + rest <= longest_at:
        return None
    deadline_at = min(longest_at, now + rest + rest // 4)
    return Extension(runner.task_id, deadline_at, longest_at, told_ppm)
