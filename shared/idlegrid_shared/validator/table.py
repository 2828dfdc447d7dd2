"""CSV outputs: rules by column."""

import csv
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import BinaryIO

from .fault import UnreadableError
from .limits import BEAT_EVERY, LINE_BYTES_MAX, short, text_lines
from .number import Column, Number, near, read_number
from .rule import FieldRule, FileRule, Validator

COLUMNS_MAX = 10_000


class _Lines:
    """The lines of a table that its rule looks at, and how many characters no row has come of."""

    def __init__(self, rule: FileRule, stream: BinaryIO) -> None:
        self._skip = rule.skip
        self._lines = text_lines(stream)
        self.pending = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if line.startswith(self._skip):
                continue
            # One cell may go over many lines, but a row that never ends is no table.
            self.pending += len(line) + 1
            if self.pending > LINE_BYTES_MAX:
                raise UnreadableError(f"one row has more than {LINE_BYTES_MAX} characters")
            yield line


def _rows(rule: FileRule, stream: BinaryIO) -> Iterator[list[str]]:
    lines = _Lines(rule, stream)
    reader = csv.reader(iter(lines), delimiter=rule.delimiter, strict=True)
    try:
        for row in reader:
            lines.pending = 0
            if len(row) > COLUMNS_MAX:
                raise UnreadableError(f"a row has more than {COLUMNS_MAX} cells")
            if row:
                yield row
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num} is no CSV: {error}") from error


class _Table:
    """The columns' names, and the rows below them."""

    def __init__(self, rule: FileRule, stream: BinaryIO) -> None:
        self.rows = _rows(rule, stream)
        self.names: list[str] = []
        self._first: list[str] | None = None
        first = next(self.rows, None)
        if first is None:
            return
        if rule.header:
            self.names = [name.strip() for name in first]
            if len(set(self.names)) != len(self.names):
                raise UnreadableError("two columns have the same name")
        else:
            self.names = [str(i + 1) for i in range(len(first))]
            self._first = first

    def __iter__(self) -> Iterator[list[str]]:
        if self._first is not None:
            yield self._first
        yield from self.rows


def check_table(
    validator: Validator, rule: FileRule, stream: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first breach of a check, in words, or nothing; raises :class:`UnreadableError`."""
    table = _Table(rule, stream)
    if rule.columns and tuple(table.names) != rule.columns:
        return f"its columns are {short(table.names)}, not {short(list(rule.columns))}"
    for name, own in rule.fields.items():
        if own.must_stand and name != "*" and name not in table.names:
            return f"the column {name!r} is missing"
    fields = [rule.field(name) for name in table.names]
    columns = [Column(own, name) for own, name in zip(fields, table.names, strict=True)]
    looked_at = [
        (i, own, column)
        for i, (own, column) in enumerate(zip(fields, columns, strict=True))
        if own.looks_at_numbers or own.type
    ]
    count = 0
    for row in table:
        count += 1
        if count % BEAT_EVERY == 0:
            beat()
        if len(row) != len(table.names):
            return f"row {count} has {len(row)} cells, and there are {len(table.names)} columns"
        for i, own, column in looked_at:
            _look(own, column, row[i].strip(), count)
            if column.breach:
                return column.breach
    for column in columns:
        if column.end():
            return column.breach
    return count_breach(rule, count)


def count_breach(rule: FileRule, count: int) -> str:
    """Whether a file has as many rows as its rule says, in words."""
    if rule.rows is not None and count != rule.rows:
        return f"it has {count} rows, not {rule.rows}"
    if rule.min_rows is not None and count < rule.min_rows:
        return f"it has {count} rows, less than {rule.min_rows}"
    if rule.max_rows is not None and count > rule.max_rows:
        return f"it has {count} rows, more than {rule.max_rows}"
    return ""


def _look(rule: FieldRule, column: Column, cell: str, row: int) -> None:
    number = read_number(cell)
    if rule.type == "text" and number is not None:
        column.refuse(f"row {row} holds the number {short(cell)}, not text")
    if rule.type == "boolean" and cell.lower() not in ("true", "false", "0", "1"):
        column.refuse(f"row {row} holds {short(cell)}, neither true nor false")
    if rule.type == "integer" and not isinstance(number, int):
        column.refuse(f"row {row} holds {short(cell)}, no whole number")
    if rule.type == "number" or rule.looks_at_numbers:
        if number is None:
            column.refuse(f"row {row} holds {short(cell)}, no number")
        elif rule.looks_at_numbers:
            column.take(number, f"row {row}")


def compare_tables(
    validator: Validator, rule: FileRule, a: BinaryIO, b: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first difference, in words, or nothing; raises :class:`UnreadableError`."""
    one, other = _Table(rule, a), _Table(rule, b)
    if one.names != other.names:
        return f"columns {short(one.names)} and {short(other.names)}"
    fields = [rule.field(name) for name in one.names]
    rules = [(own.compare, *validator.tolerance(rule, own)) for own in fields]
    for count, (x, y) in enumerate(zip_longest(one, other), 1):
        if count % BEAT_EVERY == 0:
            beat()
        if x is None or y is None:
            return f"only one of them has row {count}"
        if x == y:
            continue
        if len(x) != len(y):
            return f"row {count} has {len(x)} cells and {len(y)}"
        for i, (p, q) in enumerate(zip(x, y, strict=True)):
            compare, rel, abs_ = rules[i] if i < len(rules) else ("exact", 0.0, 0.0)
            if p != q and compare != "ignore" and not _same(p, q, compare, rel, abs_):
                name = one.names[i] if i < len(one.names) else str(i + 1)
                return f"row {count}, {name}: {short(p)} and {short(q)}"
    return ""


def _same(p: str, q: str, compare: str, rel: float, abs_: float) -> bool:
    """Whether two cells agree. Exact cells agree as numbers too: 1.0 is 1.00."""
    x: Number | None = read_number(p.strip())
    y: Number | None = read_number(q.strip())
    if x is None or y is None:
        return p.strip() == q.strip()
    return near(x, y, 0.0, 0.0) if compare == "exact" else near(x, y, rel, abs_)
