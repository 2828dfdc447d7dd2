"""How fast a host is, from what it was credited for: counted ops over the time that they took.

A host tells the time itself. One that tells too little makes itself look fast, which pays only for
programs whose ops are not counted; there the least of the agreeing hosts counts, and a bound from
the whole stage (see :mod:`.credit`).
"""

from collections.abc import Collection
from statistics import median

from .credit import OPS_PER_MICRO, OPS_PER_SECOND_FIRST

#: Beyond this much time the past is halved, so that the benchmark follows the machine.
TIME_MAX_US = 10 * 3600 * 1_000_000
TIME_MIN_US = 1_000_000  # less of it says nothing
FLEET_MIN = 5  # hosts that make a median
FLEET_LOOK = 199  # hosts that are looked at for it

US = 1_000_000


def gone_on(micro: int, took_us: int, more_micro: int, more_us: int) -> tuple[int, int]:
    """(credit, time) of a host, with what it did now; the past weighs less the more there is."""
    micro, took_us = micro + more_micro, took_us + more_us
    while took_us > TIME_MAX_US:
        micro, took_us = micro // 2, took_us // 2
    return micro, took_us


def ops_per_second(micro: int, took_us: int) -> int:
    """The benchmark of a host; 0 while nothing is known."""
    if took_us < TIME_MIN_US:
        return 0
    return micro * OPS_PER_MICRO * US // took_us


def typical_ops_per_second(hosts: Collection[tuple[int, int]]) -> int:
    """What to take for a host of which nothing is known: the median of the others."""
    known = [speed for micro, took in hosts if (speed := ops_per_second(micro, took))]
    return round(median(known)) if len(known) >= FLEET_MIN else OPS_PER_SECOND_FIRST
