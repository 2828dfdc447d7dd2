"""Where a label finds room: not over lines, marks or other labels."""

import math
from collections.abc import Iterable

import msgspec

from .scene import Place


class Box(msgspec.Struct, frozen=True):
    """A rectangle; ``top`` < ``bottom``, as on the screen."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether the two share room."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def within(self, other: "Box") -> bool:
        """Whether it lies inside ``other``."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


class Room:
    """What is taken inside ``area``. Curves are kept as the reach of y in each column of 1."""

    def __init__(self, area: Box) -> None:
        self.area = area
        self._count = max(1, math.ceil(area.right - area.left) + 1)
        self._top = [math.inf] * self._count
        self._bottom = [-math.inf] * self._count
        self._boxes: list[Box] = []

    def add_curve(self, points: Iterable[Place]) -> None:
        """Take the room of the line that joins ``points``, which grow in x."""
        before: Place | None = None
        for x, y in points:
            start, top = before or (x, y)
            first, last = self._column(start), self._column(x)
            rise = (y - top) / (last - first) if last > first else 0.0
            for column in range(first, last + 1):
                # A steep line fills its column from the height it comes in to that it leaves at.
                enter = top + rise * max(0, column - first - 1) if rise else top
                leave = top + rise * (column - first + 1) if column < last else y
                self._top[column] = min(self._top[column], enter, leave)
                self._bottom[column] = max(self._bottom[column], enter, leave)
            before = (x, y)

    def take(self, box: Box) -> None:
        """Mark ``box`` as taken."""
        self._boxes.append(box)

    def free(self, box: Box) -> bool:
        """Whether ``box`` lies inside the area and over nothing."""
        if not box.within(self.area) or any(box.meets(other) for other in self._boxes):
            return False
        columns = range(self._column(box.left), self._column(box.right) + 1)
        return not any(self._top[i] < box.bottom and self._bottom[i] > box.top for i in columns)

    def highest(self, left: float, right: float) -> tuple[float, float] | None:
        """The top of the curves between ``left`` and ``right`` and their mean top, if any."""
        columns = range(self._column(left), self._column(right) + 1)
        tops = [self._top[i] for i in columns if self._top[i] < math.inf]
        return (min(tops), sum(tops) / len(tops)) if tops else None

    def _column(self, x: float) -> int:
        return min(self._count - 1, max(0, math.floor(x - self.area.left)))
