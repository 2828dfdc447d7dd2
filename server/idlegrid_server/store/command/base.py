"""What a command is, how it fails, and what a store offers to the rest of the server."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from idlegrid_server.store.connection import Connection


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A value inside a command or a result."""


class Result(msgspec.Struct, frozen=True, array_like=True):
    """Base of what commands answer."""


class Done(Result, frozen=True):
    """The answer of a command that can only succeed; ``changed`` is False for a repeat."""

    changed: bool = True


R = TypeVar("R", bound=Result)


class Command(msgspec.Struct, Generic[R], frozen=True, tag=True, array_like=True, kw_only=True):
    """One change of the database, in one transaction. ``now`` is µs UTC; the store has no clock.

    A command can be sent again after a lost answer: it does nothing the second time, and says so.
    """

    answers: ClassVar[type[Result]]
    bulk: ClassVar[bool] = False  # may hold many rows: the writer lets others pass between two
    now: int


class StoreError(Exception):
    """The store did not do what it was asked. ``code`` is for programs, the text for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class StoreUnavailable(StoreError):  # noqa: N818  the state it tells of is its name
    """Nobody answered, or not in time: the command may or may not be done. Send it again."""

    def __init__(self, text: str) -> None:
        super().__init__("unavailable", text)


class StoreRefused(StoreError):  # noqa: N818  the state it tells of is its name
    """The command contradicts what is stored; nothing was changed and a repeat will not help."""


class StoreFailed(StoreError):  # noqa: N818  the state it tells of is its name
    """A fault inside the store; the command was undone alone."""


class Store(Protocol):
    """The database as the rest of the server sees it: commands change it, connections read it."""

    def execute(self, command: Command[R]) -> R:
        """Do ``command`` durably and return its answer; raises :class:`StoreError`."""
        ...

    def reading(self) -> "AbstractContextManager[Connection]":
        """A connection for queries, in one consistent snapshot until the block ends."""
        ...

    def close(self) -> None:
        """Give back every connection."""
        ...
