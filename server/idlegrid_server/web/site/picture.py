"""Pictures made of small square cells: the map of a batch's units, the night map of the project."""

import hashlib
from collections.abc import Sequence

import msgspec

from .progress import Shown

CELL, STEP, EDGE = 8, 14, 3
COLUMNS_WIDE, COLUMNS_NARROW = 48, 24
NIGHT_COLUMNS, NIGHT_ROWS = 20, 15
NIGHT_CELLS = NIGHT_COLUMNS * NIGHT_ROWS
NIGHT_STEP = 24


class Cells(msgspec.Struct, frozen=True):
    """All cells of one state, as one path."""

    state: Shown
    colour: str
    path: str


class UnitMap(msgspec.Struct, frozen=True):
    """The map: its size and its cells by state."""

    width: int
    height: int
    cells: tuple[Cells, ...]


_COLOURS: dict[Shown, str] = {
    "valid": "p-valid",
    "check": "f-info",
    "out": "p-out",
    "late": "f-late",
    "odd": "f-odd",
    "fail": "f-bad",
    "stop": "f-off",
    "wait": "p-wait",
}


def _shape(state: Shown, x: int, y: int) -> str:
    """A cell's outline: every state has its own, so that colour is never alone."""
    if state == "check":
        return f"M{x} {y}h{CELL}L{x} {y + CELL}z"
    if state == "late":
        return f"M{x} {y}h8v3h-8zM{x} {y + 5}h8v3h-8z"
    if state == "odd":
        return f"M{x + 4} {y - 1}l5 5l-5 5l-5 -5z"
    if state == "fail":
        return f"M{x} {y + 2}l2 -2l2 2l2 -2l2 2l-2 2l2 2l-2 2l-2 -2l-2 2l-2 -2l2 -2z"
    if state == "stop":
        return f"M{x} {y + 3}h8v2h-8z"
    if state in ("out", "wait"):
        return f"M{x}.5 {y}.5h7v7h-7z"
    return f"M{x} {y}h8v8h-8z"


def unit_map(states: Sequence[Shown], columns: int) -> UnitMap:
    """One cell for each unit, in order, left to right."""
    paths: dict[Shown, list[str]] = {}
    for index, state in enumerate(states):
        row, column = divmod(index, columns)
        paths.setdefault(state, []).append(_shape(state, EDGE + column * STEP, EDGE + row * STEP))
    rows = -(-len(states) // columns)
    return UnitMap(
        width=columns * STEP,
        height=rows * STEP,
        cells=tuple(
            Cells(state, _COLOURS[state], "".join(parts)) for state, parts in paths.items()
        ),
    )


class NightCell(msgspec.Struct, frozen=True):
    """A cell of the night map."""

    x: int
    y: int
    lit: bool
    live: bool


def night_map(lit: int) -> list[NightCell]:
    """A night of cells of which ``lit`` are alight: one for each task under way now.

    Which ones is scattered, but the same at every look, so that a change is seen as one.
    """
    order = sorted(range(NIGHT_CELLS), key=lambda n: hashlib.blake2b(n.to_bytes(2, "big")).digest())
    alight = set(order[: min(lit, NIGHT_CELLS)])
    cells = []
    for number in range(NIGHT_CELLS):
        row, column = divmod(number, NIGHT_COLUMNS)
        cells.append(
            NightCell(
                x=3 + column * NIGHT_STEP,
                y=3 + row * NIGHT_STEP,
                lit=number in alight,
                live=number in alight and order.index(number) % 4 == 0,
            )
        )
    return cells
