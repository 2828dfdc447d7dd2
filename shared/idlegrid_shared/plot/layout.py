"""From a chart to shapes: margins, axes, lines, and where the texts stand."""

import msgspec

from .chart import Chart
from .labels import (
    LINE_ROLES,
    place_level_labels,
    place_line_labels,
    place_mark_labels,
    text_box,
)
from .room import Box, Room
from .scale import tick_labels
from .scene import Curve, Dot, Place, Scene, Shape, Words
from .series import COLUMNS, runs
from .spec import Style
from .text import shorten, text_width, wrap

DASHES: dict[Style, tuple[float, ...]] = {
    "solid": (),
    "dashed": (9.0, 5.0),
    "dotted": (0.1, 5.0),
}
LEVEL_DASH = (2.0, 4.0)
TICK_GAP = 0.65  # between the numbers of y and the grid, in heights of text


class Size(msgspec.Struct, frozen=True):
    """The measures of a drawing, in units of about a pixel."""

    width: float
    height: float
    pad: float
    text: float
    title: float
    x_ticks: int
    y_ticks: int
    columns: int
    line: float


#: For a page, and for a telephone.
WIDE = Size(960, 600, 30, 15, 22, 9, 4, COLUMNS, 1.9)
NARROW = Size(480, 300, 16, 13.5, 16, 7, 3, 300, 1.5)


def lay_out(chart: Chart, size: Size) -> Scene:
    """The drawing of ``chart``. Lines are labelled where they run, or in a legend."""
    scene = _Layout(chart, size, legend=False).scene()
    return scene or _Layout(chart, size, legend=True).draw()


