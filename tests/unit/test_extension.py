"""Longer for a task that advances: what is given, and what a liar gets at most."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.extension import (
    SPAN_MAX,
    TIMES_MAX,
    Extension,
    Runner,
    extend,
)

S = 1_000_000
SPAN = 1_000 * S


def runner(**more: object) -> Runner:
    return Runner(1, 0, SPAN, **more)  # type: ignore[arg-type]


def test_a_task_that_would_just_miss_its_deadline_gets_longer() -> None:
    """After 900 s it is at 75 %: it ends at 1,200 s, and gets a quarter of the rest beyond."""
    assert extend(runner(), 0.75, 900 * S) == Extension(1, 1_275 * S, 2 * SPAN, 750_000)


def test_what_ends_in_time_needs_nothing() -> None:
    assert extend(runner(), 0.95, 900 * S) is None


def test_what_would_not_end_within_twice_its_time_gets_nothing() -> None:
    assert extend(runner(), 0.3, 900 * S) is None


def test_who_has_not_come_further_gets_nothing_again() -> None:
    again = runner(extended=1, told_ppm=750_000, longest_at=2 * SPAN)
    assert extend(again, 0.75, 1_250 * S) is None
    assert extend(again, 0.76, 950 * S) is not None


def test_nothing_is_given_for_no_progress_and_none_for_the_end() -> None:
    assert extend(runner(), 0.0, 900 * S) is None
    assert extend(runner(), 1.0, 900 * S) is None
    assert extend(runner(), 0.01, 900 * S) is None


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4_000)), max_size=30),
    st.integers(1, 10**7),
)
def test_a_liar_never_gets_more_than_twice_the_time(
    claims: list[tuple[float, int]], span_s: int
) -> None:
    """Whatever it says, whenever: at most so often, and never beyond the bound."""
    task = Runner(1, 0, span_s * S)
    first = task.deadline_at
    for progress, permille in sorted(claims, key=lambda claim: claim[1]):
        given_now = extend(task, progress, permille * span_s * S // 1_000)
        if given_now is None:
            continue
        assert given_now.deadline_at > task.deadline_at, "a deadline was moved to an earlier time"
        task = Runner(
            1,
            0,
            given_now.deadline_at,
            task.extended + 1,
            given_now.told_ppm,
            given_now.longest_at,
        )
    assert task.extended <= TIMES_MAX, "longer more often than the rules say"
    assert task.deadline_at <= SPAN_MAX * first, "longer than the rules say"
