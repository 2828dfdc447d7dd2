"""The table of a batch's work units: JSON lines, checked one by one, with line and column.

A line is ``{"args": ["…", …], "inputs": [{"name", "sha256", "bytes"}, …]}``; both may be left out.
A line with ``"known": "<SHA-256 of a manifest>"`` is planted: see domain/ringer.py.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from idlegrid_shared.manifest import ManifestError, check_name, check_sha256
from idlegrid_shared.sandbox.job import ARGUMENT_BYTES_MAX

LINE_BYTES_MAX = 1024 * 1024
UNIT_INPUTS_MAX = 1_000
_BYTE = re.compile(r"\(byte (\d+)\)")
_FIELD = re.compile(r"at `\$\.(\w+)")


class TableError(ValueError):
    """A table that no batch can be made of; the message says where and why."""


class UnitInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of one unit alone, which its program sees at /in/``name``."""

    name: str
    sha256: str
    bytes: int


class UnitLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One work unit: what its program gets besides its name and the stage's shared inputs."""

    args: tuple[str, ...] = ()
    inputs: tuple[UnitInput, ...] = ()
    known: str = ""  # a planted unit: SHA-256 of the manifest of its right answer


def read_units(table: BinaryIO, skip: int = 0) -> Iterator[UnitLine]:
    """The units of ``table`` after the first ``skip`` ones; raises :class:`TableError`.

    An empty line is a fault: most often it is what a program wrote that had no data.
    """
    decoder = msgspec.json.Decoder(UnitLine)
    number = 0
    while line := table.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise TableError(f"line {number} has more than {LINE_BYTES_MAX} bytes")
        if number > skip:
            yield _unit(decoder, line.rstrip(b"\r\n"), number)


def _unit(decoder: "msgspec.json.Decoder[UnitLine]", line: bytes, number: int) -> UnitLine:
    try:
        unit = decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TableError(
            f"line {number}, column {_column(line, str(error))}: {_reason(line, str(error))}"
        ) from error
    if unit.inputs or unit.known or len(line) > ARGUMENT_BYTES_MAX or b"\\u0000" in line:
        fault = _fault(unit)
        if fault:
            raise TableError(f"line {number}, column {_field_column(line, fault[0])}: {fault[1]}")
    return unit


def _fault(unit: UnitLine) -> tuple[str, str] | None:
    """The field and the sentence of what is wrong beyond the types."""
    if sum(len(arg.encode("utf-8", "surrogatepass")) + 1 for arg in unit.args) > ARGUMENT_BYTES_MAX:
        return "args", f"the arguments have more than {ARGUMENT_BYTES_MAX} bytes"
    if any("\0" in arg for arg in unit.args):
        return "args", "an argument contains a zero character"
    if len(unit.inputs) > UNIT_INPUTS_MAX:
        return "inputs", f"{len(unit.inputs)} inputs are more than {UNIT_INPUTS_MAX}"
    if unit.known:
        try:
            check_sha256(unit.known)
        except ManifestError as error:
            return "known", str(error)
    names = set()
    for file in unit.inputs:
        try:
            check_name(file.name)
            check_sha256(file.sha256)
        except ManifestError as error:
            return "inputs", str(error)
        if file.bytes < 0:
            return "inputs", f"{file.name!r} has a negative size"
        if file.name in names:
            return "inputs", f"the input {file.name!r} stands twice"
        names.add(file.name)
    return None


def _reason(line: bytes, error: str) -> str:
    if not line.strip():
        return "the line is empty"
    return _BYTE.sub("", error).replace(" - at `$.", " at `").replace(" - at `$`", "").strip()


def _column(line: bytes, error: str) -> int:
    if found := _BYTE.search(error):
        return int(found[1]) + 1
    if found := _FIELD.search(error):
        return _field_column(line, found[1])
    return 1


def _field_column(line: bytes, field: str) -> int:
    return max(0, line.find(f'"{field}"'.encode())) + 1
