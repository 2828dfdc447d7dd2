"""What a declared plot may say, and how mistakes are told."""

import copy
import tomllib
from pathlib import Path

import pytest

from idlegrid_shared.plot import PlotError, PlotSpec, parse_plot, plot_files

EXAMPLE = Path(__file__).parents[2] / "examples/sunspots/app.toml"
LEAST = {"file": "a.csv", "x": "t", "lines": [{"y": "v"}]}


def test_the_plot_of_the_example_is_well_declared() -> None:
    spec = parse_plot(tomllib.loads(EXAMPLE.read_text("utf-8"))["plot"])
    assert plot_files(spec) == ("periodogram.csv", "answer.json")
    assert (spec.x_scale, spec.y_scale) == ("log", "linear")


def test_a_file_a_column_and_a_line_are_enough() -> None:
    spec = parse_plot(LEAST)
    assert isinstance(spec, PlotSpec)
    assert plot_files(spec) == ("a.csv",)
    assert spec.marks is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": "red"}, "colour"),
        ({"file": "../secret.csv"}, "relative"),
        ({"file": "/etc/passwd"}, "relative"),
        ({"file": ""}, "length"),
        ({"title": "x" * 121}, "120"),
        ({"x_scale": "sqrt"}, "sqrt"),
        ({"lines": []}, "length"),
        ({"lines": [{"y": "v"}] * 4}, "3"),
        ({"lines": [{"y": "v", "style": "wavy"}]}, "wavy"),
        ({"lines": [{"label": "v"}]}, "`y`"),
        ({"levels": [{"file": "a.json", "at": "a"}] * 5}, "4"),
        ({"levels": [{"file": "a.json", "at": "a..b"}]}, "dots"),
        ({"levels": [{"file": "a.json", "at": ".".join("a" * 17)}]}, "16"),
        ({"levels": [{"file": "..", "at": "a"}]}, "relative"),
        ({"marks": {"file": "a.json", "list": "p", "x": "x", "y": "y", "most": 13}}, "12"),
        ({"marks": {"file": "a.json", "list": "p", "x": "x", "y": "y", "most": 0}}, "1"),
        ({"marks": {"file": "a.json", "list": "p", "x": "x", "y": "y", "label": "{"}}, "brace"),
        ({"marks": {"file": "a.json", "list": "p", "x": "x"}}, "`y`"),
    ],
)
def test_a_mistake_is_told_by_its_name(change, told) -> None:
    with pytest.raises(PlotError, match="not declared well") as caught:
        parse_plot(LEAST | copy.deepcopy(change))
    assert told in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "plot", 7, {}])
def test_what_is_no_plot_at_all_is_refused(data) -> None:
    with pytest.raises(PlotError):
        parse_plot(data)
