"""Axes: every value has its place, and the numbers written on them are round and few."""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idlegrid_shared.plot.scale import Scale, make_scale, plain_number, tick_labels

KINDS = st.sampled_from(["linear", "log"])
NUMBERS = st.floats(-1e150, 1e150, allow_nan=False)
POSITIVE = st.floats(1e-150, 1e150)


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.booleans(), st.integers(3, 10))
def test_linear_axes_hold_their_values_and_have_ticks(values, from_zero, most) -> None:
    scale = make_scale("linear", values, margin=0.08, from_zero=from_zero)
    check(scale, values, most)


@given(st.lists(POSITIVE, min_size=1, max_size=5), st.integers(3, 10))
def test_logarithmic_axes_hold_their_values_and_have_ticks(values, most) -> None:
    scale = make_scale("log", values, margin=0.08)
    assert scale.low > 0
    check(scale, values, most)


def test_close_marks_of_huge_values_differ_in_writing() -> None:
    scale = make_scale("log", [3.9246878251499687e149, 3.9050000000050006e149], margin=0.08)
    assert tick_labels(scale.ticks(4), "log") == (
        "3.91 · 10¹⁴⁹",
        "3.915 · 10¹⁴⁹",
        "3.92 · 10¹⁴⁹",
        "3.925 · 10¹⁴⁹",
    )


def check(scale: Scale, values: list[float], most: int) -> None:
    assert scale.low < scale.high
    for value in values:
        assert -1e-9 <= scale.place(value) <= 1 + 1e-9
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most
    assert all(a < b for a, b in itertools.pairwise(ticks)), ticks
    assert all(-1e-6 <= scale.place(tick) <= 1 + 1e-6 for tick in ticks), ticks
    labels = tick_labels(ticks, scale.kind)
    assert len(set(labels)) == len(labels), labels
    assert max(map(len, labels)) <= 20


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1), st.floats(0, 1), KINDS)
def test_larger_values_stand_further_on(low, span, one, other, kind) -> None:
    assume(kind == "linear" or low > 1e-3)
    scale = Scale(kind, low, low + span)
    a, b = sorted((low + one * span, low + other * span))
    assert scale.place(a) <= scale.place(b)


def test_logarithmic_axes_are_marked_at_two_five_and_ten() -> None:
    assert Scale("log", 2, 200).ticks(9) == (2, 5, 10, 20, 50, 100, 200)
    assert Scale("log", 1, 1e5).ticks(9) == (1, 10, 100, 1000, 10_000, 100_000)
    assert Scale("log", 3, 4).ticks(9) == (3, 3.2, 3.4, 3.6, 3.8, 4), "less than 1, 2, 5 can tell"


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0, 0.3, 5, (0, 0.1, 0.2, 0.3)),
        (-1, 1, 5, (-1, -0.5, 0, 0.5, 1)),
        (1700, 2008, 8, (1700, 1750, 1800, 1850, 1900, 1950, 2000)),
        (0, 1e6, 6, (0, 2e5, 4e5, 6e5, 8e5, 1e6)),
    ],
)
def test_linear_axes_are_marked_at_round_numbers(low, high, most, ticks) -> None:
    assert Scale("linear", low, high).ticks(most) == pytest.approx(ticks)


def test_an_axis_starts_at_zero_when_its_values_come_near() -> None:
    assert make_scale("linear", [1, 10], from_zero=True).low == 0
    assert make_scale("linear", [9, 10], from_zero=True).low == 9
    assert make_scale("linear", [1, 10]).low == 1


def test_an_end_near_a_round_number_is_moved_to_it() -> None:
    scale = make_scale("log", [2.0002, 199.9])
    assert (scale.low, scale.high) == (2, 200)
    assert make_scale("linear", [0, 0.298]).high == pytest.approx(0.3)


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [5.0, 5.0], [-3.0], [1e150], [5e-324, 0.0]])
def test_no_value_and_a_single_one_still_make_an_axis(values) -> None:
    scale = make_scale("linear", values)
    assert scale.low < scale.high
    assert math.isfinite(scale.place(0.5))
    assert scale.ticks(5)


def test_numbers_are_written_in_one_manner() -> None:
    assert tick_labels((0.0, 0.05, 0.1), "linear") == ("0", "0.05", "0.10")
    assert tick_labels((-1000.0, 0.0, 1000.0), "linear") == ("−1,000", "0", "1,000")
    assert tick_labels((2.0, 5.0, 10.0), "log") == ("2", "5", "10")
    assert tick_labels((0.0, 2e8), "linear") == ("0", "2 · 10⁸")
    assert tick_labels((1e-9, 1e-6), "log") == ("10⁻⁹", "10⁻⁶")
    assert plain_number(12345.6) == "12,346"
    assert plain_number(-0.06886) == "−0.06886"
