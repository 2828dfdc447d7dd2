"""What many look at is computed once in a while: pages of a public batch, the project's numbers."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")

US = 1_000_000
LIFE_US = 2 * US
ENTRIES_MAX = 200


class Recent:
    """Values by key, for two seconds each."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value kept for ``key``, or a new one that ``make`` makes."""
        now = self._clock()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and 0 <= now - kept[0] < LIFE_US:
            return cast("T", kept[1])
        made = make()
        with self._lock:
            self._kept[key] = (now, made)
            self._kept.move_to_end(key)
            if len(self._kept) > ENTRIES_MAX:
                self._kept.popitem(last=False)
        return made
