"""Reading levels and marks from the JSON files of an answer."""

from collections.abc import Mapping

import msgspec

from .fault import PlotError
from .label import clean, fill, finite_number
from .limits import JSON_BYTES_MAX, NUMBER_MAX
from .spec import LevelSpec, MarksSpec


class Level(msgspec.Struct, frozen=True):
    """A horizontal line."""

    y: float
    label: str


class Mark(msgspec.Struct, frozen=True):
    """A marked point."""

    x: float
    y: float
    label: str


def read_json(name: str, data: bytes) -> object:
    """The document of a JSON file; raises :class:`PlotError`."""
    if len(data) > JSON_BYTES_MAX:
        raise PlotError(f"{name} has {len(data):,} bytes; a plot reads at most {JSON_BYTES_MAX:,}")
    try:
        document: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlotError(f"{name} is not JSON: {error}") from error
    except RecursionError:
        raise PlotError(f"{name} is nested too deeply") from None
    return document


def follow(name: str, document: object, path: str) -> object:
    """What stands at the dotted ``path``; a number picks from a list. Raises :class:`PlotError`."""
    here = document
    for step in path.split("."):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isascii() and step.isdigit() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise PlotError(f"{name} has nothing at {path!r} (no {step!r})")
    return here


def read_level(spec: LevelSpec, document: object) -> Level:
    """The level's number; raises :class:`PlotError`."""
    number = _coordinate(follow(spec.file, document, spec.at))
    if number is None:
        raise PlotError(f"{spec.file} has no number at {spec.at!r}")
    return Level(number, clean(spec.label))


def read_marks(spec: MarksSpec, document: object) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    """The marks, and what is wrong with those left out; raises :class:`PlotError`."""
    entries = follow(spec.file, document, spec.list)
    if not isinstance(entries, list):
        raise PlotError(f"{spec.file} has no list at {spec.list!r}")
    marks: list[Mark] = []
    notes: list[str] = []
    for number, entry in enumerate(entries[: spec.most]):
        try:
            marks.append(_mark(spec, entry))
        except PlotError as error:
            notes.append(f"{spec.file}, {spec.list}.{number}: not marked, {error}")
    return tuple(marks), tuple(notes)


def _mark(spec: MarksSpec, entry: object) -> Mark:
    if not isinstance(entry, Mapping):
        raise PlotError("it is no object with members")
    x, y = _coordinate(entry.get(spec.x)), _coordinate(entry.get(spec.y))
    if x is None or y is None:
        raise PlotError(f"{spec.x!r} and {spec.y!r} must be numbers")
    return Mark(x, y, fill(spec.label, entry))


def _coordinate(value: object) -> float | None:
    number = finite_number(value)
    return number if number is not None and abs(number) <= NUMBER_MAX else None
