"""Seeds are functions of what is computed, never of who computes it."""

import pytest

from idlegrid_shared.seeds import batch_seed, unit_seed


def test_seeds_are_what_they_always_were() -> None:
    """Another value would change every result of a seeded program: this must never change."""
    seed = batch_seed("period", "1.0")
    assert seed.hex() == "76af1be0bbc9c6756cba0b4ac60abbb1dc0b6826530586b3d4da57cc8661d867"
    assert (
        unit_seed(seed, 0, 0).hex()
        == "c9d1fb7180c9de2bce1fdedc29e3133f1fe80644b086037215f3fd0ffa09a17f"
    )


def test_every_unit_of_every_stage_has_its_own() -> None:
    seed = batch_seed("period", "1.0", "7")
    seeds = {unit_seed(seed, stage, index) for stage in range(3) for index in range(1000)}
    assert len(seeds) == 3000


def test_name_version_and_text_cannot_be_shifted_into_each_other() -> None:
    assert len({batch_seed("ab", "c"), batch_seed("a", "bc"), batch_seed("a", "b", "c")}) == 3


@pytest.mark.parametrize("bad", [(b"short", 0, 0), (bytes(32), -1, 0), (bytes(32), 0, -1)])
def test_impossible_arguments_are_refused(bad: tuple[bytes, int, int]) -> None:
    with pytest.raises(ValueError, match="a unit's seed needs 32 bytes"):
        unit_seed(*bad)
