"""Layout: whatever the numbers, shapes stay on the drawing and labels do not cover each other."""

import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_shared.plot import PlotError, parse_plot
from idlegrid_shared.plot.chart import read_chart
from idlegrid_shared.plot.labels import text_box
from idlegrid_shared.plot.layout import NARROW, WIDE, lay_out
from idlegrid_shared.plot.room import Box, Room
from idlegrid_shared.plot.scene import Curve, Dot, Scene, Words
from idlegrid_shared.plot.text import shorten, text_width, wrap

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW])
CELLS = st.one_of(
    st.floats(allow_nan=True).map(repr),
    st.floats(-1e3, 1e3).map(repr),
    st.sampled_from(["", "nan", "1e149", "-1e149", "1e-300", "0", "-0.0"]),
)
SCALES = st.sampled_from(["linear", "log"])


def chart(table: str, answer: object, **change):
    declared = {
        "file": "a.csv",
        "title": "Title",
        "x": "t",
        "lines": [{"y": "v"}],
        "levels": [{"file": "a.json", "at": "level", "label": "level"}],
        "marks": {"file": "a.json", "list": "peaks", "x": "t", "y": "v", "label": "{name}"},
    }
    declared["marks"] = {**declared["marks"], "most": 12}  # type: ignore[dict-item]
    files = {"a.csv": table.encode(), "a.json": json.dumps(answer).encode()}
    return read_chart(parse_plot(declared | change), files)


def words(scene: Scene) -> list[Words]:
    return [shape for shape in scene.shapes if isinstance(shape, Words)]


def boxes(scene: Scene) -> list[Box]:
    return [text_box(w.x, w.y, w.text, w.size, w.anchor, w.bold) for w in words(scene)]


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12),
    SCALES,
    SCALES,
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_any_table_is_drawn_inside_the_picture_or_refused(rows, x_scale, y_scale, level, name):
    table = "t,v\n" + "".join(f"{a},{b}\n" for a, b in rows)
    answer = {"level": level, "peaks": [{"t": 1, "v": level, "name": name}]}
    try:
        found = chart(table, answer, x_scale=x_scale, y_scale=y_scale)
    except PlotError as error:
        assert "no row with numbers" in str(error)  # noqa: PT017 - one of two good ends
        return
    for size in (WIDE, NARROW):
        scene = lay_out(found, size)
        places = [place for s in scene.shapes if isinstance(s, Curve) for place in s.points]
        places += [(s.x, s.y) for s in scene.shapes if isinstance(s, Dot | Words)]
        for x, y in places:
            assert -0.1 <= x <= size.width + 0.1
            assert -0.1 <= y <= size.height + 0.1


@SIZES
@given(heights=st.lists(st.floats(0, 100), min_size=3, max_size=40))
@settings(max_examples=25, deadline=None)
def test_labels_of_marks_do_not_cover_each_other(size, heights) -> None:
    rows = list(enumerate(heights))
    table = "t,v\n" + "".join(f"{t},{v}\n" for t, v in rows)
    peaks = sorted(rows, key=lambda row: -row[1])[:12]
    answer = {"level": 50, "peaks": [{"t": t, "v": v, "name": f"peak {t}"} for t, v in peaks]}
    scene = lay_out(chart(table, answer), size)
    labels = [
        box
        for word, box in zip(words(scene), boxes(scene), strict=True)
        if word.text.startswith("peak")
    ]
    for one, other in itertools.combinations(labels, 2):
        assert not one.meets(other)


@SIZES
def test_the_numbers_of_an_axis_do_not_run_into_each_other(size) -> None:
    table = "t,v\n" + "".join(f"{t},{t}\n" for t in range(100_000, 900_000, 9_000))
    scene = lay_out(chart(table, {}, levels=[], marks=None), size)
    assert len(words(scene)) >= 6
    for one, other in itertools.combinations(boxes(scene), 2):
        assert not one.meets(other)


@SIZES
def test_a_line_is_labelled_where_it_is_calm_and_in_a_legend_where_it_is_not(size) -> None:
    def label(values) -> Words:
        table = "t,v\n" + "".join(f"{t},{v}\n" for t, v in enumerate(values))
        lines = [{"y": "v", "label": "the line"}]
        scene = lay_out(chart(table, {}, levels=[], marks=None, lines=lines), size)
        return next(word for word in words(scene) if word.text == "the line")

    assert label([5] * 50 + [9] * 50).role == "first", "on the line, in its colour"
    assert label(([0] * 4 + [9]) * 20).role == "quiet", "in the legend"


def test_a_mark_without_any_room_has_a_ring_but_no_label() -> None:
    room = Room(Box(0, 0, 400, 100))
    assert room.free(Box(10, 10, 50, 20))
    room.take(Box(0, 0, 400, 100))
    assert not room.free(Box(10, 10, 50, 20))
    assert not Room(Box(0, 0, 400, 100)).free(Box(390, 10, 410, 20)), "over the edge"


def test_a_steep_line_takes_its_whole_height() -> None:
    room = Room(Box(0, 0, 100, 100))
    room.add_curve([(10.0, 90.0), (10.4, 5.0), (12.0, 80.0)])
    for y in range(10, 75, 5):
        assert not room.free(Box(5, y, 20, y + 4)), f"the line passes at {y}"
    assert room.free(Box(20, 10, 40, 90))
    assert room.highest(0, 50) is not None
    assert room.highest(20, 50) is None


@given(st.text(max_size=80), st.floats(5, 40), st.floats(1, 500))
def test_shortened_text_fits(text, size, width) -> None:
    short = shorten(text, size, width)
    assert short == "" or text_width(short, size) <= width or math.isclose(width, 0)
    assert len(wrap(text, size, width, 2)) <= 2


def test_titles_are_wrapped_between_words() -> None:
    assert wrap("one two three", 10, 50, 2) == ["one two", "three"]
    assert wrap("one two three four five six", 10, 50, 2)[1].endswith("…")
    assert wrap("", 10, 50, 2) == []
