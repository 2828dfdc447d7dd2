"""How often hosts were refused work, counted here and written down now and then.

Not a row for each refusal: most exchanges of a rested project are refusals. Each process keeps
counts in memory and adds them to the hour's rows every half minute; what it had not written when it
died is lost, and nobody is the worse for it.
"""

import logging
import threading
from collections.abc import Callable, Iterable

from idlegrid_server.store.command import RecordRefusals, Store, StoreError, TurnedAway

US = 1_000_000
WRITE_AFTER_US = 30 * US
KEYS_MAX = 1_000  # (stage, code) in memory; beyond them the stage is not told
NO_STAGE = 0

log = logging.getLogger(__name__)


class RefusalTally:
    """The counts of one process. Safe for many threads."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], int] = {}
        self._since = clock()

    def note(self, refused: Iterable[tuple[int, str]]) -> None:
        """Count one exchange's refusals: (stage or 0, code). Never raises."""
        with self._lock:
            for stage_id, code in refused:
                key = (stage_id, code)
                if key not in self._counts and len(self._counts) >= KEYS_MAX:
                    key = (NO_STAGE, code)
                self._counts[key] = self._counts.get(key, 0) + 1
            if not self._counts or self._clock() - self._since < WRITE_AFTER_US:
                return
            counts, self._counts = self._counts, {}
            self._since = self._clock()
        self._write(counts)

    def flush(self) -> None:
        """Write down what is counted so far."""
        with self._lock:
            counts, self._counts = self._counts, {}
            self._since = self._clock()
        if counts:
            self._write(counts)

    def _write(self, counts: dict[tuple[int, str], int]) -> None:
        rows = tuple(TurnedAway(*key, times) for key, times in sorted(counts.items()))
        try:
            self._store.execute(RecordRefusals(now=self._clock(), refusals=rows))
        except StoreError as error:
            log.warning("Refusals could not be counted: %s.", error.text)
