"""How a quantity is spread over many: counts in buckets that grow with the value.

32 buckets for each doubling, so a bucket is at most 1/32 wide. A percentile is a bucket's upper
edge: among equal values it is never below them, and at most 3.2 % above.
"""

from collections.abc import Mapping

STEPS = 32  # buckets for each doubling
STEP_BITS = 5
SAMPLES_MIN = 10  # fewer say nothing of a percentile


def bucket_of(value: int) -> int:
    """The bucket of ``value`` ≥ 0; buckets are in the order of the values."""
    if value < STEPS:
        return max(0, value)
    shift = value.bit_length() - 1 - STEP_BITS
    return STEPS + shift * STEPS + (value >> shift) - STEPS


def upper_edge(bucket: int) -> int:
    """The greatest value in a bucket."""
    if bucket < STEPS:
        return bucket
    shift, step = divmod(bucket - STEPS, STEPS)
    return ((STEPS + step + 1) << shift) - 1


def percentile(counts: Mapping[int, int], share: float) -> int | None:
    """The value that ``share`` of all do not exceed; None while there are too few."""
    total = sum(counts.values())
    if total < SAMPLES_MIN:
        return None
    seen = 0
    for bucket, count in sorted(counts.items()):
        seen += count
        if seen >= share * total:
            return upper_edge(bucket)
    return None
