"""Thirty seeds: safety under faults, then an end to everything once the faults stop."""

import pytest

from .run import run_seed

SEEDS = 30
CHUNK = 5


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_seeds_hold_every_rule_and_end_well(first: int) -> None:
    for seed in range(first, first + CHUNK):
        told = run_seed(seed)
        assert told.states, "a seed without a batch proves nothing"


def test_equal_seeds_are_equal_worlds() -> None:
    """A failure can be seen again: that is what a seed is for."""
    one, other = run_seed(3), run_seed(3)
    assert (one.happened, one.virtual_s, one.receipts, one.server_kills, one.states) == (
        other.happened,
        other.virtual_s,
        other.receipts,
        other.server_kills,
        other.states,
    )
