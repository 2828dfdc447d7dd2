"""Whole plots: the same bytes each time, safe with hostile answers, honest about gaps."""

import io
import json
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from idlegrid_shared.plot import PlotError, RenderedPlot, parse_plot, render

TABLE = b"t,v,w\n1,5,2\n2,7,1\n5,3,2\n10,9,4\n20,1,3\n"
ANSWER = {"level": 4.5, "peaks": [{"t": 10, "v": 9, "name": "the highest"}]}
LEVEL = {"file": "answer.json", "at": "level", "label": "by chance"}
MARKS = {"file": "answer.json", "list": "peaks", "x": "t", "y": "v", "label": "{name} at {t:.1f}"}
PLOT = {
    "file": "a.csv",
    "title": "A title",
    "x": "t",
    "x_label": "Time (s)",
    "x_scale": "log",
    "y_label": "Value",
    "lines": [{"y": "v", "label": "value"}],
    "levels": [LEVEL],
    "marks": MARKS,
}


def draw(change=None, table=TABLE, answer=ANSWER) -> RenderedPlot:
    files = {"a.csv": table, "answer.json": json.dumps(answer).encode()}
    return render(parse_plot(PLOT | (change or {})), files)


def texts(plot: RenderedPlot) -> list[str]:
    """The texts of the wide drawing."""
    group = ET.fromstring(plot.svg).find(".//*[@class='wide']")
    assert group is not None
    return [element.text or "" for element in group.iter() if element.tag.endswith("}text")]


def paths(plot: RenderedPlot, role: str) -> list[str]:
    """The lines of the wide drawing with the colour of ``role``."""
    group = ET.fromstring(plot.svg).find(".//*[@class='wide']")
    assert group is not None
    return [path.attrib["d"] for path in group.findall(f"*[@class='s-{role}']")]


def test_a_plot_shows_what_was_declared() -> None:
    plot = draw()
    shown = texts(plot)
    for text in ("A title", "Time (s)", "Value", "value", "by chance", "the highest at 10.0"):
        assert text in shown
    ticks = [text for text in shown if text in ("1", "2", "5", "10", "20")]
    assert ticks == ["1", "2", "5", "10", "20"]
    assert plot.notes == ()


def test_the_same_answer_gives_the_same_bytes() -> None:
    assert draw() == draw()
    assert draw().svg != draw(answer=ANSWER | {"level": 4.6}).svg


def test_the_png_is_a_picture_of_twice_the_size_with_line_and_level() -> None:
    with Image.open(io.BytesIO(draw().png)) as image:
        assert image.size == (1920, 1200)
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []}
    # A palette may move a colour by a shade or two.
    for wanted in ((0xF3, 0xF5, 0xF0), (0x0B, 0x5A, 0x4E), (0x15, 0x21, 0x1D)):
        assert any(max(abs(a - b) for a, b in zip(c, wanted, strict=True)) < 8 for c in colours)


def test_those_who_do_not_see_it_are_told_the_finding() -> None:
    plot = draw()
    root = ET.fromstring(plot.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == plot.description
    assert [child.tag.partition("}")[2] for child in list(root)[:2]] == ["title", "desc"]
    assert plot.title == "A title"
    for words in ("from 1 to 20", "highest at 10 with 9", "the highest at 10.0", "by chance"):
        assert words in plot.description


def test_texts_of_strangers_are_escaped() -> None:
    bad = """</text><script>alert("1")</script>&'"""
    answer = {"level": 4, "peaks": [{"t": 10, "v": 9, "name": "<b onload='x'>&\x00\u202e"}]}
    plot = draw({"title": bad, "y_label": bad, "lines": [{"y": "v", "label": bad}]}, answer=answer)
    assert "<script" not in plot.svg
    assert "<b" not in plot.svg
    assert bad in texts(plot)
    assert "<b onload='x'>& at 10.0" in texts(plot)
    tags = {element.tag.partition("}")[2] for element in ET.fromstring(plot.svg).iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "g", "path", "circle", "text"}


def test_long_texts_stay_inside_the_drawing() -> None:
    answer = {"level": 4, "peaks": [{"t": 10, "v": 9, "name": "W" * 10_000}]}
    label = {"y_label": "W" * 120, "x_label": "W" * 120, "lines": [{"y": "v", "label": "W" * 120}]}
    plot = draw({"title": "word " * 24} | label, answer=answer)
    assert all(len(text) <= 120 for text in texts(plot))
    assert len(plot.svg) < 20_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"file": "b.csv"}, "no file 'b.csv'; it has: a.csv, answer.json"),
        ({"x": "time"}, "no column 'time'"),
        ({"lines": [{"y": "u"}]}, "no column 'u'"),
    ],
)
def test_without_its_line_a_plot_is_refused(change, told) -> None:
    with pytest.raises(PlotError) as caught:
        draw(change)
    assert told in str(caught.value)


@pytest.mark.parametrize("table", [b"t,v\n", b"t,v\n1,\n2,nan\n", b"t,v\n0,1\n-1,2\n"])
def test_a_table_without_anything_to_draw_is_refused(table) -> None:
    with pytest.raises(PlotError, match="no row with numbers"):
        draw(table=table)


@pytest.mark.parametrize(
    ("answer", "notes"),
    [
        ({"peaks": []}, ["the level 'by chance' is left out"]),
        ({"level": 4}, ["the marks are left out"]),
        ({}, ["the level 'by chance' is left out", "the marks are left out"]),
        (
            {"level": 4, "peaks": [{"t": 500, "v": 1, "name": "far"}]},
            ["the mark 'far at 500.0' at 500 stands outside"],
        ),
        ({"level": 4, "peaks": [{"t": 5}]}, ["'t' and 'v' must be numbers"]),
    ],
)
def test_a_level_or_mark_that_is_missing_is_told_and_the_rest_drawn(answer, notes) -> None:
    plot = draw(answer=answer)
    assert len(plot.notes) == len(notes)
    for note, part in zip(plot.notes, notes, strict=True):
        assert part in note
    assert paths(plot, "first")


def test_a_gap_is_left_open() -> None:
    plain = {"lines": [{"y": "v"}], "levels": [], "marks": None}
    assert len(paths(draw(plain), "first")) == 1
    table = TABLE.replace(b"5,3,2", b"5,,2")
    assert len(paths(draw(plain, table=table), "first")) == 2


def test_three_lines_differ_by_colour_and_dash() -> None:
    lines = [{"y": "v"}, {"y": "w"}, {"y": "v", "label": "again"}]
    plot = draw({"lines": lines})
    for text in ("v", "w", "again"):
        assert text in texts(plot)
    group = ET.fromstring(plot.svg).find(".//*[@class='wide']")
    assert group is not None
    dashes = {
        path.attrib["class"]: path.attrib.get("stroke-dasharray")
        for path in group.iter()
        if path.attrib.get("class") in ("s-first", "s-second", "s-third")
    }
    assert dashes["s-first"] is None
    assert len(set(dashes.values())) == 3


def test_a_long_table_makes_a_small_drawing() -> None:
    rows = "".join(f"{i},{i * 7919 % 1000},0\n" for i in range(1, 50_000))
    plot = draw(table=("t,v,w\n" + rows).encode(), answer={"level": 4, "peaks": []})
    assert len(plot.svg) < 120_000
    assert all(path.count(" ") <= 4_100 for path in paths(plot, "first"))
