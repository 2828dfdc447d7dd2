"""When a host computes: intervals in seconds, made as far ahead as somebody asks."""

import math
from bisect import bisect_right
from random import Random

from .population import CYCLE_S, DAY_S, Traits

ALWAYS = 0.97  # available for more than that: counted as never off
NEVER_LESS = 0.01  # a host that practically never computes would keep the engine busy for nothing
JITTER_S = 1_800.0  # of a day's beginning and end, where there is a pattern
KEEP = 16  # intervals that ended are dropped when there are so many


class Timeline:
    """The intervals in which one host is on, from ``born`` on."""

    __slots__ = ("_ends", "_starts", "always", "born", "traits", "wakes_s")

    def __init__(self, traits: Traits, born: float, rng: Random) -> None:
        self.traits = traits
        self.born = born
        self.always = traits.available >= ALWAYS
        self.wakes_s = rng.random() * DAY_S  # when its day begins; or how far its cycle has come
        self._starts: list[float] = []
        self._ends: list[float] = []

    def is_on(self, at: float, rng: Random) -> bool:
        """Whether the host is on at that time."""
        return self.always or self.next_on(at, rng) <= at

    def next_on(self, at: float, rng: Random) -> float:
        """The first moment from ``at`` on at which the host is on."""
        if self.always:
            return at
        i = self._find(at, rng)
        return max(at, self._starts[i])

    def next_off(self, at: float, rng: Random) -> tuple[float, float]:
        """When the interval at ``at`` (or the next one) ends, and when the one after it begins.

        Infinite for a host that is never off.
        """
        if self.always:
            return math.inf, math.inf
        i = self._find(at, rng)
        while i + 1 >= len(self._starts):
            self._more(rng)
        return self._ends[i], self._starts[i + 1]

    def finish(self, at: float, work_s: float, rng: Random) -> float:
        """When ``work_s`` seconds of computing are done that begin at ``at``."""
        if self.always:
            return at + work_s
        i = self._find(at, rng)
        now = max(at, self._starts[i])
        while now + work_s > self._ends[i]:
            work_s -= self._ends[i] - now
            i += 1
            if i == len(self._ends):
                self._more(rng)
            now = self._starts[i]
        return now + work_s

    def forget(self, before: float) -> None:
        """Nobody will ask about what lies before that time."""
        if len(self._ends) > KEEP:
            past = bisect_right(self._ends, before)
            del self._starts[:past], self._ends[:past]

    def _find(self, at: float, rng: Random) -> int:
        """The first interval that ends after ``at``."""
        while not self._ends or self._ends[-1] <= at:
            self._more(rng)
        return bisect_right(self._ends, at)

    def _more(self, rng: Random) -> None:
        share = max(NEVER_LESS, self.traits.available)
        if not self.traits.patterned:
            on = rng.expovariate(1 / (share * CYCLE_S))
            off = rng.expovariate(1 / ((1 - share) * CYCLE_S))
            first = self._ends[-1] if self._ends else self.born - on * self.wakes_s / DAY_S
            begin = first + off if self._ends or rng.random() > share else first
            self._add(begin, begin + on)
            return
        day = self._starts[-1] + DAY_S if self._starts else self._first_day(share)
        # From the plan, not from the last jitter: days do not drift.
        day = round((day - self.wakes_s) / DAY_S) * DAY_S + self.wakes_s
        wide = min(JITTER_S, (1 - share) * DAY_S / 4, share * DAY_S / 4)
        begin = day + rng.uniform(-wide, wide)
        self._add(begin, day + share * DAY_S + rng.uniform(-wide, wide))

    def _first_day(self, share: float) -> float:
        """The beginning of the day that is under way, or comes next, when the host is born."""
        day = self.born - (self.born - self.wakes_s) % DAY_S
        return day if day + share * DAY_S > self.born else day + DAY_S

    def _add(self, begin: float, end: float) -> None:
        self._starts.append(begin)
        self._ends.append(max(end, begin + 1.0))
