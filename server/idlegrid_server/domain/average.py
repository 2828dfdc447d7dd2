"""Recent average credit: a sum that halves in a week, kept as (value, when).

Nobody has to decay idle hosts: the pair says what it is worth at any later time. The average for a
day follows from the sum, since a steady income of x a day adds up to x · half-life / ln 2.
BOINC.md 2.18 has the same half-life.
"""

from math import exp2, log

HALF_LIFE_US = 7 * 86_400 * 1_000_000
DAYS = 7


def decayed(value: int, at: int, now: int) -> int:
    """What a sum of ``value`` at time ``at`` has come down to by ``now`` (µs)."""
    if now <= at or value <= 0:
        return max(0, value)
    return round(value * exp2(-(now - at) / HALF_LIFE_US))


def added(value: int, at: int, now: int, more: int) -> int:
    """The sum at the later of ``at`` and ``now``, with ``more`` that came at ``now``.

    A clock that was set back makes ``now`` the earlier: then what comes is worth less already.
    """
    return decayed(value, at, now) + decayed(more, now, at)


def per_day(value: int, at: int, now: int) -> int:
    """The average for a day, at ``now``."""
    return round(decayed(value, at, now) * log(2) / DAYS)
