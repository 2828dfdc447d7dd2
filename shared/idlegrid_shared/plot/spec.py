"""The declared plot: the ``[plot]`` section of an app, checked."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from idlegrid_shared.manifest import check_name

from .fault import PlotError
from .label import check_template
from .limits import (
    LEVELS_MAX,
    LINES_MAX,
    MARKS_MAX,
    NAME_CHARS_MAX,
    PATH_STEPS_MAX,
    TEXT_CHARS_MAX,
)

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
ScaleKind = Literal["linear", "log"]
Style = Literal["solid", "dashed", "dotted"]

#: How lines look that do not say it: the first is the one that matters.
STYLES: tuple[Style, ...] = ("solid", "dashed", "dotted")


class LineSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: a column of the table over the column of x."""

    y: Name
    label: Text = ""
    style: Style | None = None


class LevelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A horizontal line at the number that stands at the dotted path ``at`` of a JSON file."""

    file: Name
    at: Name
    label: Text = ""

    def __post_init__(self) -> None:
        check_name(self.file)
        _check_path(self.at)


class MarksSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Marks at the first ``most`` entries of the list at the dotted path ``list`` of a JSON file.

    ``x`` and ``y`` name the entry's numbers; ``label`` may show its members: ``{name:.1f}``.
    """

    file: Name
    list: Name
    x: Name
    y: Name
    label: Text = ""
    most: Annotated[int, Meta(ge=1, le=MARKS_MAX)] = 3

    def __post_init__(self) -> None:
        check_name(self.file)
        _check_path(self.list)
        check_template(self.label)


class PlotSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One plot: a CSV ``file`` with a header, its column ``x``, and one to three lines over it."""

    file: Name
    x: Name
    lines: Annotated[tuple[LineSpec, ...], Meta(min_length=1, max_length=LINES_MAX)]
    title: Text = ""
    x_label: Text = ""
    x_scale: ScaleKind = "linear"
    y_label: Text = ""
    y_scale: ScaleKind = "linear"
    levels: Annotated[tuple[LevelSpec, ...], Meta(max_length=LEVELS_MAX)] = ()
    marks: MarksSpec | None = None

    def __post_init__(self) -> None:
        check_name(self.file)


def parse_plot(data: object) -> PlotSpec:
    """The plot of plain data, as TOML or JSON gives it; raises :class:`PlotError`."""
    try:
        return msgspec.convert(data, PlotSpec)
    except msgspec.ValidationError as error:
        raise PlotError(f"the plot is not declared well: {error}") from error


def plot_files(spec: PlotSpec) -> tuple[str, ...]:
    """The names of the answer's files that the plot reads, each once."""
    names = [spec.file, *(level.file for level in spec.levels)]
    if spec.marks is not None:
        names.append(spec.marks.file)
    return tuple(dict.fromkeys(names))


def _check_path(path: str) -> None:
    steps = path.split(".")
    if not all(steps) or len(steps) > PATH_STEPS_MAX:
        raise ValueError(
            f'{path[:40]!r} must be 1 to {PATH_STEPS_MAX} names joined by dots, like "a.b.c"'
        )
