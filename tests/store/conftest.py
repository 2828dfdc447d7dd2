"""Every store test runs on SQLite in this process, through a writer process, and on PostgreSQL."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from idlegrid_server.store import LocalStore, PostgresStore, WriterStore, migrate
from idlegrid_server.store.command import Store
from idlegrid_server.store.tables import metadata

from .cluster import Cluster
from .world import World
from .writing import WriterProcess


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest schema, to be copied."""
    path = tmp_path_factory.mktemp("schema") / "empty.db"
    migrate(path)
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL for all tests of this process."""
    running = Cluster()
    yield running
    running.stop()


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Path:
    """A fresh, migrated SQLite file."""
    path = tmp_path / "project.db"
    shutil.copy(migrated, path)
    return path


@pytest.fixture
def local(database: Path) -> Iterator[LocalStore]:
    """SQLite in this process."""
    store = LocalStore(database)
    yield store
    store.close()


@pytest.fixture
def writer(database: Path) -> Iterator[WriterProcess]:
    """A writer process of the test's own, which it may kill."""
    process = WriterProcess(database)
    yield process
    process.stop()


@pytest.fixture(scope="session")
def shared_writer(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WriterProcess]:
    """One writer process for all tests of this process that do not kill it."""
    path = tmp_path_factory.mktemp("writer") / "project.db"
    shutil.copy(migrated, path)
    process = WriterProcess(path)
    yield process
    process.stop()


@pytest.fixture(scope="session")
def shared_postgres(cluster: Cluster) -> Iterator[PostgresStore]:
    """One PostgreSQL database for all tests of this process."""
    store = PostgresStore(cluster.new_database())
    yield store
    store.close()


@pytest.fixture
def through_writer(shared_writer: WriterProcess) -> Iterator[WriterStore]:
    """SQLite through a writer process, emptied."""
    with closing(sqlite3.connect(shared_writer.database)) as db, db:
        for table in reversed(metadata.sorted_tables):
            db.execute(f"DELETE FROM {table.name}")
    store = shared_writer.store()
    yield store
    store.close()


@pytest.fixture
def postgres(shared_postgres: PostgresStore) -> PostgresStore:
    """PostgreSQL, emptied."""
    names = ", ".join(table.name for table in metadata.sorted_tables)
    with shared_postgres._pool.connection() as db:
        db.execute(f"TRUNCATE {names} RESTART IDENTITY")
    return shared_postgres


@pytest.fixture(params=["local", "through_writer", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store, one after the other."""
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def world(store: Store) -> World:
    """A project with a scientist, an app and a clock, on each kind of store."""
    return World(store)


@pytest.fixture
def local_world(local: LocalStore) -> World:
    """The same on SQLite in this process alone."""
    return World(local)
