"""Rate limits in memory, for each web process by itself: a token bucket for each caller."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from .problem import Refusal

US = 1_000_000
CALLERS_MAX = 10_000  # the longest unseen is forgotten


class RateLimit:
    """At most ``burst`` at once and ``per_minute`` in the long run, for each caller."""

    def __init__(self, burst: int, per_minute: float, clock: Callable[[], int]) -> None:
        self.burst = burst
        self.per_us = per_minute / (60 * US)
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one; raises a 429 :class:`Refusal` that says when to try again."""
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(caller, (float(self.burst), now))
            left = min(float(self.burst), left + max(0, now - at) * self.per_us)
            allowed = left >= 1
            self._left[caller] = (left - 1 if allowed else left, now)
            if len(self._left) > CALLERS_MAX:
                self._left.popitem(last=False)
        if not allowed:
            wait_s = int((1 - left) / self.per_us / US) + 1
            raise Refusal(
                429,
                "slow_down",
                f"Too many attempts from your address; try again in {wait_s} seconds.",
                retry_after_s=wait_s,
            )
