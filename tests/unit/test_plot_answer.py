"""Levels and marks from JSON of strangers."""

import json

import pytest

from idlegrid_shared.plot import PlotError
from idlegrid_shared.plot import answer as subject
from idlegrid_shared.plot.answer import Mark, follow, read_json, read_level, read_marks
from idlegrid_shared.plot.spec import LevelSpec, MarksSpec

MARKS = MarksSpec(file="a.json", list="peaks", x="x", y="y", label="{x:.1f} years", most=2)


def test_a_dotted_path_goes_through_objects_and_lists() -> None:
    document = {"a": [{"b": 7}], "0": "zero"}
    assert follow("a.json", document, "a.0.b") == 7
    assert follow("a.json", document, "0") == "zero"


@pytest.mark.parametrize("path", ["b", "a.1", "a.-1", "a.b", "a.0.b.c", "a.0.__class__", "a.²"])
def test_a_path_to_nothing_is_told(path) -> None:
    with pytest.raises(PlotError, match="nothing at"):
        follow("a.json", {"a": [{"b": 7}]}, path)


@pytest.mark.parametrize("value", [None, "7", True, [7], {}, 1e200])
def test_a_level_must_be_a_number(value) -> None:
    with pytest.raises(PlotError, match="no number at 'v'"):
        read_level(LevelSpec(file="a.json", at="v"), {"v": value})


@pytest.mark.parametrize("data", [b"", b"{", b"nan", b"\xff", b"[" * 100_000, b"1" * 5_000_000])
def test_what_is_no_json_is_told(data) -> None:
    with pytest.raises(PlotError, match=r"a\.json"):
        read_json("a.json", data)


def test_json_beyond_the_limit_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(subject, "JSON_BYTES_MAX", 3)
    assert read_json("a.json", b"[1]") == [1]
    with pytest.raises(PlotError, match="4 bytes"):
        read_json("a.json", b"[12]")


def test_only_the_first_entries_are_marked() -> None:
    entries = [{"x": n, "y": n * 2} for n in range(1, 6)]
    marks, notes = read_marks(MARKS, {"peaks": entries})
    assert marks == (Mark(1, 2, "1.0 years"), Mark(2, 4, "2.0 years"))
    assert notes == ()


def test_an_entry_that_cannot_be_marked_is_left_out_and_told() -> None:
    marks, notes = read_marks(MARKS, json.loads('{"peaks": [{"x": 1, "y": null}, 7]}'))
    assert marks == ()
    assert "peaks.0" in notes[0]
    assert "'x' and 'y' must be numbers" in notes[0]
    assert "peaks.1" in notes[1]


def test_the_marks_must_be_a_list() -> None:
    with pytest.raises(PlotError, match="no list at 'peaks'"):
        read_marks(MARKS, {"peaks": {"x": 1}})
