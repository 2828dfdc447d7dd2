"""The first units of a batch go out alone: only when they came back well does the rest follow.

A batch that fails everywhere is then found out by a handful of units instead of by all hosts at
once. The rules, in words:

1. A batch of fewer than ``CANARY_FROM`` units has none: its whole would hardly cost more.
2. Its canaries are its first unit, its last, and others drawn by its seed: the ends of a sweep are
   where parameters are odd.
3. The rest is released when most canaries are valid and none failed, or when all of them have
   ended and at least half are valid; or after ``WAIT_MOST_S`` if none of them met an error: then
   they are slow, not wrong.
4. When more than half of them failed, the batch stops and its owner is asked.
5. For ``PROVEN_FIRST_S`` canaries are kept for hosts that are the project's own or proven, if any
   such host has been here lately; then anybody may have them.
"""

import hashlib
from typing import Literal

from .model import CanarySnapshot

CANARY_FROM = 50
CANARIES_MIN = 3
CANARIES_MAX = 8
WAIT_MOST_S = 3_600
PROVEN_FIRST_S = 120
PROVEN_SEEN_S = 600

Word = Literal["wait", "release", "stop"]


def count_canaries(expected: int, least: int = CANARY_FROM) -> int:
    """How many canaries a batch of so many units has: one more for each digit of its size.

    0: none, for batches of fewer than ``least`` units. 3 for 50 units, 6 for 10,000, at most 8.
    """
    if expected < max(2, least):
        return 0
    return min(expected, CANARIES_MAX, max(CANARIES_MIN, 1 + len(str(expected))))


def choose_canaries(seed: bytes, expected: int, count: int) -> tuple[int, ...]:
    """The indexes of ``count`` canaries among ``expected`` units, in order, each once."""
    if count <= 0 or expected <= 0:
        return ()
    chosen = dict.fromkeys([0, expected - 1][: min(count, expected)])
    draw = 0
    while len(chosen) < min(count, expected):
        text = b"canary:%b:%d" % (seed, draw)
        chosen[int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") % expected] = (
            None
        )
        draw += 1
    return tuple(sorted(chosen))


def decide_canary(canary: CanarySnapshot, now: int) -> Word:
    """Whether the rest of the batch follows, stays, or the batch stops."""
    failed, ended = canary.failed, canary.valid + canary.failed
    if 2 * failed > canary.total:
        return "stop"
    if ended >= canary.total:
        return "release" if 2 * canary.valid >= canary.total else "stop"
    if 2 * canary.valid > canary.total and failed == 0:
        return "release"
    if now >= canary.until and (canary.errors == 0 or canary.valid > failed):
        return "release"
    return "wait"
