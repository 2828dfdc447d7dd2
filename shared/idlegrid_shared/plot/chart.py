"""What a plot shows: its lines, levels and marks with their numbers, and its axes."""

import math
from collections.abc import Mapping

import msgspec

from .answer import Level, Mark, read_json, read_level, read_marks
from .fault import PlotError
from .label import clean
from .limits import LOG_MIN
from .scale import Scale, make_scale, plain_number
from .series import Series, make_series
from .spec import STYLES, PlotSpec, Style
from .table import read_columns

#: Room above the highest value, as a share of the axis, so that its label fits in.
MARGIN = 0.08


class Line(msgspec.Struct, frozen=True):
    """One line of the chart."""

    series: Series
    label: str
    style: Style


class Chart(msgspec.Struct, frozen=True):
    """A plot with its numbers; texts are clean. ``notes`` tell what was left out, and why."""

    title: str
    x_label: str
    y_label: str
    x_scale: Scale
    y_scale: Scale
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    marks: tuple[Mark, ...]
    notes: tuple[str, ...]


def read_chart(spec: PlotSpec, files: Mapping[str, bytes]) -> Chart:
    """The chart of an answer's files.

    Raises :class:`PlotError` when its lines cannot be drawn. A level or mark that the answer does
    not have is left out with a note: a first answer of few units may be too early for it.
    """
    lines = _lines(spec, files)
    notes: list[str] = []
    levels, marks = _levels(spec, files, notes), _marks(spec, files, notes)
    known = [
        point
        for line in lines
        for point in zip(line.series.x, line.series.y, strict=True)
        if not math.isnan(point[1])
    ]
    if not known:
        raise PlotError(f"{spec.file} has no row with numbers that can be drawn")
    # Marks outside of the lines' axis would squeeze the lines; levels belong to the axis of y.
    x_scale = make_scale(spec.x_scale, (point[0] for point in known))
    inside = tuple(m for m in marks if x_scale.low <= m.x <= x_scale.high)
    notes += [
        f"the mark {mark.label!r} at {mark.x:g} stands outside of the plot and is left out"
        for mark in marks
        if mark not in inside
    ]
    heights = [point[1] for point in known]
    heights += [level.y for level in levels] + [mark.y for mark in inside]
    y_scale = make_scale(spec.y_scale, heights, margin=MARGIN, from_zero=True)
    return Chart(
        title=clean(spec.title),
        x_label=clean(spec.x_label or spec.x),
        y_label=clean(spec.y_label or (spec.lines[0].y if len(lines) == 1 else "")),
        x_scale=x_scale,
        y_scale=y_scale,
        lines=lines,
        levels=levels,
        marks=inside,
        notes=tuple(clean(note, 300) for note in notes),
    )


def _lines(spec: PlotSpec, files: Mapping[str, bytes]) -> tuple[Line, ...]:
    columns = read_columns(
        spec.file, _file(files, spec.file), [spec.x, *(line.y for line in spec.lines)]
    )
    return tuple(
        Line(
            series=make_series(columns[0], y, spec.x_scale, spec.y_scale),
            label=clean(line.label or (line.y if len(spec.lines) > 1 else "")),
            style=line.style or style,
        )
        for line, y, style in zip(spec.lines, columns[1:], STYLES, strict=False)
    )


def _levels(spec: PlotSpec, files: Mapping[str, bytes], notes: list[str]) -> tuple[Level, ...]:
    found = []
    for item in spec.levels:
        try:
            level = read_level(item, read_json(item.file, _file(files, item.file)))
            if spec.y_scale == "log" and level.y < LOG_MIN:
                raise PlotError(f"{level.y:g} at {item.at!r} has no place on a logarithmic axis")
            found.append(level)
        except PlotError as error:
            notes.append(f"the level {item.label or item.at!r} is left out: {error}")
    return tuple(found)


def _marks(spec: PlotSpec, files: Mapping[str, bytes], notes: list[str]) -> tuple[Mark, ...]:
    item = spec.marks
    if item is None:
        return ()
    try:
        marks, more = read_marks(item, read_json(item.file, _file(files, item.file)))
    except PlotError as error:
        notes.append(f"the marks are left out: {error}")
        return ()
    notes.extend(more)
    # On a logarithmic axis of y, zero has no place.
    return tuple(m for m in marks if spec.y_scale == "linear" or m.y >= LOG_MIN)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        return files[name]
    except KeyError:
        some = ", ".join(sorted(files)[:10]) or "none at all"
        raise PlotError(f"the answer has no file {name!r}; it has: {some}") from None


def describe(chart: Chart) -> str:
    """The finding in words, for those who do not see the drawing."""
    first = chart.lines[0]
    what = first.label or chart.y_label or "A line"
    x = chart.x_scale
    heights = [y for y in first.series.y if not math.isnan(y)]
    parts = [
        f"{what} over {chart.x_label} from {plain_number(x.low)} to {plain_number(x.high)}"
        + (", on a logarithmic axis" if x.kind == "log" else "")
    ]
    if heights:
        top = max(heights)
        at = first.series.x[first.series.y.index(top)]
        parts[0] += f"; highest at {plain_number(at)} with {plain_number(top)}"
    parts += [f"also {line.label}" for line in chart.lines[1:]]
    marked = [mark.label for mark in chart.marks if mark.label]
    if marked:
        parts.append("marked: " + ", ".join(marked))
    parts += [f"a line across at {plain_number(lv.y)}: {lv.label}" for lv in chart.levels]
    return ". ".join(part[:1].upper() + part[1:] for part in parts) + "."
