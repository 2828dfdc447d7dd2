"""A fresh project for each test; its empty database is built once and copied."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_server.config import LimitSettings
from idlegrid_server.store import migrate

from .world import Host, NewWorld, World


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "project.db"
    migrate(path)
    return path


@pytest.fixture
def new_world(tmp_path: Path, empty_database: Path) -> Iterator[NewWorld]:
    made: list[World] = []

    def make(limits: LimitSettings | None = None) -> World:
        folder = tmp_path / f"project {len(made)}"
        folder.mkdir()
        database = folder / "project.db"
        shutil.copy(empty_database, database)
        made.append(World(folder, database, limits=limits))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(new_world: NewWorld) -> World:
    return new_world()


@pytest.fixture
def host(world: World) -> Host:
    """An enrolled host."""
    machine = Host(world)
    assert machine.enrol().status_code == 200
    return machine
