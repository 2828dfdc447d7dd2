"""Fixtures of the server's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_server.store import LocalStore, migrate
from idlegrid_server.store.command import Store

from .pipeline_bench import Bench


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty embedded database, written by this process."""
    path = tmp_path / "project.db"
    migrate(path)
    local = LocalStore(path)
    yield local
    local.close()


@pytest.fixture
def bench(tmp_path: Path, store: Store) -> Bench:
    """A project without processes."""
    return Bench(tmp_path, store)
