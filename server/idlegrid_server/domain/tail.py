"""The end of a batch: its last units get more copies where that is expected to be quicker.

The last tenth of a batch is slow because it is whatever the slowest and most absent hosts hold
(SpeQuloS, Delamare et al. 2012). So, when nothing fresh is left to send and hosts idle:

1. What a copy still takes is judged by how long the stage's tasks took from being sent to coming
   back: the median rest of those that took longer than it has been out. One that has been out for
   longer than all others but a few is expected to take as long again (the rule of heavy tails);
   none takes longer than its deadline and one fresh copy after it.
2. A unit is done when as many copies are back as its quorum lacks, so its rest is that of the copy
   that completes it.
3. Units that are late come first, the longest rest before the others: those whose rest is over
   ``GAIN`` times what a fresh copy takes (the median).
4. Idle hosts that are left insure the others: a unit may have up to ``SPARE_MAX`` copies more than
   it lacks, as many as there are idle hosts for each open unit. A copy that has been out for more
   than ``YOUNG`` times the usual insures nothing any more. Where one task in ten takes no longer
   than ``HEAVY`` times the usual there is nothing to insure against.
5. One copy for a unit and one for an idle core in a round, and never beyond the app's
   ``max_tasks``.

When the unit is decided the copies that nobody has begun are taken back by the server.
"""

from collections.abc import Sequence
from statistics import median_low

from .matching import BEGUN
from .model import UnitPlan, UnitSnapshot, Value
from .quorum import largest, usable

SHARE = 10
GAIN = 1.5
YOUNG = 2
SPARE_MAX = 3
HEAVY = 1.5
SAMPLES_MIN = 5
BEYOND_MIN = 3  # with fewer samples beyond an age, the rule of heavy tails speaks
LOOK_MIN_US = 2 * 1_000_000
LOOK_MAX_US = 300 * 1_000_000
SECOND = 1_000_000


class TailSnapshot(Value, frozen=True):
    """The open units of a stage's end. ``turnarounds``: of its tasks that came back, µs.

    ``idle``: how many tasks idle hosts could begin now.
    """

    units: tuple[UnitSnapshot, ...]
    turnarounds: tuple[int, ...]
    idle: int


def is_in_tail(ended: int, expected: int) -> bool:
    """Whether only the last tenth (at least one unit) is open."""
    return 0 < expected - ended <= max(1, expected // SHARE)


def look_again_us(turnarounds: Sequence[int]) -> int:
    """How long until the tail is worth another look: an eighth of a usual turnaround."""
    if not turnarounds:
        return LOOK_MAX_US
    return min(LOOK_MAX_US, max(LOOK_MIN_US, median_low(turnarounds) // 8))


def expected_rest(age: int, turnarounds: Sequence[int]) -> int:
    """How much longer (µs) a copy takes that has been out for ``age``: the median of the rests."""
    beyond = [turnaround - age for turnaround in turnarounds if turnaround > age]
    if len(beyond) >= BEYOND_MIN:
        return median_low(beyond)
    return max(age, median_low(turnarounds))


def lacking(unit: UnitSnapshot) -> int:
    """How many results more the unit needs, as far as that is known: where it follows from trust,
    one at a time."""
    if unit.policy.replication != "fixed":
        return 1
    return unit.policy.quorum - largest(usable(unit.tasks))


def unit_rest(unit: UnitSnapshot, turnarounds: Sequence[int], now: int) -> int | None:
    """How much longer the unit takes; None: not enough copies are out, or one is not sent yet."""
    needed = lacking(unit)
    if any(task.state == "unsent" for task in unit.tasks):
        return None
    fresh = median_low(turnarounds)
    grace = unit.policy.grace_s * SECOND
    rests = sorted(
        min(
            expected_rest(now - (task.sent_at or now), turnarounds),
            max(0, (task.deadline_at or now) + grace - now) + fresh,
        )
        for task in unit.tasks
        if task.state == "in_progress"
    )
    return rests[needed - 1] if 0 < needed <= len(rests) else None


def decide_tail(tail: TailSnapshot, now: int) -> tuple[UnitPlan, ...]:
    """One more copy for those units that gain by it, at most one for each idle host. Pure."""
    if tail.idle <= 0 or len(tail.turnarounds) < SAMPLES_MIN:
        return ()
    if any(_is_fresh(unit) for unit in tail.units):
        return ()
    usual = median_low(tail.turnarounds)
    spare = max(1, min(SPARE_MAX, tail.idle // max(1, len(tail.units))))
    heavy = sorted(tail.turnarounds)[-1 - len(tail.turnarounds) // 10] > HEAVY * usual
    late, hedged = [], []
    for unit in tail.units:
        rest = unit_rest(unit, tail.turnarounds, now) if _may_have_more(unit) else None
        if rest is None:
            continue
        if rest > GAIN * usual:
            late.append((-rest, unit.id, unit))
        elif heavy and _young(unit, usual, now) < lacking(unit) + spare:
            hedged.append((-rest, unit.id, unit))
    chosen = [*sorted(late, key=_order), *sorted(hedged, key=_order)][: tail.idle]
    return tuple(_one_more(unit) for _, _, unit in chosen)


def _order(gain: tuple[int, int, UnitSnapshot]) -> tuple[int, int]:
    return gain[0], gain[1]


def _is_fresh(unit: UnitSnapshot) -> bool:
    return unit.state == "open" and all(task.sent_at is None for task in unit.tasks)


def _live(unit: UnitSnapshot) -> int:
    return sum(1 for task in unit.tasks if task.state in ("unsent", "in_progress"))


def _young(unit: UnitSnapshot, usual: int, now: int) -> int:
    """Copies that are out for no longer than twice the usual time."""
    out = [task.sent_at or now for task in unit.tasks if task.state == "in_progress"]
    return sum(1 for sent_at in out if now - sent_at <= YOUNG * usual)


def _may_have_more(unit: UnitSnapshot) -> bool:
    return (
        unit.state == "open"
        and unit.placement == "grid"
        and len(unit.tasks) < unit.policy.max_tasks
    )


def _one_more(unit: UnitSnapshot) -> UnitPlan:
    return UnitPlan(
        unit_id=unit.id,
        version=unit.version,
        new_tasks=1,
        rank=BEGUN,  # for anybody who is idle, whoever its first copies were for
        target=max(unit.target, len(usable(unit.tasks)) + _live(unit) + 1),
        due_at=unit.due_at,
        new_reason="tail",
    )
