"""Time and order: a virtual clock, a queue of what happens next, one source of chance."""

import heapq
import random
from collections import deque
from collections.abc import Callable

US = 1_000_000
T0 = 1_800_000_000 * US  # a moment of 2027, on the hour, in µs UTC
TRACE_LINES = 60


class BrokenRule(AssertionError):  # noqa: N818 - what happened is its name
    """An invariant does not hold; the message is the rule in words."""


class World:
    """What happens, one thing after the other. Equal seeds give equal worlds."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = self.start = T0
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self.happened = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

    def clock(self) -> int:
        """µs UTC, as server and clients see it."""
        return self.now

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have ``act`` happen ``seconds`` from now."""
        self.at(self.now + max(0, round(seconds * US)), act)

    def at(self, when: int, act: Callable[[], None]) -> None:
        """Have ``act`` happen at ``when`` (µs), or at once if that is over."""
        self._order += 1
        heapq.heappush(self._queue, (max(when, self.now), self._order, act))

    def step(self, until: int) -> bool:
        """Let the next thing happen; False if nothing does before ``until``, which it is then."""
        if not self._queue or self._queue[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, act = heapq.heappop(self._queue)
        self.happened += 1
        act()
        return True

    def tell(self, line: str) -> None:
        """Remember a line of what happened, for a failure's report."""
        self.trace.append(f"{(self.now - T0) / US:10.3f} s  {line}")

    def story(self) -> str:
        """The last lines."""
        return "\n".join(self.trace)
