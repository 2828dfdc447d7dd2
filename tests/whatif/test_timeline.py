"""A host computes exactly while it is on, and is on as much as its traits say."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.whatif.population import DAY_S, Traits
from idlegrid_server.whatif.timeline import Timeline

SHARES = st.floats(0.05, 0.95)


@given(st.integers(0, 10_000), SHARES, st.booleans(), st.floats(0, 3e5), st.floats(1, 3e5))
def test_work_is_done_after_as_long_as_the_host_was_on(
    seed: int, share: float, patterned: bool, at: float, work_s: float
) -> None:
    rng = Random(seed)
    line = Timeline(Traits(available=share, patterned=patterned), 0.0, rng)
    end = line.finish(at, work_s, rng)
    intervals = list(zip(line._starts, line._ends, strict=True))
    on = sum(max(0.0, min(b, end) - max(a, at)) for a, b in intervals)
    assert on == pytest.approx(work_s, rel=1e-6)
    assert all(a < b for a, b in intervals), "an interval has a length"
    assert all(b <= a for (_, b), (a, _) in pairwise(intervals)), "and they do not overlap"


@pytest.mark.parametrize("patterned", [True, False])
@pytest.mark.parametrize("share", [0.2, 0.68, 0.9])
def test_the_share_of_time_is_that_of_the_traits(share: float, patterned: bool) -> None:
    rng = Random(1)
    done_at = []
    for _ in range(200):
        line = Timeline(Traits(available=share, patterned=patterned), 0.0, rng)
        done_at.append(line.finish(0.0, 30 * DAY_S * share, rng))
    assert sum(done_at) / len(done_at) == pytest.approx(30 * DAY_S, rel=0.05)


def test_a_pattern_is_that_of_a_day() -> None:
    rng = Random(2)
    line = Timeline(Traits(available=0.4, patterned=True), 0.0, rng)
    line.finish(0.0, 100 * DAY_S * 0.4, rng)
    hours = [
        (start % DAY_S - line.wakes_s + DAY_S / 2) % DAY_S - DAY_S / 2 for start in line._starts
    ]
    assert max(hours) - min(hours) < 3_700, "it begins at about the same hour, after a hundred days"


def test_what_is_always_on_needs_no_intervals() -> None:
    line = Timeline(Traits(available=1.0), 0.0, Random(3))
    assert line.finish(10.0, 5.0, Random(3)) == 15.0
    assert line.next_on(7.0, Random(3)) == 7.0
    assert not line._starts


def test_what_is_over_is_forgotten() -> None:
    rng = Random(4)
    line = Timeline(Traits(available=0.5), 0.0, rng)
    late = line.finish(0.0, 100 * DAY_S, rng)
    line.forget(late)
    assert len(line._starts) <= 2
    assert line.next_on(late, rng) >= late
