"""Named queries: one SQL text for both engines, with a purpose in words.

A text names its parameters ``:name``. Three markers stand for what the engines say differently:

``{lock}``       FOR UPDATE on PostgreSQL, nothing on SQLite (which has one writer);
``{lock_free}``  FOR UPDATE SKIP LOCKED, or nothing: rows that another transaction holds are left;
``{in:name}``    membership in the list ``name``, which may be empty.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_LIST = re.compile(r"\{in:([a-z_][a-z0-9_]*)\}")
_SPACE = re.compile(r"\s+")

#: name → query, of every query there is; two of one name cannot be.
REGISTRY: "dict[str, Query[Any]]" = {}


def _row(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(values)


class Query(Generic[T]):
    """A statement with a name, a purpose, and a function that makes a value of each row."""

    __slots__ = (
        "_texts",
        "listed",
        "make",
        "name",
        "names",
        "postgres",
        "purpose",
        "sql",
        "sqlite",
        "sqlite_numbered",
    )

    @overload
    def __init__(self: "Query[tuple[Any, ...]]", name: str, purpose: str, sql: str) -> None: ...

    @overload
    def __init__(
        self, name: str, purpose: str, sql: str, make: Callable[[Sequence[Any]], T]
    ) -> None: ...

    def __init__(
        self, name: str, purpose: str, sql: str, make: Callable[[Sequence[Any]], Any] = _row
    ) -> None:
        if name in REGISTRY:
            raise ValueError(f"there are two queries named {name!r}")
        self.name = name
        self.purpose = purpose
        self.sql = _SPACE.sub(" ", sql).strip()
        self.make = make
        self.listed: tuple[str, ...] = tuple(_LIST.findall(self.sql))
        self.names: tuple[str, ...] = tuple(dict.fromkeys(_PARAMETER.findall(self.sql)))
        plain = self.sql.replace("{lock}", "").replace("{lock_free}", "").strip()
        self.sqlite = plain
        number = {parameter: i + 1 for i, parameter in enumerate(self.names)}
        self.sqlite_numbered = _PARAMETER.sub(lambda m: f"?{number[m[1]]}", plain)
        locked = self.sql.replace("{lock}", "FOR UPDATE")
        locked = locked.replace("{lock_free}", "FOR UPDATE SKIP LOCKED").replace("%", "%%")
        self.postgres = _PARAMETER.sub(r"%(\1)s", _LIST.sub(r"= ANY(%(\1)s)", locked))
        self._texts: dict[tuple[int, ...], str] = {}
        REGISTRY[name] = self

    def sqlite_with(self, counts: tuple[int, ...]) -> str:
        """The SQLite text for lists of these lengths, their members named ``list_0`` and so on."""
        text = self._texts.get(counts)
        if text is None:
            text = self.sqlite
            for name, count in zip(self.listed, counts, strict=True):
                members = ", ".join(f":{name}_{i}" for i in range(count))
                text = text.replace("{in:" + name + "}", f"IN ({members})")
            self._texts[counts] = text
        return text
