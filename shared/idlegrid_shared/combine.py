"""What a combine step sees: one mapping from guest names to host files, for grid and run-local.

A combine program finds ``/in/units.jsonl`` (one line per unit of the stage before it, in order of
index), ``/in/units/NNNNNN/NAME`` for each output of each unit that was assimilated, and the step's
shared inputs at ``/in/NAME``. Server and SDK build it here, so that they agree byte for byte.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from .manifest import NAME_BYTES_MAX, ManifestEntry, ManifestError, check_name
from .sandbox.job import INPUT_FILES_MAX

UNITS_NAME = "units.jsonl"
UNITS_FOLDER = "units"
INDEX_DIGITS = 6

#: Only an assimilated unit has outputs; the others are listed, so that the program can skip them.
RowState = Literal["assimilated", "failed", "cancelled"]


class CombineError(ValueError):
    """Units or files that cannot be handed to a combine step; the message says which and why."""


class UnitRow(msgspec.Struct, frozen=True):
    """One unit of the stage that is combined, as a line of ``units.jsonl`` tells it."""

    index: int
    args: tuple[str, ...]
    state: RowState


def unit_folder(index: int) -> str:
    """The folder of a unit's outputs, such as ``units/000042``; longer from a million on."""
    if index < 0:
        raise CombineError(f"a unit's index is never negative, as {index} is")
    return f"{UNITS_FOLDER}/{index:0{INDEX_DIGITS}d}"


def output_name(index: int, name: str) -> str:
    """The name of one output of a unit, in a combine step and in an answer without one.

    Raises :class:`CombineError` for a name that breaks the rules of manifests.
    """
    whole = f"{unit_folder(index)}/{name}"
    try:
        check_name(name)
        check_name(whole)
    except ManifestError as error:
        raise CombineError(
            f"unit {index}: its output {name[:60]!r} cannot be combined "
            f"(with its folder a name may have {NAME_BYTES_MAX} bytes): {error}"
        ) from error
    return whole


def row_line(row: UnitRow) -> bytes:
    """One line of ``units.jsonl``: JSON without spaces, fields in a fixed order."""
    return msgspec.json.encode(row) + b"\n"


def ordered_rows(units: Iterable[UnitRow]) -> Iterator[UnitRow]:
    """Pass on ``units``, insisting that their indexes grow; raises :class:`CombineError`."""
    last = -1
    for unit in units:
        if unit.index <= last:
            raise CombineError(f"unit {unit.index} comes after unit {last}: sort them by index")
        last = unit.index
        yield unit


def combine_inputs(
    units: Iterable[UnitRow],
    outputs: Callable[[UnitRow], Mapping[str, Path]],
    shared_inputs: Mapping[str, Path],
    folder: Path,
) -> dict[str, Path]:
    """Write ``units.jsonl`` into ``folder`` and return the input mapping: guest name → host file.

    ``units`` come in order of index; ``outputs`` gives an assimilated unit's files by name and is
    not asked for the others. The mapping is sorted by guest name. Raises :class:`CombineError` for
    units out of order, a name that is taken twice or breaks the rules, or more than
    ``INPUT_FILES_MAX`` files, and ``OSError`` when the disk refuses.
    """
    mapping: dict[str, Path] = {UNITS_NAME: folder / UNITS_NAME}
    for name, path in shared_inputs.items():
        _check_shared(name)
        mapping[name] = path
    folder.mkdir(parents=True, exist_ok=True)
    with mapping[UNITS_NAME].open("wb") as file:
        for unit in ordered_rows(units):
            file.write(row_line(unit))
            if unit.state != "assimilated":
                continue
            for name, path in outputs(unit).items():
                mapping[output_name(unit.index, name)] = path
            if len(mapping) > INPUT_FILES_MAX:
                raise CombineError(
                    f"up to unit {unit.index} there are {len(mapping)} files to combine, more than "
                    f"{INPUT_FILES_MAX}: let each unit do more work, or write fewer files"
                )
    return dict(sorted(mapping.items()))


def answer_entries(
    units: Iterable[tuple[int, Iterable[ManifestEntry]]],
) -> Iterator[ManifestEntry]:
    """The entries of an answer without a combine step: every unit's outputs under its folder."""
    for index, manifest in units:
        for entry in manifest:
            yield ManifestEntry(output_name(index, entry.name), entry.sha256, entry.bytes)


def _check_shared(name: str) -> None:
    try:
        check_name(name)
    except ManifestError as error:
        raise CombineError(f"a shared input of the combine step: {error}") from error
    first = name.partition("/")[0]
    if first in (UNITS_NAME, UNITS_FOLDER):
        raise CombineError(
            f"a shared input of the combine step is called {name!r}, but {first!r} is where the "
            "units stand: give it another name"
        )
