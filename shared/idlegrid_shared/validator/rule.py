"""A validator as a value: what stands in ``[programs.NAME.validator]`` and in a signed release."""

import fnmatch
import hashlib
import math
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from idlegrid_shared.manifest import ManifestError, check_name

from .fault import RuleError

#: How a file is read; "" = by the ending of its name, "bytes" where that tells nothing.
Format = Literal["", "bytes", "json", "csv", "npy", "npz", "text"]
#: near: numbers within the tolerance, all else equal. exact: equal. ignore: not looked at.
Compare = Literal["near", "exact", "ignore"]
Kind = Literal["", "number", "integer", "text", "boolean", "list", "object"]
Order = Literal["", "rising", "not_falling", "falling", "not_rising"]

FILES_MAX = 100
FIELDS_MAX = 200
SKIPS_MAX = 20
TEXT_CHARS_MAX = 255
#: Part of each validator's hash: raised when the same rule comes to mean something else.
MEANING = 1

BY_ENDING: dict[str, Format] = {
    ".json": "json",
    ".csv": "csv",
    ".npy": "npy",
    ".npz": "npz",
    ".txt": "text",
    ".dat": "text",
    ".out": "text",
}
_DTYPE = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")


class _Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A misspelt or newer key must never be overlooked: a rule would silently not hold."""


class FieldRule(_Rule, frozen=True):
    """One field of a JSON file, column of a CSV, array of an NPZ; ``*`` stands for any.

    ``rel`` and ``abs``: numbers x and y agree if |x - y| <= max(abs, rel * max(|x|, |y|)). NaN
    agrees with NaN, an infinity with itself. Everything else is a check on each output by itself.
    """

    compare: Compare = "near"
    rel: float | None = None  # None: the file's
    abs: float | None = None
    required: bool = False
    type: Kind = ""  # JSON and CSV
    dtype: str = ""  # NPY and NPZ: float64, int32, ...
    shape: tuple[int, ...] | None = None  # NPY and NPZ; -1 = any length
    min: float | None = None  # of every number; NaN lies in no range
    max: float | None = None
    finite: bool = False
    sum: float | None = None  # of all numbers, within sum_within
    sum_within: float = 0.0
    order: Order = ""

    @property
    def must_stand(self) -> bool:
        """Whether its absence breaks it: a sum of nothing is not what was asked for."""
        return self.required or self.sum is not None

    @property
    def looks_at_numbers(self) -> bool:
        """Whether some check needs every value to be a number."""
        bounds = (self.min, self.max, self.sum)
        return self.finite or bool(self.order) or any(bound is not None for bound in bounds)


class FileRule(_Rule, frozen=True):
    """One output file, or all whose names match a pattern such as ``*.csv``."""

    format: Format = ""
    compare: Compare = "near"
    rel: float | None = None  # None: the validator's
    abs: float | None = None
    optional: bool = False  # a file named without a pattern must be there otherwise
    fields: dict[str, FieldRule] = {}
    columns: tuple[str, ...] = ()  # CSV: exactly these, in this order
    header: bool = True  # CSV: the first line names the columns; else they are called 1, 2, ...
    delimiter: str = ","  # CSV
    rows: int | None = None  # CSV: lines below the header; text: lines
    min_rows: int | None = None
    max_rows: int | None = None
    skip: tuple[str, ...] = ()  # CSV and text: lines that begin so are not looked at

    def field(self, name: str) -> FieldRule:
        """The rule of a column or array."""
        return self.fields.get(name) or self.fields.get("*") or PLAIN


PLAIN = FieldRule()
#: What holds for files that no rule names.
UNNAMED = FileRule(compare="exact")


class Validator(_Rule, frozen=True):
    """When outputs agree. Files that no rule names must be equal, byte by byte.

    With ``program``, that program of the same release compares, and the rules only check each
    output by itself.
    """

    rel: float = 0.0
    abs: float = 0.0
    files: dict[str, FileRule] = {}
    program: str = ""

    def rule_for(self, name: str) -> FileRule:
        """The rule of one file: its own, or that of the first pattern that matches."""
        own = self.files.get(name)
        if own is not None:
            return own
        for pattern, rule in self.files.items():
            if fnmatch.fnmatchcase(name, pattern):
                return rule
        return UNNAMED

    def format_of(self, name: str) -> Format:
        """How a file is read."""
        rule = self.rule_for(name)
        if rule.compare != "near" and not rule.format:
            return "bytes"
        ending = name[name.rfind(".") :].lower() if "." in name else ""
        return rule.format or BY_ENDING.get(ending, "bytes")

    def tolerance(self, file: FileRule, field: FieldRule = PLAIN) -> tuple[float, float]:
        """(rel, abs) of a field."""
        rel = field.rel if field.rel is not None else file.rel
        abs_ = field.abs if field.abs is not None else file.abs
        return self.rel if rel is None else rel, self.abs if abs_ is None else abs_

    def digest(self, release: bytes = b"") -> bytes:
        """The hash by which what it found is kept: of the rule and, for a program, of its release.

        ``release`` is the hash of the signed body.
        """
        body = (MEANING, _said(self), release.hex() if self.program else "")
        return hashlib.sha256(msgspec.json.encode(body)).digest()

    def check(self) -> None:
        """Raise :class:`RuleError` naming the first fault."""
        for fault in self._faults():
            raise RuleError(fault)

    def _faults(self) -> Iterator[str]:
        yield from _tolerance_faults("validator", self.rel, self.abs)
        if len(self.files) > FILES_MAX:
            yield f"{len(self.files)} files are more than {FILES_MAX}"
        for name, rule in self.files.items():
            yield from _file_faults(name, rule, self.format_of(name))


def _said(rule: Any) -> Any:
    """What differs from the defaults, however it was written down."""
    if isinstance(rule, _Rule):
        fields = msgspec.structs.fields(rule)
        values = ((f.name, getattr(rule, f.name), f.default) for f in fields)
        return {name: _said(value) for name, value, default in values if value != default}
    if isinstance(rule, dict):
        return {name: _said(value) for name, value in rule.items()}
    return rule


def is_pattern(name: str) -> bool:
    """Whether a rule's name stands for several files."""
    return any(sign in name for sign in "*?[")


