"""Rows of a table: CSV with a header, or one JSON object a line. Every error names its line."""

import csv
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

import msgspec

from .fault import TableError

LINE_BYTES_MAX = 1024 * 1024
COLUMNS_MAX = 1_000
JSON_SUFFIXES = (".jsonl", ".ndjson")

# (line number in the file, values by column)
Row = tuple[int, Mapping[str, str]]

_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of ``path``, by its suffix; empty lines are passed over.

    Raises :class:`TableError`.
    """
    if path.suffix.lower() not in (".csv", *JSON_SUFFIXES):
        raise TableError(f"{path}: a table is a .csv file with a header, or a .jsonl file")
    try:
        with path.open("rb") as file:
            yield from (_csv_rows if path.suffix.lower() == ".csv" else _json_rows)(path, file)
    except OSError as error:
        raise TableError(f"cannot read the table {path}: {error.strerror}") from error


def _csv_rows(path: Path, file: BinaryIO) -> Iterator[Row]:
    # utf-8-sig: spreadsheets like to write a mark of byte order before the first column's name.
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = _header(path, reader.line_num, cells)
            elif len(cells) != len(header):
                raise TableError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, but the header has "
                    f"{len(header)}" + (_first_missing(header, cells))
                )
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: not valid CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}, after line {reader.line_num}: not UTF-8 text: {error.reason}"
        ) from error
    finally:
        text.detach()


def _first_missing(header: list[str], cells: list[str]) -> str:
    if len(cells) < len(header):
        return f"; column {len(cells) + 1}, {header[len(cells)]!r}, is missing"
    return f"; there is nothing to call column {len(header) + 1}, {cells[len(header)][:40]!r}"


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) > COLUMNS_MAX:
        raise TableError(f"{path}: {len(names)} columns are more than {COLUMNS_MAX}")
    for number, name in enumerate(names, start=1):
        if not name:
            raise TableError(f"{path}, line {line}: column {number} of the header has no name")
        if name in names[: number - 1]:
            raise TableError(f"{path}, line {line}: the header names column {name!r} twice")
    return names


def _json_rows(path: Path, file: BinaryIO) -> Iterator[Row]:
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise TableError(f"{path}, line {number}: longer than {LINE_BYTES_MAX} bytes")
        if not line.strip():
            continue
        try:
            values = _ROW.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TableError(
                f'{path}, line {number}: must be a JSON object such as {{"a": 1}}: {error}'
            ) from error
        yield number, {name: _value(path, number, name, raw) for name, raw in values.items()}


def _value(path: Path, line: int, column: str, raw: msgspec.Raw) -> str:
    """Text as it is; numbers exactly as they were written, so that none is rounded."""
    data = bytes(raw)
    if data.startswith(b'"'):
        try:
            return msgspec.json.decode(data, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TableError(f"{path}, line {line}, column {column!r}: {error}") from error
    if data[:1] in (b"{", b"[", b"n"):
        raise TableError(
            f"{path}, line {line}, column {column!r}: must be text, a number, true or false, "
            f"not {data[:40].decode('utf-8', 'replace')}"
        )
    return data.decode("ascii")
