"""When a batch will be done."""

from .model import PulseSeen, Value


class ForecastSnapshot(Value, frozen=True):
    """What is known of a stage at ``now`` (µs). ``fresh``: units of which nothing was ever sent."""

    now: int
    since: int
    expected: int
    ended: int
    fresh: int
    pulses: tuple[PulseSeen, ...]
    turnarounds: tuple[int, ...]
