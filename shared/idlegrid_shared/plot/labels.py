"""Labels at marks, levels and lines, where there is room for them."""

from collections.abc import Sequence

from .chart import Chart
from .room import Box, Room
from .scene import Anchor, Curve, Role, Shape, Words
from .text import shorten, text_width

#: How far beside its mark a label may stand, in heights of text; from the second on with a line.
REACHES = (0.0, 1.2, 2.6, 4.2)
#: How much of a label's height lies above its baseline, and below.
ASCENT, DESCENT = 0.76, 0.24
#: How far a line may dip below its label, in heights of text, and still be told as its own.
DIP_MAX = 2.2
_SIDES: tuple[tuple[Anchor, float], ...] = (("start", 1.0), ("end", -1.0))
SIDE = 0.8  # how far a level's label keeps from lines beside it
LINE_ROLES: tuple[Role, ...] = ("first", "second", "third")


def text_box(x: float, y: float, text: str, size: float, anchor: Anchor, bold: bool) -> Box:
    """The room of a text whose baseline is ``y``."""
    width = text_width(text, size, bold)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return Box(left, y - ASCENT * size, left + width, y + DESCENT * size)


def place_mark_labels(
    marks: Sequence[tuple[float, float, str]], size: float, radius: float, room: Room
) -> list[Shape]:
    """The labels of marks (x, y, label); one without room is left out. The first is bold."""
    found: list[Shape] = []
    for number, (x, y, label) in enumerate(marks):
        if label:
            found.extend(_mark_label(x, y, label, size, radius, room, bold=number == 0))
    return found


def _mark_label(
    x: float, y: float, label: str, size: float, radius: float, room: Room, *, bold: bool
) -> list[Shape]:
    gap = radius + size * 0.35
    middle = y + size * 0.34
    choices: list[tuple[float, float, Anchor, float]] = [(x, y - gap - size * 0.1, "middle", 0.0)]
    for reach in REACHES:
        for anchor, sign in _SIDES:
            far = sign * (gap + reach * size)
            choices.append((x + far, middle, anchor, reach))
            choices.append((x + far, middle - size, anchor, reach))
    for at, baseline, anchor, reach in choices:
        box = text_box(at, baseline, label, size, anchor, bold)
        if not room.free(box):
            continue
        room.take(box)
        words = Words(at, baseline, label, size, "ink", anchor, bold=bold, halo=True)
        if not reach:
            return [words]
        sign = 1.0 if anchor == "start" else -1.0
        start, end = x + sign * (radius + 1.5), at - sign * size * 0.3
        return [Curve(((start, y), (end, baseline - size * 0.34)), "level", 1.0), words]
    return []


def place_level_labels(levels: Sequence[tuple[float, str]], size: float, room: Room) -> list[Shape]:
    """The labels of levels (y, label), on their lines; one without room stands at the right end."""
    found: list[Shape] = []
    area = room.area
    wide = area.right - area.left
    for y, label in levels:
        text = shorten(label, size, wide)
        if not text:
            continue
        choices: list[tuple[float, float, Anchor]] = []
        for baseline in (y - size * 0.45, y + size * 1.05):
            choices += [(area.right, baseline, "end"), (area.left + size * 0.4, baseline, "start")]
            choices += [(area.left + wide * n / 16, baseline, "middle") for n in range(14, 1, -1)]
        free = [choice for choice in choices if _clear(room, choice, text, size)]
        x, baseline, anchor = (free or choices)[0]
        room.take(text_box(x, baseline, text, size, anchor, False))
        found.append(Words(x, baseline, text, size, "quiet", anchor, halo=True))
    return found


def _clear(room: Room, choice: tuple[float, float, Anchor], text: str, size: float) -> bool:
    """Whether a label finds room there, and as much again to its sides as keeps it apart."""
    box = text_box(*choice[:2], text, size, choice[2], False)
    left = max(room.area.left, box.left - size * SIDE)
    right = min(room.area.right, box.right + size * SIDE)
    return room.free(Box(left, box.top, max(right, box.right), box.bottom))


def place_line_labels(
    chart: Chart, size: float, own: Sequence[Room], room: Room
) -> list[Shape] | None:
    """Each line's label just above a calm stretch of it; None if one finds no such stretch."""
    found: list[Shape] = []
    for index, line in enumerate(chart.lines):
        if not line.label:
            continue
        words = _line_label(line.label, LINE_ROLES[index], size, own[index], room)
        if words is None:
            return None
        found.append(words)
    return found


def _line_label(label: str, role: Role, size: float, own: Room, room: Room) -> Words | None:
    width = text_width(label, size)
    best: tuple[float, Words, Box] | None = None
    left = room.area.left + size * 0.5
    while left + width <= room.area.right:
        reach = own.highest(left, left + width)
        if reach is not None:
            top, mean = reach
            words = Words(left, top - size * 0.55, label, size, role, halo=True)
            box = text_box(left, words.y, label, size, "start", False)
            if room.free(box) and (best is None or mean - top < best[0]):
                best = (mean - top, words, box)
        left += size * 0.5
    if best is None or best[0] > DIP_MAX * size:
        return None
    room.take(best[2])
    return best[1]
