"""The end of the batch, as the tail's pass of production sees it."""

from collections import deque
from collections.abc import Iterable
from itertools import islice

from idlegrid_server.domain.model import TaskSnapshot, UnitSnapshot
from idlegrid_server.domain.tail import TailSnapshot, is_in_tail, look_again_us

US = 1_000_000
SAMPLES = 400
UNITS_AT_ONCE = 300


class Ending:
    """What is remembered for the end: how long the newest results took, and that it has begun."""

    def __init__(self) -> None:
        self.turnarounds: deque[int] = deque(maxlen=SAMPLES)  # µs
        self._begun = False

    def came_back(self, task: TaskSnapshot) -> None:
        """A result was taken."""
        if task.sent_at is not None and task.received_at is not None:
            self.turnarounds.append(task.received_at - task.sent_at)

    def begins(self, ended: int, units: int) -> bool:
        """Whether the last tenth begins with this unit: true once."""
        if self._begun or not is_in_tail(ended, units):
            return False
        self._begun = True
        return True

    def snapshot(self, units: Iterable[UnitSnapshot], idle: int) -> TailSnapshot:
        """The open units, the first of them."""
        first = tuple(islice(units, UNITS_AT_ONCE))
        return TailSnapshot(first, tuple(self.turnarounds), idle)

    def again_s(self) -> float:
        """Seconds until the next look."""
        return look_again_us(self.turnarounds) / US
