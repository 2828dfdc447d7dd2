"""A clock that only host calls move, so that every replica of a work unit sees the same times."""

# 2020-01-01T00:00:00Z. Any fixed date does; this one is after the epochs of common file formats.
EPOCH_NS = 1_577_836_800_000_000_000
# One millisecond a look: a program that waits for a second gets there after a thousand looks.
STEP_NS = 1_000_000
#: The clock stands still here, so that every time it tells fits 64 bits.
LAST_NS = (1 << 64) - 1 - EPOCH_NS


class VirtualClock:
    """Nanoseconds since the program began, as the program sees them."""

    def __init__(self, elapsed_ns: int = 0) -> None:
        self.elapsed_ns = elapsed_ns

    def look(self, realtime: bool) -> int:
        """The time in nanoseconds; the clock moves on by :data:`STEP_NS` afterwards."""
        now = self.now(realtime)
        self.advance(STEP_NS)
        return now

    def now(self, realtime: bool) -> int:
        """The time in nanoseconds, without moving the clock."""
        return self.elapsed_ns + (EPOCH_NS if realtime else 0)

    def advance(self, nanoseconds: int) -> None:
        """Let ``nanoseconds`` pass at once, as in a sleep."""
        self.elapsed_ns = min(LAST_NS, self.elapsed_ns + max(0, nanoseconds))
