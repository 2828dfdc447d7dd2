"""``validator`` in ``[programs.NAME]``: how a program's outputs are compared."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from idlegrid_shared.documents import BOXED_IN_WASM
from idlegrid_shared.validator import RuleError, Validator, parse_validator

from .app import ProgramSource
from .fault import AppFileError, InputError
from .section import Section

BITWISE = "bitwise"
RULE_BYTES_MAX = 256 * 1024


def read_validator(section: Section) -> Validator | None:
    """The rule in a program's section; None: byte by byte. Raises :class:`AppFileError`."""
    if not section.has("validator"):
        return None
    given = section.table["validator"]
    if given == BITWISE:
        return None
    if not isinstance(given, dict):
        raise section.error(
            "validator",
            f'must be "{BITWISE}", or a section [{section.name}.validator] with rules; '
            "docs/validators.md shows them",
        )
    try:
        return _parse(given)
    except RuleError as error:
        raise AppFileError(f"{section.path}: [{section.name}.validator] {error}") from error


def _parse(table: Mapping[str, Any]) -> Validator:
    try:
        data = msgspec.json.encode(table)
    except TypeError as error:  # a date, say
        raise RuleError(str(error)) from error
    return parse_validator(data)


def check_validators(path: Path, programs: Mapping[str, ProgramSource], mapped: str) -> None:
    """Raise :class:`AppFileError` for a validator that has nothing to compare, or no program."""
    for name, program in programs.items():
        rule = program.validator
        if rule is None:
            continue
        where = f"{path}: [programs.{name}] validator"
        if name != mapped:
            raise AppFileError(
                f"{where}: only outputs of the program of [split], {mapped}, are compared"
            )
        if rule.program and rule.program not in programs:
            known = ", ".join(programs)
            raise AppFileError(f"{where}: there is no [programs.{rule.program}]; there are {known}")
        if rule.program and programs[rule.program].runtime not in BOXED_IN_WASM:
            raise AppFileError(
                f"{where}: {rule.program} is {programs[rule.program].runtime}, but what compares "
                "runs on the server and must be wasm or python"
            )


def read_rule(path: Path) -> Validator | None:
    """A rule in a file of its own, as TOML: what would stand in ``[programs.NAME.validator]``.

    An empty file is byte by byte. Raises :class:`InputError`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(RULE_BYTES_MAX + 1)
        if len(data) > RULE_BYTES_MAX:
            raise InputError(f"{path} has more than {RULE_BYTES_MAX} bytes")
        table = tomllib.loads(data.decode("utf-8"))
        if not table or table == {"validator": BITWISE}:
            return None
        inner = table.get("validator", table)
        if not isinstance(inner, dict):
            raise RuleError(f'validator must be "{BITWISE}" or a section of rules')
        return _parse(inner)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error
    except RuleError as error:
        raise InputError(f"{path}: {error}") from error