def parse_validator(data: bytes) -> Validator:
    """The validator that JSON tells; raises :class:`RuleError`."""
    try:
        validator = msgspec.json.decode(data, type=Validator)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RuleError(str(error).replace("`$.", "`").replace(" - at `$`", "")) from error
    validator.check()
    return validator


def _tolerance_faults(where: str, rel: float | None, abs_: float | None) -> Iterator[str]:
    if rel is not None and not 0 <= rel <= 1:
        yield f"{where}: rel = {rel} must lie between 0 and 1, for example 1e-9"
    if abs_ is not None and not (abs_ >= 0 and math.isfinite(abs_)):
        yield f"{where}: abs = {abs_} must be zero or more, for example 1e-12"


def _file_faults(name: str, rule: FileRule, kind: Format) -> Iterator[str]:
    where = f"files.{name!r}"
    try:
        check_name(name)
    except ManifestError as error:
        yield str(error)
    yield from _tolerance_faults(where, rule.rel, rule.abs)
    if len(rule.fields) > FIELDS_MAX or len(rule.columns) > FIELDS_MAX:
        yield f"{where}: more than {FIELDS_MAX} fields"
    if len(rule.skip) > SKIPS_MAX or "" in rule.skip:
        yield f"{where}: skip needs 1 to {SKIPS_MAX} beginnings of lines, none of them empty"
    if any(len(text) > TEXT_CHARS_MAX for text in (*rule.fields, *rule.columns, *rule.skip)):
        yield f"{where}: a name has more than {TEXT_CHARS_MAX} characters"
    if len(rule.delimiter) != 1 or rule.delimiter in '\r\n"\0' or ord(rule.delimiter) > 127:
        yield f"{where}: delimiter must be one ASCII character, as in delimiter = ';'"
    for key in ("rows", "min_rows", "max_rows"):
        value = getattr(rule, key)
        if value is not None and value < 0:
            yield f"{where}: {key} must be zero or more"
        if value is not None and kind not in ("csv", "text"):
            yield f"{where}: {key} belongs to the formats csv and text, and it is read as {kind}"
    if rule.columns and kind != "csv":
        yield f"{where}: columns belong to the format csv, and it is read as {kind}"
    if rule.fields and kind == "bytes":
        yield f'{where}: fields need a format, such as format = "json"'
    if rule.fields and kind in ("npy", "text") and set(rule.fields) != {"*"}:
        yield f'{where}: a {kind} file has no names: call its one field "*"'
    for field, own in rule.fields.items():
        yield from _field_faults(f"{where}.fields.{field!r}", own, kind)


def _field_faults(where: str, rule: FieldRule, kind: Format) -> Iterator[str]:
    yield from _tolerance_faults(where, rule.rel, rule.abs)
    arrays = kind in ("npy", "npz")
    if rule.type and arrays:
        yield f'{where}: arrays have a dtype, as in dtype = "float64", and no type'
    if rule.type and kind == "text":
        yield f"{where}: type belongs to the formats json and csv"
    if rule.type in ("list", "object") and kind == "csv":
        yield f"{where}: a CSV has no {rule.type}"
    if (rule.dtype or rule.shape is not None) and not arrays:
        yield f"{where}: dtype and shape belong to the formats npy and npz"
    if rule.dtype and not _DTYPE.fullmatch(rule.dtype):
        yield f"{where}: dtype {rule.dtype!r} is not known here; write for example float64"
    if rule.shape is not None and (len(rule.shape) > 32 or any(n < -1 for n in rule.shape)):
        yield f"{where}: shape must be lengths, or -1 for any length, as in shape = [-1, 3]"
    for key in ("min", "max", "sum", "sum_within"):
        value = getattr(rule, key)
        if value is not None and not math.isfinite(value):
            yield f"{where}: {key} must be a finite number"
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        yield f"{where}: min is greater than max"
    if rule.sum_within < 0 or (rule.sum_within and rule.sum is None):
        yield f"{where}: sum_within says how far from sum the sum may be, and is zero or more"
    if rule.required and kind in ("npy", "text"):
        yield f"{where}: required is not needed: the file itself is required"
