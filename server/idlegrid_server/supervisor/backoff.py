"""When a process that died is started again, and when its dying is worth an incident. Pure."""

from collections import deque

FIRST_S = 0.1
MOST_S = 5.0
STEADY_S = 2.0  # having lived this long, the next death counts as a first one
DEATHS_MAX = 10
WINDOW_S = 60.0


class Backoff:
    """The deaths of one process; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.delay_s = FIRST_S
        self.deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        self.reported_at: float | None = None

    def died(self, born: float, now: float) -> float:
        """Note a death and return how many seconds to wait before the next start."""
        if now - born >= STEADY_S:
            self.delay_s = FIRST_S
        wait = self.delay_s
        self.delay_s = min(self.delay_s * 2, MOST_S)
        self.deaths.append(now)
        return wait

    def is_incident(self, now: float) -> bool:
        """Whether it died ten times within a minute; true at most once a minute."""
        often = len(self.deaths) == DEATHS_MAX and now - self.deaths[0] <= WINDOW_S
        if not often or (self.reported_at is not None and now - self.reported_at < WINDOW_S):
            return False
        self.reported_at = now
        return True
