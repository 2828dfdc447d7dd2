"""Reading one section of a TOML file strictly: each mistake is named, with a remedy."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idlegrid_shared.manifest import ManifestError, check_name

from .fault import AppFileError

_KINDS = {str: "text in quotes", bool: "true or false", int: "a whole number", list: "a list"}


class Section:
    """The keys of one section. Every key that is asked for counts as known; ``close`` checks."""

    def __init__(self, path: Path, name: str, table: object) -> None:
        self.path = path
        self.name = name
        if not isinstance(table, dict):
            raise AppFileError(f"{path}: [{name}] must be a section with keys below it")
        self.table: dict[str, Any] = table
        self._known: set[str] = set()

    def error(self, key: str, text: str) -> AppFileError:
        """An error about one key, to be raised by the caller."""
        return AppFileError(f"{self.path}: [{self.name}] {key}: {text}")

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        self._known.add(key)
        return key in self.table

    def _take(self, key: str, kind: type, example: str, default: Any) -> Any:
        if not self.has(key):
            if default is not None:
                return default
            raise self.error(key, f"is missing; write for example {key} = {example}")
        value = self.table[key]
        # True is an int to Python, but not to a scientist.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(
                key, f"must be {_KINDS[kind]}, not {value!r}; write for example {key} = {example}"
            )
        return value

    def text(self, key: str, example: str, default: str | None = None) -> str:
        """A string."""
        return str(self._take(key, str, example, default))

    def integer(self, key: str, example: str, default: int | None = None) -> int:
        """A whole number."""
        return int(self._take(key, int, example, default))

    def number(self, key: str, example: str, default: float | None = None) -> float:
        """A whole or broken number."""
        if self.has(key) and isinstance(self.table[key], float):
            return float(self.table[key])
        return float(self._take(key, int, example, default))

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._take(key, bool, "true", default))

    def texts(self, key: str, example: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        values = self._take(key, list, example, default)
        for value in values:
            if not isinstance(value, str):
                raise self.error(
                    key, f"every member must be text in quotes, but {value!r} is not: {example}"
                )
        return tuple(values)

    def mapping(self, key: str, example: str) -> Mapping[str, str]:
        """A table of strings, ``{name = "value"}``; empty if the key is not given."""
        if not self.has(key):
            return {}
        values = self.table[key]
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise self.error(key, f"must be pairs of names and text; write for example {example}")
        return values

    def close(self) -> None:
        """Raise :class:`AppFileError` for the first key that nobody asked for."""
        for key in self.table:
            if key not in self._known:
                near = difflib.get_close_matches(key, self._known, 1)
                hint = f"did you mean {near[0]}? " if near else ""
                known = ", ".join(sorted(self._known))
                raise self.error(key, f"is not known here; {hint}possible are: {known}")


def app_file(section: Section, key: str, text: str) -> Path:
    """A file inside the app's folder, so that the folder is all there is to the app."""
    folder = section.path.parent
    try:
        check_name(text)
    except ManifestError as error:
        raise section.error(key, f"{error}; name a file inside {folder}") from error
    path = folder / text
    if not path.is_file():
        raise section.error(key, f"there is no file {text!r} in {folder}")
    return path.absolute()


def app_folder(section: Section, key: str, text: str) -> Path:
    """A folder inside the app's."""
    try:
        folder = section.path.parent / check_name(text)
    except ManifestError as error:
        raise section.error(key, f"{error}; name a folder inside the app's") from error
    if not folder.is_dir():
        raise section.error(key, f"there is no folder {text!r} in {section.path.parent}")
    return folder.absolute()
