"""Whether there is room for more work's results: below the low-water mark none is given out."""

from collections.abc import Callable

from idlegrid_server.files import ContentStore

US = 1_000_000
LOOK_AGAIN_US = 2 * US


class DiskWatch:
    """Looks at the free bytes now and then."""

    def __init__(self, files: ContentStore, low_water_bytes: int, clock: Callable[[], int]) -> None:
        self._files = files
        self._low_water_bytes = low_water_bytes
        self._clock = clock
        self._looked_at = -LOOK_AGAIN_US
        self._low = False

    def is_low(self) -> bool:
        """Whether fewer bytes are free than the project's low-water mark."""
        now = self._clock()
        if not 0 <= now - self._looked_at < LOOK_AGAIN_US:
            self._low = self._files.free_bytes() < self._low_water_bytes
            self._looked_at = now
        return self._low
