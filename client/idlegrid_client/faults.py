"""Places where a test may make the client die: around every durable step.

Production pays one check of a global against None. A test installs a hook that raises or kills the
process (the power went), loads the state from the disk again, and looks whether anything was lost.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

WRITTEN = ("task", "result", "exchange", "trust", "host", "link", "release", "blob")
STEPS = ("before", "written", "renamed", "after")

POINTS: tuple[str, ...] = (
    *(f"{what}.{step}" for what in WRITTEN for step in STEPS),
    "outputs.synced",  # the output files of a task are durable, its result is not written yet
    "forget.before",
    "forget.after",
    "exchange.sent.before",  # the request is written down and goes out next
    "exchange.sent.after",  # the answer is here, nothing of it is applied
    "key.aside",  # the old device key has another name, the new one is not made yet
)

_KNOWN = frozenset(POINTS)
_hook: Callable[[str], None] | None = None


def install(hook: Callable[[str], None] | None) -> None:
    """Call ``hook`` with the name of every point reached from now on; None takes it away."""
    global _hook
    _hook = hook


@contextmanager
def installed(hook: Callable[[str], None]) -> Iterator[None]:
    """Have ``hook`` installed within a ``with`` block, and none after it."""
    install(hook)
    try:
        yield
    finally:
        install(None)


def reach(point: str) -> None:
    """Say that the code is at ``point``. Does nothing unless a test installed a hook.

    Raises ``ValueError`` under a hook for a name that is not in :data:`POINTS`.
    """
    if _hook is None:
        return
    if point not in _KNOWN:
        raise ValueError(f"fault point {point!r} is not listed in faults.POINTS")
    _hook(point)
