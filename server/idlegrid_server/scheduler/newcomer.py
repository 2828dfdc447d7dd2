"""Whether newcomers may have work: looked up now and then, so that no exchange has to ask."""

from collections.abc import Callable

from idlegrid_server.domain.newcomer import DayCount, day_of, newcomers_may
from idlegrid_server.store.command import Store
from idlegrid_server.store.sql.reputation import CONFIRMED_SINCE

US = 1_000_000
LOOK_AGAIN_US = 10 * US


class NewcomerWatch:
    """Looks at what was confirmed lately, and of whom."""

    def __init__(self, store: Store, share: float, clock: Callable[[], int]) -> None:
        self._store = store
        self._share = share
        self._clock = clock
        self._looked_at = -LOOK_AGAIN_US
        self._may = True

    def may(self) -> bool:
        """Whether hosts on probation may have work now. Raises ``StoreError``."""
        now = self._clock()
        if not 0 <= now - self._looked_at < LOOK_AGAIN_US:
            with self._store.reading() as db:
                found = db.fetch_one(CONFIRMED_SINCE, day=day_of(now) - 1)
            self._may = newcomers_may(DayCount(*(found or (0, 0))), self._share)
            self._looked_at = now
        return self._may
