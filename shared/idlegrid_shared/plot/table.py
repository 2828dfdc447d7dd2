"""Reading columns of numbers from a CSV file of an answer."""

import csv
import io
import math
from array import array
from collections.abc import Sequence

from .fault import PlotError
from .limits import COLUMNS_MAX, LINE_CHARS_MAX, NUMBER_MAX, ROWS_MAX, TABLE_BYTES_MAX

#: Words for "no value here", in lower case. Infinite and enormous numbers count as gaps too.
GAP_WORDS = frozenset({"", "na", "n/a", "null", "none", "-", "off"})


def read_columns(name: str, data: bytes, columns: Sequence[str]) -> "list[array[float]]":
    """The named columns of a CSV file (UTF-8, commas, a header); a gap is NaN.

    Raises :class:`PlotError` for a missing column, a cell that is neither number nor gap, and a
    file beyond the limits.
    """
    if len(data) > TABLE_BYTES_MAX:
        raise PlotError(f"{name} has {len(data):,} bytes; a plot reads at most {TABLE_BYTES_MAX:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlotError(f"{name} is not UTF-8 text (byte {error.start})") from error
    rows = csv.reader(_Lines(name, text))
    try:
        header = next(rows, None)
        if header is None:
            raise PlotError(f"{name} is empty; a plot needs a header and rows")
        places = [_place(name, header, column) for column in columns]
        found = [array("d") for _ in columns]
        for row in rows:
            if not row:
                continue
            if len(found[0]) == ROWS_MAX:
                raise PlotError(f"{name} has more than {ROWS_MAX:,} rows; write fewer to plot them")
            for values, place in zip(found, places, strict=True):
                values.append(_number(name, rows.line_num, row, place))
    except csv.Error as error:
        raise PlotError(f"{name}, line {rows.line_num}: {error}") from error
    return found


class _Lines:
    """The lines of a text, none too long."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = io.StringIO(text, newline="")

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._lines.readline(LINE_CHARS_MAX + 1)
        if not line:
            raise StopIteration
        if len(line) > LINE_CHARS_MAX:
            raise PlotError(f"{self._name} has a line of more than {LINE_CHARS_MAX:,} characters")
        return line


def _place(name: str, header: list[str], column: str) -> int:
    names = [cell.strip() for cell in header]
    if len(names) > COLUMNS_MAX:
        raise PlotError(f"{name} has {len(names):,} columns; a plot reads at most {COLUMNS_MAX:,}")
    if column not in names:
        some = ", ".join(repr(cell[:40]) for cell in names[:10])
        raise PlotError(f"{name} has no column {column!r}; it has: {some}")
    return names.index(column)


def _number(name: str, line: int, row: list[str], place: int) -> float:
    cell = row[place].strip() if place < len(row) else ""
    if cell.lower() in GAP_WORDS:
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        raise PlotError(f"{name}, line {line}: {cell[:40]!r} is not a number") from None
    return number if abs(number) <= NUMBER_MAX else math.nan
