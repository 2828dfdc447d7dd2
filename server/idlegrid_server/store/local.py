"""The store without a writer process: commands run here, on one connection. For tools and tests.

Whoever uses it sees to it that no other process writes (the server's lock, or a test's own file).
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from idlegrid_server.domain.transition import InvalidTransition

from .apply import apply
from .command import Command, Result, StoreError, StoreFailed, StoreRefused, StoreUnavailable
from .faultpoint import commit_points
from .sqlite import SqliteConnection, open_sqlite

R = TypeVar("R", bound=Result)


class Readers:
    """Connections for reading, one for each thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mine = threading.local()
        self._all: list[SqliteConnection] = []
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[SqliteConnection]:
        """One consistent snapshot for the queries in the block. Blocks may be nested."""
        db: SqliteConnection | None = getattr(self._mine, "db", None)
        if db is None:
            db = open_sqlite(self.path, write=False)
            self._mine.db = db
            with self._lock:
                self._all.append(db)
        if db.raw.in_transaction:
            yield db
            return
        db.begin(write=False)
        try:
            yield db
        finally:
            db.rollback()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for db in self._all:
                db.close()
            self._all.clear()
            self._mine = threading.local()


class LocalStore:
    """An SQLite store in this process. Threads may share it; commands run one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = open_sqlite(path, write=True)
        self._readers = Readers(path)
        self._lock = threading.Lock()

    @property
    def statements(self) -> int:
        """How many statements commands have run so far."""
        return self._writer.statements

    def execute(self, command: Command[R]) -> R:
        """Do ``command`` durably and return its answer; raises :class:`StoreError`."""
        with self._lock:
            db = self._writer
            try:
                db.begin(write=True)
                result = apply(db, command)
                with commit_points():
                    db.commit()
                return result
            except BaseException as error:
                db.rollback()
                if isinstance(error, Exception):
                    raise as_store_error(error, type(command).__name__) from error
                raise

    def reading(self) -> AbstractContextManager[SqliteConnection]:
        """One consistent snapshot for the queries in the block."""
        return self._readers.reading()

    def close(self) -> None:
        """Close every connection."""
        self._readers.close()
        self._writer.close()


def as_store_error(error: Exception, command: str) -> Exception:
    """What the caller of a command is told of ``error``; faults of tests are passed on."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, InvalidTransition):
        return StoreRefused("invalid_transition", str(error))
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(f"{command} was undone: somebody else holds the database")
    if isinstance(error, sqlite3.Error):
        code = "disk_full" if "full" in str(error) else "failed"
        return StoreFailed(code, f"{command} was undone: {error}")
    return error
