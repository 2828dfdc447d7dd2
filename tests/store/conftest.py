"""Every store test runs on SQLite in this process, through a writer process, and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_server.store import LocalStore, PostgresStore, migrate
from idlegrid_server.store.command import Store

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
    """A writer process."""
    process = WriterProcess(database)
    yield process
    process.stop()


@pytest.fixture
def postgres(cluster: Cluster) -> Iterator[PostgresStore]:
    """PostgreSQL, in a fresh database."""
    url = cluster.new_database()
    store = PostgresStore(url)
    yield store
    store.close()
    cluster.drop(url)


@pytest.fixture(params=["local", "writer", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each kind of store, one after the other."""
    if request.param == "writer":
        process: WriterProcess = request.getfixturevalue("writer")
        through = process.store()
        yield through
        through.close()
    else:
        yield request.getfixturevalue(request.param)


@pytest.fixture
def world(store: Store) -> World:
    """A project with a scientist, an app and a clock, on each kind of store."""
    return World(store)


@pytest.fixture
def local_world(local: LocalStore) -> World:
    """The same on SQLite in this process alone."""
    return World(local)
