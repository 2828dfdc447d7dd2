"""PostgreSQL behind the store's :class:`Connection`, and the store that runs commands on it."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout

from idlegrid_server.domain.transition import InvalidTransition

from .apply import apply
from .command import Command, Result, StoreError, StoreFailed, StoreRefused, StoreUnavailable
from .connection import LostRace, Row
from .faultpoint import commit_points
from .query import Query

T = TypeVar("T")
R = TypeVar("R", bound=Result)

CONNECTIONS_MAX = 16
WAIT_S = 10.0
ATTEMPTS = 8  # of a command that loses a race for locks
BACKOFF_S = 0.005
SERVER_MIN = 150_000

_LOST_RACE = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    LostRace,
)


class PostgresConnection:
    """One psycopg connection inside a transaction."""

    def __init__(self, raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self.raw = raw
        self.statements = 0

    def execute(self, query: Query[Any], **values: Any) -> int:
        return self._run(query, values).rowcount

    def execute_many(self, query: Query[Any], rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        self.statements += 1
        names = query.names
        with self.raw.cursor() as cursor:
            cursor.executemany(query.postgres, [dict(zip(names, row, strict=True)) for row in rows])
            return cursor.rowcount

    def fetch_one(self, query: Query[T], **values: Any) -> T | None:
        row = self._run(query, values).fetchone()
        return None if row is None else query.make(row)

    def fetch_all(self, query: Query[T], **values: Any) -> list[T]:
        make = query.make
        return [make(row) for row in self._run(query, values)]

    def insert(self, query: Query[Any], **values: Any) -> int:
        row = self._run(query, values).fetchone()
        if row is None:
            raise StoreFailed("no_row", f"query {query.name} inserted nothing")
        return int(row[0])

    def _run(self, query: Query[Any], values: dict[str, Any]) -> "psycopg.Cursor[tuple[Any, ...]]":
        self.statements += 1
        if query.listed:
            values = {**values, **{name: list(values[name]) for name in query.listed}}
        return self.raw.execute(query.postgres, values)


class PostgresStore:
    """Runs each command in one transaction, in the caller's process. May be shared by threads."""

    def __init__(
        self,
        url: str,
        *,
        connections_max: int = CONNECTIONS_MAX,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._random = random.Random()  # noqa: S311  spreads retries, nothing secret
        self._pool: ConnectionPool[psycopg.Connection[tuple[Any, ...]]] = ConnectionPool(
            psycopg_url(url),
            min_size=1,
            max_size=connections_max,
            timeout=WAIT_S,
            configure=_check_server,
            open=False,
        )
        self._pool.open()

    def execute(self, command: Command[R]) -> R:
        """Do ``command`` durably; a lost race for locks is run again, from the start."""
        for attempt in range(ATTEMPTS):
            try:
                return self._execute_once(command)
            except _LOST_RACE as error:
                if attempt + 1 == ATTEMPTS:
                    raise StoreUnavailable(
                        f"{type(command).__name__} lost {ATTEMPTS} races for locks: {error}"
                    ) from error
                self._sleep(BACKOFF_S * 2**attempt * self._random.random())
            except (psycopg.OperationalError, PoolTimeout) as error:
                raise StoreUnavailable(f"PostgreSQL does not answer: {error}") from error
            except psycopg.Error as error:
                raise StoreFailed(
                    "failed", f"{type(command).__name__} was undone: {error}"
                ) from error
            except InvalidTransition as error:
                raise StoreRefused("invalid_transition", str(error)) from error
        raise AssertionError("unreachable")

    def _execute_once(self, command: Command[R]) -> R:
        with self._pool.connection() as raw:
            result = apply(PostgresConnection(raw), command)
            with commit_points():
                raw.commit()
            return result

    @contextmanager
    def reading(self) -> Iterator[PostgresConnection]:
        """One consistent snapshot for the queries in the block."""
        try:
            with self._pool.connection() as raw:
                raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                raw.read_only = True
                try:
                    yield PostgresConnection(raw)
                    raw.rollback()
                finally:
                    if not raw.closed:
                        raw.rollback()
                        raw.isolation_level = None
                        raw.read_only = None
        except PoolTimeout as error:
            raise StoreUnavailable(f"PostgreSQL does not answer: {error}") from error

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def psycopg_url(url: str) -> str:
    """The address as libpq reads it, whether or not it names a driver for SQLAlchemy."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _check_server(raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
    if raw.info.server_version < SERVER_MIN:
        raise StoreError(
            "old_postgres",
            f"PostgreSQL {raw.info.server_version // 10_000} is too old; 15 or newer is needed",
        )
