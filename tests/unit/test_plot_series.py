"""Lines: gaps stay gaps, and many points become few without losing their highs and lows."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.plot.limits import POINTS_MAX
from idlegrid_shared.plot.scale import make_scale
from idlegrid_shared.plot.series import COLUMNS, make_series, runs

NAN = math.nan
VALUES = st.floats(-1e150, 1e150) | st.just(NAN)


def drawn(x, y, kind="linear", columns=COLUMNS):
    series = make_series(x, y, kind, "linear")
    known = [a for a, b in zip(series.x, series.y, strict=True) if not math.isnan(b)]
    return runs(series, make_scale(kind, known), columns)


def test_a_missing_value_parts_the_line() -> None:
    assert drawn([1, 2, 3, 4], [1, NAN, 3, 4]) == (((1, 1),), ((3, 3), (4, 4)))
    assert drawn([1, 2, NAN, 4], [1, 2, 3, 4]) == (((1, 1), (2, 2)), ((4, 4),))
    assert drawn([1, 2], [NAN, NAN]) == ()


def test_rows_are_drawn_in_order_of_x() -> None:
    line = ((1, 10), (2, 20), (3, 30))
    assert drawn([1, 2, 3], [10, 20, 30]) == (line,)
    assert drawn([3, 2, 1], [30, 20, 10]) == (line,)
    assert drawn([2, 3, 1], [20, 30, 10]) == (line,)


def test_a_gap_in_a_table_that_falls_stays_in_its_place() -> None:
    assert drawn([4, 3, 2, 1], [4, NAN, 2, 1]) == (((1, 1), (2, 2)), ((4, 4),))


def test_what_has_no_logarithm_is_a_gap() -> None:
    assert drawn([-1, 0, 1, 10], [1, 1, 1, 1], "log") == (((1, 1), (10, 1)),)
    series = make_series([1, 2, 3], [1.0, 0.0, 2.0], "linear", "log")
    assert math.isnan(series.y[1])


@given(st.lists(st.tuples(VALUES, VALUES), max_size=300), st.integers(1, 8))
def test_thinning_keeps_the_highs_and_lows_and_few_points(rows, columns) -> None:
    x, y = [row[0] for row in rows], [row[1] for row in rows]
    found = drawn(x, y, columns=columns)
    points = list(itertools.chain(*found))
    known = [row for row in rows if not math.isnan(row[0]) and not math.isnan(row[1])]
    assert len(points) <= 4 * columns
    assert set(points) <= set(known)
    assert all(run for run in found)
    if known:
        heights = [point[1] for point in points]
        assert max(heights) == max(row[1] for row in known)
        assert min(heights) == min(row[1] for row in known)
    assert [point[0] for point in points] == sorted(point[0] for point in points)


def test_a_long_gap_survives_thinning_and_a_narrow_one_does_not() -> None:
    count = 100_000
    y = [float(i % 7) for i in range(count)]
    y[50_050] = NAN
    assert len(drawn(range(count), y)) == 1
    y[50_000:60_000] = [NAN] * 10_000
    left, right = drawn(range(count), y)
    assert left[-1][0] == 49_999
    assert right[0][0] == 60_000
    assert len(left) + len(right) <= POINTS_MAX


def test_a_gap_at_every_second_row_cannot_make_endless_runs() -> None:
    y = [NAN if i % 2 else 1.0 for i in range(50_000)]
    found = drawn(range(50_000), y)
    assert sum(map(len, found)) <= POINTS_MAX
