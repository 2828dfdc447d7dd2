"""What was refused at the door, as far as an admin should see it.

An attacker can make any number of refusals; the table must not grow with them. Equal ones are
coalesced, the rate of writing is bounded, and so is the number of sources that one process names.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

from idlegrid_server.store.command import RecordIncident, Store, StoreError

US = 1_000_000
QUIET_US = 10 * US  # an equal incident is written at most so often
SOURCES_MAX = 500  # distinct (code, source) that one process writes; beyond them: "others"
WRITES_PER_MINUTE = 60
OTHERS = "others"
TEXT_MAX = 500

log = logging.getLogger(__name__)


class Incidents:
    """Writes incidents to the store, sparingly. Safe for many threads."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._minute = 0
        self._written = 0

    def record(self, code: str, source: str, text: str) -> bool:
        """Note that ``source`` made ``code`` happen; returns whether it was written now.

        Never raises: a refusal must not fail for want of its note.
        """
        now = self._clock()
        with self._lock:
            due = self._admit(code, source, now)
        if due is None:
            return False
        source, kept_back = due
        text = text[:TEXT_MAX] + (f" ({kept_back} more before)" if kept_back else "")
        try:
            self._store.execute(RecordIncident(now=now, code=code, source=source, text=text))
        except StoreError as error:
            log.warning(
                "An incident could not be recorded: %s.",
                error.text,
                extra={"code": code, "source": source},
            )
            return False
        return True

    def _admit(self, code: str, source: str, now: int) -> tuple[str, int] | None:
        """Under which source to write, and how many were kept back; None = not now."""
        key = (code, source)
        if key not in self._seen and len(self._seen) >= SOURCES_MAX:
            key = (code, OTHERS)
        last, kept_back = self._seen.get(key, (-QUIET_US, 0))
        minute = now // (60 * US)
        if minute != self._minute:
            self._minute, self._written = minute, 0
        if now - last < QUIET_US or self._written >= WRITES_PER_MINUTE:
            if key in self._seen:
                self._seen[key] = (last, kept_back + 1)
            return None
        self._written += 1
        self._seen[key] = (now, 0)
        return key[1], kept_back
