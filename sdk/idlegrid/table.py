"""From a table to work units: one row, one unit, by the templates of ``[split]``."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from idlegrid_shared.documents import TaskInput
from idlegrid_shared.sandbox.job import ARGUMENT_BYTES_MAX

from .app import App
from .fault import TableError
from .row import Row, read_rows
from .template import Template, TemplateError

#: What a project takes unless its admin says otherwise; the server checks its own number.
UNITS_MAX = 5_000_000
UNIT_LINE_BYTES_MAX = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


class PlannedUnit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One work unit as it is sent: its arguments, and the files that it alone reads.

    ``known`` is the SHA-256 of the manifest of its answer, of a unit that is planted among the
    others to check the computers; its output is no part of the answer.
    """

    args: tuple[str, ...]
    inputs: tuple[TaskInput, ...] = ()
    known: str = ""


class FileIndex:
    """Local files by hash; each is read only once however many units name it."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[str, int]] = {}
        self.by_hash: dict[str, Path] = {}

    def add(self, name: str, path: Path) -> TaskInput:
        """The input that ``path`` is, seen as /in/``name``; raises ``OSError``."""
        if path not in self._known:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                self._known[path] = digest, file.tell()
            self.by_hash[digest] = path
        digest, size = self._known[path]
        return TaskInput(name, digest, size)


class UnitTable:
    """The units of one batch, read from the table anew each time that they are walked through."""

    def __init__(self, app: App, table: Path | None = None) -> None:
        path = table or app.split.table
        if path is None:
            raise TableError(
                f"{app.name} names no table in [split]; give one, with one row for each unit"
            )
        self.path = path
        self.files = FileIndex()
        try:
            self._args = [Template(text) for text in app.split.args]
            self._known = Template(app.split.known) if app.split.known else None
            self._files = {name: Template(text) for name, text in app.split.files.items()}
        except TemplateError as error:
            raise TableError(f"{app.folder / 'app.toml'}: [split] {error}") from error

    def units(self) -> Iterator[PlannedUnit]:
        """Each unit in order; raises :class:`TableError` for the first row that is wrong."""
        count = 0
        for row in read_rows(self.path):
            if count >= UNITS_MAX:
                raise TableError(f"{self.path}: more than {UNITS_MAX} rows; split the batch")
            yield self._unit(row)
            count += 1
        if count == 0:
            raise TableError(f"{self.path}: no rows, so there is nothing to compute")

    def _unit(self, row: Row) -> PlannedUnit:
        line, values = row
        args = tuple(self._fill(template, line, values) for template in self._args)
        self._check_args(line, args)
        inputs = tuple(
            self._input(name, self._fill(template, line, values), line)
            for name, template in self._files.items()
        )
        known = self._fill(self._known, line, values).strip() if self._known else ""
        if known and not _SHA256.fullmatch(known):
            raise TableError(
                f"{self.path}, line {line}: {known!r} is no SHA-256 of a manifest (64 hex digits); "
                "leave it empty where the answer is not known"
            )
        return PlannedUnit(args, inputs, known)

    def _fill(self, template: Template, line: int, values: Mapping[str, str]) -> str:
        try:
            return template.fill(values)
        except KeyError as error:
            known = ", ".join(values) or "none"
            raise TableError(
                f"{self.path}, line {line}: there is no column {error.args[0]!r}, which "
                f"[split] names in {template.text!r}; there are: {known}"
            ) from error

    def _check_args(self, line: int, args: tuple[str, ...]) -> None:
        size = sum(len(arg.encode()) + 1 for arg in args)
        if size > ARGUMENT_BYTES_MAX:
            raise TableError(
                f"{self.path}, line {line}: arguments of {size} bytes, more than "
                f"{ARGUMENT_BYTES_MAX}; hand over large values as files"
            )
        if any("\0" in arg for arg in args):
            raise TableError(f"{self.path}, line {line}: an argument holds a zero character")

    def _input(self, name: str, text: str, line: int) -> TaskInput:
        path = (self.path.parent / text).absolute()
        try:
            return self.files.add(name, path)
        except (OSError, ValueError) as error:
            raise TableError(
                f"{self.path}, line {line}: cannot read the file {text!r} for /in/{name} "
                f"(looked for {path})"
            ) from error


def unit_line(unit: PlannedUnit) -> bytes:
    """One line of the units file that is sent to a server."""
    return msgspec.json.encode(unit) + b"\n"


def write_units(table: UnitTable, target: Path) -> int:
    """Write all units to ``target`` and return how many; raises :class:`TableError`."""
    count = 0
    with target.open("wb") as file:
        for unit in table.units():
            line = unit_line(unit)
            if len(line) > UNIT_LINE_BYTES_MAX:
                raise TableError(
                    f"{table.path}: unit {count} takes {len(line)} bytes, more than "
                    f"{UNIT_LINE_BYTES_MAX}"
                )
            file.write(line)
            count += 1
    return count
