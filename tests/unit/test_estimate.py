"""How long tasks take, how sure that is, and how many a host can return in time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.estimate import (
    LATENESS,
    VARIANCE_MIN,
    Queue,
    Spread,
    Sums,
    add,
    at_most_one,
    done_by_s,
    feasible,
    fold,
    lateness_of,
    run_time,
    speed_of,
    spread_of,
    work_of,
)

SURE = Spread(0.0, VARIANCE_MIN)
PUNCTUAL = Spread(0.0, VARIANCE_MIN)


def spread(*samples: float) -> Spread:
    found = spread_of(add(Sums(), fold(samples)))
    assert found is not None
    return found


def of_s(seconds: float, variance: float = 0.04) -> Spread:
    return Spread(math.log(seconds), variance)


def test_nothing_is_known_of_nothing() -> None:
    assert spread_of(Sums()) is None
    assert run_time(None, SURE) is None
    assert run_time(SURE, None) is None


def test_one_odd_unit_moves_it_little() -> None:
    usual = [100.0] * 30
    assert spread(*usual).median == pytest.approx(100)
    assert spread(*usual, 10_000.0).median < 130


def test_a_change_is_followed() -> None:
    assert spread(*[100.0] * 200, *[1_000.0] * 64).median == pytest.approx(1_000, rel=0.4)


def test_what_varies_has_a_spread() -> None:
    assert spread(100.0, 100.0).variance == VARIANCE_MIN
    assert spread(50.0, 200.0).variance > 0.4


samples = st.lists(st.floats(1e-3, 1e15), min_size=1, max_size=40)


@given(samples, samples)
def test_samples_may_come_one_by_one_or_together(first: list[float], then: list[float]) -> None:
    at_once = add(Sums(), fold(first + then))
    in_two = add(add(Sums(), fold(first)), fold(then))
    for name in ("weight", "total", "square"):
        assert getattr(in_two, name) == pytest.approx(getattr(at_once, name), rel=1e-9, abs=1e-9)


@given(samples)
def test_the_median_lies_among_the_samples(values: list[float]) -> None:
    assert min(values) * 0.999999 <= spread(*values).median <= max(values) * 1.000001


@given(samples)
def test_a_first_guess_is_the_same_distribution_of_less_weight(values: list[float]) -> None:
    sums = add(Sums(), fold(values))
    guess = at_most_one(sums)
    assert guess.weight <= 1
    one, other = spread_of(sums), spread_of(guess)
    assert one is not None
    assert other is not None
    assert other.mean == pytest.approx(one.mean, rel=1e-9, abs=1e-9)
    assert other.variance == pytest.approx(one.variance, rel=1e-3, abs=1e-6)


def test_one_sample_of_a_host_does_not_outweigh_the_fleet() -> None:
    """A host that was fast once is not promised three times the fleet's speed at once."""
    fleet = of_s(1e9)
    once = spread_of(add(Sums(), fold([3e9])), fleet)
    often = spread_of(add(Sums(), fold([3e9] * 60)), fleet)
    assert once is not None
    assert often is not None
    assert 1e9 < once.median < 2e9
    assert often.median == pytest.approx(3e9, rel=0.1)


def test_a_host_cannot_claim_more_time_than_the_task_was_away() -> None:
    assert speed_of(1_000, 2_000_000, 1_000_000) == 1_000
    assert speed_of(1_000, 2_000_000, 4_000_000) == 500
    assert speed_of(1_000, 0, 4_000_000) is None


def test_where_no_ops_are_counted_time_stands_for_them() -> None:
    assert work_of(0, 2_000_000) == 2_000_000_000
    assert speed_of(0, 2_000_000, 3_000_000) == 1e9
    assert work_of(5, 2_000_000) == 5


def test_lateness_is_bounded() -> None:
    assert lateness_of(200, 100) == 2
    assert lateness_of(10**15, 1) == 1000
    assert lateness_of(0, 10**9) == 0.001


def test_the_deadline_bounds_what_a_host_is_given() -> None:
    """Ten-minute tasks, an hour: some six for one core, fewer the less is known."""
    queue = Queue(0, 0.0, 1)
    assert feasible(queue, of_s(600, 0.01), PUNCTUAL, 3600) == 5
    assert feasible(queue, of_s(600, 0.5), PUNCTUAL, 3600) == 2
    assert feasible(queue, of_s(600, 0.01), LATENESS, 3600) == 1
    assert feasible(Queue(0, 0.0, 4), of_s(600, 0.01), PUNCTUAL, 3600) == 20


def test_what_is_held_counts() -> None:
    run = of_s(600, 0.01)
    assert feasible(Queue(3, 1800.0, 1), run, PUNCTUAL, 3600) == 2
    assert feasible(Queue(6, 3600.0, 1), run, PUNCTUAL, 3600) == 0


def test_a_free_core_begins_at_once() -> None:
    """One long task on one of four cores does not keep the others from short deadlines."""
    assert feasible(Queue(1, 86_400.0, 4), of_s(60), PUNCTUAL, 3600) == 3


def test_a_host_with_nothing_to_do_is_never_starved() -> None:
    """However slow it seems to be: one task shows more than any estimate."""
    assert feasible(Queue(0, 0.0, 1), of_s(1e6), LATENESS, 60) == 1
    assert feasible(Queue(1, 1e6, 1), of_s(1e6), LATENESS, 60) == 0


def test_nothing_known_speaks_against_nothing() -> None:
    assert feasible(Queue(100, 1e9, 1), None, LATENESS, 1) is None


queues = st.builds(Queue, st.integers(0, 500), st.floats(0, 1e7), st.integers(1, 128))
runs = st.builds(Spread, st.floats(-3, 14), st.floats(VARIANCE_MIN, 4))


@given(queues, runs, runs, st.floats(1, 1e7))
def test_all_that_is_given_is_expected_in_time(
    queue: Queue, run: Spread, lateness: Spread, deadline_s: float
) -> None:
    count = feasible(queue, run, lateness, deadline_s)
    assert count is not None
    if count > (queue.tasks == 0):
        expected = queue.done_s(count, run.median)
        assert done_by_s(expected, run, lateness) <= deadline_s * (1 + 1e-9)


@given(queues, runs, runs, st.floats(1, 1e7))
def test_more_time_never_means_fewer_tasks_and_more_load_never_more(
    queue: Queue, run: Spread, lateness: Spread, deadline_s: float
) -> None:
    count = feasible(queue, run, lateness, deadline_s)
    later = feasible(queue, run, lateness, 2 * deadline_s)
    fuller = feasible(queue.with_tasks(1, run.median), run, lateness, deadline_s)
    assert count is not None
    assert later is not None
    assert fuller is not None
    assert later >= count
    assert fuller <= count
