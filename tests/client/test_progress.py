"""How far a task is said to be, and how long it will take."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_client.core.progress import fraction_done, seconds_left
from idlegrid_client.status_view import _span


def test_what_the_program_says_counts() -> None:
    assert fraction_done(0.25, 900, 1000) == 0.25


def test_a_silent_program_is_judged_by_its_ops() -> None:
    assert fraction_done(0.0, 500, 1000) == 0.5
    assert fraction_done(0.0, 5000, 1000) == 0.99, "nobody knows that it is done"
    assert fraction_done(0.0, 5000, 0) == 0.0


@given(st.floats(0, 10), st.integers(0, 10**18), st.integers(0, 10**18))
def test_a_fraction_is_a_fraction(told: float, ops: int, estimate: int) -> None:
    assert 0.0 <= fraction_done(told, ops, estimate) <= 1.0


def test_the_rest_takes_its_share_of_the_time() -> None:
    assert seconds_left(0.25, 60) == 180
    assert seconds_left(0.0, 60) is None
    assert seconds_left(1.0, 60) == 0


def test_spans_are_said_as_people_say_them() -> None:
    said = [_span(s) for s in (10, 60, 600, 7200, 200_000)]
    assert said == [
        "less than a minute",
        "about a minute",
        "about 10 minutes",
        "about 2 hours",
        "about 2 days",
    ]
