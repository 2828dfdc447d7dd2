"""How many ops the next task of a stage will take, from those that are agreed on."""

from collections.abc import Collection
from statistics import median

SAMPLES = 32  # of the newest results; more would follow a change of the inputs too slowly


def estimate_ops(agreed: Collection[int]) -> int:
    """The median of agreed ops: one odd unit does not move it. 0 = nothing is known yet."""
    return round(median(agreed)) if agreed else 0
