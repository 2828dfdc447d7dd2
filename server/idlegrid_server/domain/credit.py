"""Credit by agreed ops: counted, never claimed.

One credit is 4.32e11 ops. BOINC's cobblestone is 1/200 of a day at 1 GFLOPS: 86,400 × 1e9 / 200
operations; we count wasm instructions instead of FLOPs and keep the size.
"""

from collections.abc import Iterable

OPS_PER_CREDIT = 432_000_000_000
MICRO = 1_000_000


def agreed_ops(ops: Iterable[int]) -> int:
    """The ops of agreeing results: their minimum, so that nobody gains by claiming more."""
    return min(ops, default=0)


def credit_micro(ops: int) -> int:
    """Micro-credits for ``ops`` instructions; equal for equal work."""
    return max(0, ops) * MICRO // OPS_PER_CREDIT
