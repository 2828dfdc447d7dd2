"""The points of one line: in order of x, with gaps, and no more of them than can be seen."""

import itertools
import math
from collections.abc import Sequence

import msgspec

from .limits import LOG_MIN, POINTS_MAX
from .scale import Scale
from .spec import ScaleKind

Point = tuple[float, float]
Run = tuple[Point, ...]  # points that a line joins

#: Each column of pixels keeps its first, lowest, highest and last point.
KEPT_PER_COLUMN = 4
COLUMNS = POINTS_MAX // KEPT_PER_COLUMN


class Series(msgspec.Struct, frozen=True):
    """Points in order of x; NaN in ``y`` is a gap. ``x`` is always finite."""

    x: tuple[float, ...]
    y: tuple[float, ...]


def make_series(
    x: Sequence[float], y: Sequence[float], x_kind: ScaleKind, y_kind: ScaleKind
) -> Series:
    """The points that can stand on axes of these kinds.

    Rows already in order keep their gaps where they are; others are put into order of x.
    """
    pairs = [(a, b if _fits(b, y_kind) else math.nan) for a, b in zip(x, y, strict=True)]
    known = [pair for pair in pairs if _fits(pair[0], x_kind)]
    if all(a[0] >= b[0] for a, b in itertools.pairwise(known)):
        pairs.reverse()
        known.reverse()
    if any(a[0] > b[0] for a, b in itertools.pairwise(known)):
        pairs = sorted(known, key=lambda pair: pair[0])
    points: list[Point] = []
    for place, value in pairs:
        if _fits(place, x_kind):
            points.append((place, value))
        elif points:  # a row without an x: a gap behind the last place that is known
            points.append((points[-1][0], math.nan))
    return Series(tuple(p[0] for p in points), tuple(p[1] for p in points))


def _fits(value: float, kind: ScaleKind) -> bool:
    return math.isfinite(value) and (kind == "linear" or value >= LOG_MIN)


def runs(series: Series, x_scale: Scale, columns: int = COLUMNS) -> tuple[Run, ...]:
    """What to draw: runs of joined points, thinned to ``KEPT_PER_COLUMN`` a column.

    A gap between two columns is kept; one inside a column is narrower than can be seen.
    """
    points = tuple(zip(series.x, series.y, strict=True))
    if len(points) <= columns * KEPT_PER_COLUMN:
        return _split(points)
    kept: list[Point] = []
    column: list[Point] = []
    here = -1
    gap = False
    for point in points:
        if math.isnan(point[1]):
            gap = True
            continue
        place = min(columns - 1, max(0, int(x_scale.place(point[0]) * columns)))
        if place != here:
            kept.extend(_thin(column))
            if gap and column:
                kept.append((point[0], math.nan))
            column, here = [], place
        gap = False
        column.append(point)
    kept.extend(_thin(column))
    return _split(tuple(kept))


def _thin(column: list[Point]) -> list[Point]:
    if len(column) <= KEPT_PER_COLUMN:
        return column
    order = range(len(column))
    low, high = min(order, key=lambda i: column[i][1]), max(order, key=lambda i: column[i][1])
    return [column[i] for i in sorted({0, low, high, len(column) - 1})]


def _split(points: Sequence[Point]) -> tuple[Run, ...]:
    found: list[Run] = []
    run: list[Point] = []
    for point in points:
        if math.isnan(point[1]):
            if run:
                found.append(tuple(run))
            run = []
        else:
            run.append(point)
    if run:
        found.append(tuple(run))
    return tuple(found)
