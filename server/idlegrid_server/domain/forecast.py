"""When a batch will be done: a time that every second batch keeps (P50), one that nine of ten keep.

What is left is first measured by the pace of late: the open units at the rate at which units of the
stage ended, and one usual turnaround after them (its upper quartile), since the last are only begun
then. How much longer than that it takes, and how sure that is, depends on the state of the batch:
how much of it was never begun, how old it is, how long the tail of its turnarounds is, how many
units are left. ``RATIO`` holds what simulated batches say of it: quantile regressions (Koenker &
Bassett 1978) of the logarithm of (time left ÷ that measure), one for the median and one for the
ninth decile, before and after the last unit was begun. ``benchmarks/forecast_tuning.py`` makes the
numbers, on hosts that ``python -m benchmarks run forecast-coverage`` never looks at.

There is no forecast before ``ENDED_MIN`` units ended, nor while a batch is paused or waits for its
canaries: nobody knows its pace.
"""

from collections.abc import Sequence
from math import exp, log

from .model import PulseSeen, Value

ENDED_MIN = 5
SAMPLES_MIN = 5
WINDOW_ENDED = 20  # the pace is taken from at least so many units, and at least …
WINDOW_SHARE = 3  # … from the newest third of those that ended
#: Beyond these the regressions have seen nothing: a feature is held at the limit.
LIMIT = 6.0


class ForecastSnapshot(Value, frozen=True):
    """What is known of a stage at ``now`` (µs). ``fresh``: units of which nothing was ever sent.

    ``since``: when it began. ``turnarounds``: of results, from being sent to coming back (µs).
    """

    now: int
    since: int
    expected: int
    ended: int
    fresh: int
    pulses: tuple[PulseSeen, ...]
    turnarounds: tuple[int, ...]


class Forecast(Value, frozen=True):
    """Moments (µs) by which the stage is done in 50 and in 90 of 100 cases."""

    p50_at: int
    p90_at: int


#: Coefficients of the features that :func:`features` lists, (P50, P90): while some units were never
#: begun, and after that.
RATIO: dict[bool, tuple[tuple[float, ...], tuple[float, ...]]] = {
    True: (
        (1.6539, -0.0516, -1.0832, -1.9114, -0.0660, 0.3123, 0.0695),
        (3.7412, -0.0590, -1.4095, -2.9535, -0.0295, 0.4237, -0.0553),
    ),
    False: (
        (1.4489, -0.2334, 0.0, -2.6326, -0.4629, 0.2494, 0.3161),
        (2.7693, 0.2015, 0.0, -2.6218, -0.3679, 0.1826, 0.1546),
    ),
}


def forecast(seen: ForecastSnapshot) -> Forecast | None:
    """P50 and P90 of the moment when the stage is done; None: too little is known. Pure."""
    measure = pace_measure(seen)
    if measure is None:
        return None
    values = features(seen, measure)
    rests = [measure * exp(_dot(values, row)) for row in RATIO[seen.fresh > 0]]
    p50 = seen.now + round(rests[0])
    return Forecast(p50, max(p50, seen.now + round(rests[1])))


def pace_measure(seen: ForecastSnapshot) -> float | None:
    """What is left at the pace of late, and one turnaround (µs); None: too little is known."""
    left = seen.expected - seen.ended
    if left <= 0 or seen.ended < ENDED_MIN or len(seen.turnarounds) < SAMPLES_MIN:
        return None
    counted, start = 0, seen.now
    for pulse in sorted(seen.pulses, key=lambda pulse: -pulse.at):
        counted, start = counted + pulse.ended, pulse.at
        if counted >= max(WINDOW_ENDED, seen.ended // WINDOW_SHARE):
            break
    if counted == 0:
        return None
    pace = counted / max(1, seen.now - start)
    return left / pace + quantile(seen.turnarounds, 0.75)


def features(seen: ForecastSnapshot, measure: float) -> tuple[float, ...]:
    """What the ratio depends on; every time stands in relation to another, so units cancel."""
    left = max(1, seen.expected - seen.ended)
    upper = max(1, quantile(seen.turnarounds, 0.75))
    middle = max(1, quantile(seen.turnarounds, 0.5))
    late = max(middle, quantile(seen.turnarounds, 0.9))
    age = max(1, seen.now - seen.since)
    return (
        1.0,
        _held(log(measure / upper)),
        seen.fresh / left,
        seen.ended / seen.expected,
        _held(log(late / middle)),
        _held(log(age / measure)),
        min(log(left), 2 * LIMIT),
    )


def _held(value: float) -> float:
    return min(LIMIT, max(-LIMIT, value))


def quantile(values: Sequence[int], share: float) -> int:
    """The value that ``share`` of ``values`` do not reach, of at least one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _dot(values: Sequence[float], coefficients: Sequence[float]) -> float:
    return sum(value * factor for value, factor in zip(values, coefficients, strict=True))
