"""How much of the work may be in the hands of newcomers: a flood of new names must not take over.

Whoever is caught may come again under a new name, and names are free. So what hosts on probation
get confirmed in two days is bounded by what proven hosts got confirmed (TRUST.md, defaults); a
project that has none of those yet lets its first hosts prove themselves.
"""

from .model import HostSnapshot, Value

#: Confirmed results that newcomers may have whatever the others did: the start of a project.
NEWCOMERS_MIN = 1_000
#: Two days are looked at: the one that runs, and the one before.
DAY_US = 86_400 * 1_000_000


class DayCount(Value, frozen=True):
    """Results confirmed lately: of hosts that were new or on probation then, and of all others."""

    newcomers: int = 0
    others: int = 0


def day_of(now: int) -> int:
    """The number of the day of a moment (µs UTC)."""
    return now // DAY_US


def is_on_probation(host: HostSnapshot) -> bool:
    """Whether a host counts as a newcomer here."""
    return host.state in ("new", "probation") and not host.house


def newcomers_may(count: DayCount, share: float) -> bool:
    """Whether newcomers may get work, who may have ``share`` of what is confirmed in all."""
    if share >= 1.0:
        return True
    most = share / (1.0 - share) * count.others
    return count.newcomers < max(NEWCOMERS_MIN, most)
