"""SQLite behind the store's :class:`Connection`. WAL and synchronous=FULL, always, and checked."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from .command import StoreError
from .connection import Row
from .query import Query

T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000  # the migration, a backup or a tool may hold the lock for a moment
CACHED_STATEMENTS = 512
CACHE_KIB = 32_768
MMAP_BYTES = 256 * 1024**2
WAL_PAGES_MAX = 4_000  # 16 MiB until a checkpoint
SQLITE_MIN = (3, 35, 0)  # RETURNING
FULL = 2


class SqliteConnection:
    """One sqlite3 connection in manual transaction mode."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.statements = 0

    def execute(self, query: Query[Any], **values: Any) -> int:
        return self._run(query, values).rowcount

    def execute_many(self, query: Query[Any], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        self.statements += 1
        return self.raw.executemany(query.sqlite_numbered, rows).rowcount

    def fetch_one(self, query: Query[T], **values: Any) -> T | None:
        cursor = self._run(query, values)
        row = cursor.fetchone()
        cursor.close()
        return None if row is None else query.make(row)

    def fetch_all(self, query: Query[T], **values: Any) -> list[T]:
        make = query.make
        return [make(row) for row in self._run(query, values)]

    def insert(self, query: Query[Any], **values: Any) -> int:
        cursor = self._run(query, values)
        (new_id,) = cursor.fetchone()
        cursor.close()
        return int(new_id)

    def begin(self, *, write: bool) -> None:
        """Open a transaction; a writing one takes the lock at once, so that it cannot fail late."""
        self.raw.execute("BEGIN IMMEDIATE" if write else "BEGIN")

    def commit(self) -> None:
        """Make the transaction durable (the log is synced before this returns)."""
        self.raw.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self.raw.close()

    def _run(self, query: Query[Any], values: dict[str, Any]) -> sqlite3.Cursor:
        self.statements += 1
        if not query.listed:
            return self.raw.execute(query.sqlite, values)
        counts = []
        bound = dict(values)
        for name in query.listed:
            members = bound.pop(name) or (None,)  # None is equal to nothing
            count = len(members)
            if count & (count - 1):  # up to a power of two: few texts, found prepared again
                count = 1 << count.bit_length()
                members = (*members, *(members[-1:] * (count - len(members))))
            counts.append(count)
            for i, member in enumerate(members):
                bound[f"{name}_{i}"] = member
        return self.raw.execute(query.sqlite_with(tuple(counts)), bound)


def open_sqlite(path: Path, *, write: bool) -> SqliteConnection:
    """Open (and for writing make) the database file; raises :class:`StoreError`.

    A connection that is not for writing refuses every change.
    """
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise StoreError(
            "old_sqlite",
            f"Python's SQLite is {sqlite3.sqlite_version}; Idlegrid needs 3.35 or newer",
        )
    if not write and not path.exists():
        raise StoreError("no_database", f"there is no database {path}; run idlegrid-server init")
    raw = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )
    try:
        _prepare(raw, write=write)
    except BaseException:
        raw.close()
        raise
    return SqliteConnection(raw)


def _prepare(raw: sqlite3.Connection, *, write: bool) -> None:
    raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    if write:
        (mode,) = raw.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreError("no_wal", f"SQLite keeps journal mode {mode}; the disk must allow WAL")
    raw.execute("PRAGMA synchronous=FULL")
    (level,) = raw.execute("PRAGMA synchronous").fetchone()
    if level != FULL:
        raise StoreError("not_synchronous", f"SQLite runs at synchronous={level} and not at FULL")
    raw.execute("PRAGMA foreign_keys=ON")
    raw.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    raw.execute(f"PRAGMA mmap_size={MMAP_BYTES}")
    raw.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES_MAX}")
    raw.execute("PRAGMA temp_store=MEMORY")
    if not write:
        raw.execute("PRAGMA query_only=ON")
