"""Fair share: equal accounts come to equal work, whatever the hand-outs; nobody catches up."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.share import UNKNOWN_OPS, Claim, advances, charge, places


class Grid:
    """Accounts whose work always waits, and what was given out of it."""

    def __init__(self, weights: Sequence[float]) -> None:
        self.claims = {n: Claim(n, weight=w) for n, w in enumerate(weights)}
        self.given = dict.fromkeys(self.claims, 0.0)

    def hand_out(self, ops: float, among: Sequence[int] = ()) -> int:
        """One exchange: who waits least served gets ``ops`` given out, as the store does it."""
        here = [self.claims[n] for n in (among or self.claims)]
        place = places(here)
        served = min(here, key=lambda claim: (place[claim.account_id], claim.account_id))
        charges = {served.account_id: charge(ops, 1, served.weight)}
        for change in advances(here, charges):
            claim = self.claims[change.account_id]
            self.claims[change.account_id] = Claim(
                claim.account_id,
                max(claim.time or 0.0, change.place) + change.more,
                change.more or claim.step,
                claim.weight,
            )
        self.given[served.account_id] += ops
        return served.account_id


hand_outs = st.lists(st.floats(1, 1e15), min_size=1, max_size=80)


@given(hand_outs)
def test_two_busy_equals_differ_by_no_more_than_one_hand_out(sizes: list[float]) -> None:
    grid = Grid([1.0, 1.0])
    for size in sizes:
        grid.hand_out(size)
        assert abs(grid.given[0] - grid.given[1]) <= max(sizes) * (1 + 1e-9)


@given(hand_outs, st.integers(0, 79), st.integers(0, 79))
def test_over_any_interval_they_differ_by_no_more_than_one_each(
    sizes: list[float], start: int, end: int
) -> None:
    """Each may be one hand-out ahead at one end of the interval and behind at the other."""
    start, end = sorted((min(start, len(sizes)), min(end, len(sizes))))
    grid = Grid([1.0, 1.0])
    before = dict(grid.given)
    for i, size in enumerate(sizes[:end]):
        if i == start:
            before = dict(grid.given)
        grid.hand_out(size)
    gains = [grid.given[n] - before[n] for n in (0, 1)] if end > start else [0.0, 0.0]
    assert abs(gains[0] - gains[1]) <= 2 * max(sizes) * (1 + 1e-9)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), hand_outs)
def test_weights_divide_the_work(weights: list[float], sizes: list[float]) -> None:
    grid = Grid(weights)
    for size in sizes:
        grid.hand_out(size)
    served = [grid.given[n] / weight for n, weight in enumerate(weights)]
    assert max(served) - min(served) <= max(sizes) / min(weights) * (1 + 1e-9)


def test_who_comes_late_does_not_catch_up() -> None:
    grid = Grid([1.0, 1.0, 1.0])
    for _ in range(1000):
        grid.hand_out(1.0, among=(0, 1))
    served = [grid.hand_out(1.0) for _ in range(30)]
    assert {n: served.count(n) for n in range(3)} == {0: 10, 1: 10, 2: 10}


def test_who_was_away_does_not_catch_up() -> None:
    grid = Grid([1.0, 1.0, 1.0])
    for _ in range(30):
        grid.hand_out(1.0)
    for _ in range(1000):
        grid.hand_out(1.0, among=(0, 1))
    served = [grid.hand_out(1.0) for _ in range(31)]
    assert served.count(2) <= 12


def test_nothing_is_held_against_who_was_alone() -> None:
    """A scientist who had the grid alone for months shares it equally from now on."""
    grid = Grid([1.0, 1.0])
    for _ in range(1000):
        grid.hand_out(1.0, among=(0,))
    served = [grid.hand_out(1.0) for _ in range(20)]
    assert served.count(0) == served.count(1) == 10


claims = st.lists(
    st.builds(
        Claim,
        st.integers(1, 50),
        st.none() | st.floats(0, 1e18),
        st.floats(0, 1e15),
        st.floats(0.1, 10),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda claim: claim.account_id,
)


@given(claims, st.randoms())
def test_the_order_of_the_accounts_does_not_matter(waiting: list[Claim], random: object) -> None:
    shuffled = list(waiting)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert places(shuffled) == places(waiting)


@given(claims)
def test_nobody_goes_back_in_time(waiting: list[Claim]) -> None:
    found = places(waiting)
    for claim in waiting:
        assert found[claim.account_id] >= (claim.time or 0.0)
    if any(claim.time is not None for claim in waiting):
        lowest = min(claim.time for claim in waiting if claim.time is not None)
        assert min(found.values()) >= lowest


def test_what_is_not_known_is_charged_as_something() -> None:
    assert charge(None, 3, 1.0) == 3 * UNKNOWN_OPS
    assert charge(10.0, 3, 2.0) == pytest.approx(15.0)