class _Layout:
    def __init__(self, chart: Chart, size: Size, *, legend: bool) -> None:
        self.chart = chart
        self.size = size
        self.shapes: list[Shape] = []
        top = self._head(legend)
        y_ticks = chart.y_scale.ticks(size.y_ticks + 1)
        self.y_ticks = list(zip(y_ticks, tick_labels(y_ticks, chart.y_scale.kind), strict=True))
        widest = max(text_width(label, size.text) for _, label in self.y_ticks)
        bottom = size.height - size.pad * 0.8 - size.text * (2.9 if chart.x_label else 1.6)
        left = size.pad + min(widest, size.width / 4) + TICK_GAP * size.text
        self.area = Box(
            left, top, size.width - size.pad - self._last_half(), max(bottom, top + size.text)
        )
        # Above the highest line there is room for its label, as far as the name of y leaves it.
        above = size.text * 1.3
        self.room = Room(Box(left, top - above, self.area.right, self.area.bottom))
        self.room.take(self.y_name)

    def draw(self) -> Scene:
        """The whole drawing, labels on lines left to the legend."""
        self._axes()
        self._levels()
        self._lines()
        self._marks()
        return Scene(self.size.width, self.size.height, tuple(self.shapes))

    def scene(self) -> Scene | None:
        """The whole drawing with labels on its lines; None where they find no room."""
        self.draw()
        labels = place_line_labels(self.chart, self.size.text, self._own_rooms(), self.room)
        if labels is None:
            return None
        return Scene(self.size.width, self.size.height, (*self.shapes, *labels))

    # -- head: title, legend, name of y --

    def _head(self, legend: bool) -> float:
        size = self.size
        y = size.pad
        wide = size.width - 2 * size.pad
        self.y_name = Box(0, 0, 0, 0)
        for line in wrap(self.chart.title, size.title, wide, 2, bold=True):
            y += size.title
            self.shapes.append(Words(size.pad, y, line, size.title, "ink", bold=True))
            y += size.title * 0.25
        if legend:
            y = self._legend(y + size.text * 0.35, wide)
        if self.chart.y_label:
            y += size.text * 1.6
            text = shorten(self.chart.y_label, size.text, wide)
            self.shapes.append(Words(size.pad, y, text, size.text, "quiet"))
            self.y_name = text_box(size.pad, y, text, size.text, "start", False)
        return y + size.text * 1.2

    def _legend(self, y: float, wide: float) -> float:
        size, x = self.size, self.size.pad
        y += size.text * 1.15
        sample = size.text * 2
        for index, line in enumerate(self.chart.lines):
            if not line.label:
                continue
            text = shorten(line.label, size.text, wide - sample - size.text)
            need = sample + size.text * 0.6 + text_width(text, size.text)
            if x > size.pad and x + need > size.pad + wide:
                x, y = size.pad, y + size.text * 1.45
            middle = y - size.text * 0.33
            self.shapes.append(self._curve(((x, middle), (x + sample, middle)), index, line.style))
            self.shapes.append(Words(x + sample + size.text * 0.6, y, text, size.text, "quiet"))
            x += need + size.text * 1.6
        return y

    # -- axes --

    def _last_half(self) -> float:
        """How far the last number of x reaches beyond what the margin has room for."""
        ticks = self.chart.x_scale.ticks(self.size.x_ticks)
        label = tick_labels(ticks, self.chart.x_scale.kind)[-1]
        half = text_width(label, self.size.text) / 2 * self.chart.x_scale.place(ticks[-1])
        return min(max(0.0, half + 4 - self.size.pad), self.size.width / 8)

    def _axes(self) -> None:
        size, area = self.size, self.area
        for value, label in self.y_ticks:
            y = self._y(value)
            self.shapes.append(Curve(((area.left, y), (area.right, y)), "grid", 1.0))
            at = (area.left - size.text * TICK_GAP, y + size.text * 0.35)
            self.shapes.append(Words(*at, label, size.text, "quiet", "end"))
        self.shapes.append(
            Curve(((area.left, area.bottom), (area.right, area.bottom)), "base", 1.0)
        )
        ticks = self.chart.x_scale.ticks(size.x_ticks)
        free_from = -1.0
        for value, label in zip(ticks, tick_labels(ticks, self.chart.x_scale.kind), strict=True):
            x, half = self._x(value), text_width(label, size.text) / 2
            self.shapes.append(
                Curve(((x, area.bottom), (x, area.bottom + size.text * 0.35)), "base", 1.0)
            )
            if x - half < free_from or x + half > size.width - 2:
                continue
            free_from = x + half + size.text * 0.5
            y = area.bottom + size.text * 1.5
            self.shapes.append(Words(x, y, label, size.text, "quiet", "middle"))
        if self.chart.x_label:
            text = shorten(self.chart.x_label, size.text, area.right - area.left)
            y = area.bottom + size.text * 2.9
            self.shapes.append(
                Words((area.left + area.right) / 2, y, text, size.text, "quiet", "middle")
            )

    # -- lines, levels, marks --

    def _levels(self) -> None:
        for level in self.chart.levels:
            y = self._y(level.y)
            ends = ((self.area.left, y), (self.area.right, y))
            self.shapes.append(Curve(ends, "level", 1.4, LEVEL_DASH))

    def _lines(self) -> None:
        # The one that matters stands over the others.
        for index in reversed(range(len(self.chart.lines))):
            for run in self._runs(index):
                self.shapes.append(self._curve(run, index, self.chart.lines[index].style))
                self.room.add_curve(run)

    def _marks(self) -> None:
        size = self.size
        radius = size.text * 0.27
        places = []
        for mark in self.chart.marks:
            x, y = self._x(mark.x), self._y(mark.y)
            places.append((x, y, mark.label))
            self.shapes.append(Dot(x, y, radius, "first", size.line))
            self.room.take(Box(x - radius, y - radius, x + radius, y + radius))
        self.shapes.extend(place_mark_labels(places, size.text, radius, self.room))
        levels = [(self._y(level.y), level.label) for level in self.chart.levels]
        self.shapes.extend(place_level_labels(levels, size.text, self.room))

    def _own_rooms(self) -> list[Room]:
        """The room that each line takes by itself."""
        rooms = []
        for index in range(len(self.chart.lines)):
            room = Room(self.area)
            for run in self._runs(index):
                room.add_curve(run)
            rooms.append(room)
        return rooms

    def _curve(self, points: tuple[Place, ...], index: int, style: Style) -> Curve:
        width = self.size.line if index == 0 else self.size.line * 0.9
        return Curve(points, LINE_ROLES[index], width, DASHES[style])

    def _runs(self, index: int) -> list[tuple[Place, ...]]:
        series = self.chart.lines[index].series
        found = runs(series, self.chart.x_scale, self.size.columns)
        return [tuple((self._x(x), self._y(y)) for x, y in run) for run in found]

    def _x(self, value: float) -> float:
        area = self.area
        return area.left + self.chart.x_scale.place(value) * (area.right - area.left)

    def _y(self, value: float) -> float:
        area = self.area
        return area.bottom - self.chart.y_scale.place(value) * (area.bottom - area.top)
