"""What the rest of ``store/`` needs of a database connection, whichever engine is behind it."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from .query import Query

T = TypeVar("T")

#: A row's values in the order of the query's parameters, for many rows at once.
Row = Sequence[Any]


class LostRace(Exception):  # noqa: N818  it is no error: the command is run again
    """Another transaction was faster (PostgreSQL only); the command starts anew."""


class Connection(Protocol):
    """A connection inside a transaction. Values are int, str, bytes or None; flags are 0 and 1."""

    #: How many statements ran; a list of rows counts once. Tests hold hot paths to it.
    statements: int

    def execute(self, query: Query[Any], **values: Any) -> int:
        """Run a statement; returns how many rows it changed."""
        ...

    def execute_many(self, query: Query[Any], rows: Sequence[Row]) -> int:
        """Run a statement once for each row; returns how many rows it changed in all.

        No row, no statement.
        """
        ...

    def fetch_one(self, query: Query[T], **values: Any) -> T | None:
        """The first row, or None."""
        ...

    def fetch_all(self, query: Query[T], **values: Any) -> list[T]:
        """All rows; the query must bound their number."""
        ...

    def insert(self, query: Query[Any], **values: Any) -> int:
        """Run an ``INSERT … RETURNING id`` and return the id."""
        ...
