"""Numbers: how text tells them, and when two are near."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.validator.number import Column, near, read_number
from idlegrid_shared.validator.rule import FieldRule

NUMBERS = st.one_of(st.floats(), st.integers(-(10**40), 10**40))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-7", -7), ("+3", 3), ("1.", 1.0), (".5", 0.5), ("1e-3", 1e-3), ("1D+2", 100.0),
        ("2d0", 2.0), ("inf", math.inf), ("-Infinity", -math.inf), ("9" * 20, int("9" * 20)),
    ],
)  # fmt: skip
def test_numbers_as_programs_write_them(text: str, value: float) -> None:
    assert read_number(text) == value
    assert type(read_number(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["", "x", "1_0", "0x10", "1e", "e5", "--1", "1 2", "٣", "5km", "1" * 65, "nano", "+"]
)
def test_what_is_no_number(text: str) -> None:
    assert read_number(text) is None


def test_nan_is_a_number() -> None:
    assert math.isnan(read_number("-NaN") or 0.0)


@given(x=st.floats(allow_nan=False))
def test_what_python_prints_is_read_exactly(x: float) -> None:
    assert read_number(repr(x)) == x


@given(x=NUMBERS, y=NUMBERS, rel=st.floats(0, 1), abs_=st.floats(0, 1e300))
def test_near_is_reflexive_and_symmetric_and_what_the_formula_says(
    x: float, y: float, rel: float, abs_: float
) -> None:
    assert near(x, x, rel, abs_)
    assert near(x, y, rel, abs_) == near(y, x, rel, abs_)
    if near(x, y, 0.0, 0.0):
        assert near(x, y, rel, abs_), "a wider tolerance refuses"
    if all(isinstance(v, float) for v in (x, y)) and not (math.isnan(x) or math.isnan(y)):
        assert near(x, y, rel, abs_) == math.isclose(x, y, rel_tol=rel, abs_tol=abs_)


def test_special_values_are_defined() -> None:
    nan, inf = math.nan, math.inf
    assert near(nan, nan, 0, 0)
    assert not near(nan, 1.0, 1, 1e300)
    assert near(inf, inf, 0, 0)
    assert not near(inf, -inf, 1, 1e300)
    assert not near(inf, 1e308, 1, 1e308)
    assert near(0.0, -0.0, 0, 0)
    assert not near(2**60, 2**60 + 1, 0, 0), "whole numbers must stay exact"


@given(values=st.lists(st.floats(-1e6, 1e6), max_size=50))
def test_the_sum_is_exact_enough(values: list[float]) -> None:
    total = math.fsum(values)
    column = Column(FieldRule(sum=total, sum_within=1e-9), "x")
    for value in values:
        column.take(value, "")
    assert column.end() == ""


@pytest.mark.parametrize(
    ("order", "good", "bad"),
    [
        ("rising", [1, 2, 3], [1, 1]),
        ("not_falling", [1, 1, 2], [2, 1]),
        ("falling", [3, 2], [2, 2]),
        ("not_rising", [2, 2, 1], [1, 2]),
    ],
)
def test_order(order: str, good: list[float], bad: list[float]) -> None:
    for values, fine in ((good, True), (bad, False), ([1.0, math.nan], False)):
        column = Column(FieldRule(order=order), "t")  # type: ignore[arg-type]
        for value in values:
            column.take(value, "row")
        assert (column.end() == "") is fine, values


@pytest.mark.parametrize(
    ("keys", "bad"),
    [
        ({"min": 0}, [-1, math.nan, -math.inf]),
        ({"max": 10}, [11, math.nan, math.inf]),
        ({"finite": True}, [math.nan, math.inf, -math.inf]),
        ({"sum": 5.0}, [4.0, math.nan, math.inf]),
    ],
)
def test_bounds_and_what_breaks_them(keys: dict, bad: list[float]) -> None:
    for value in (5.0, *bad):
        column = Column(FieldRule(**keys), "x")
        column.take(value, "row 1")
        assert (column.end() == "") is (value == 5.0), value
