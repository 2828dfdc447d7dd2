"""The migrations make exactly the tables that the program describes, on both engines."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command as alembic
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from idlegrid_server.store import LocalStore, check_schema, migrate
from idlegrid_server.store.command import StoreError
from idlegrid_server.store.migrations import (
    SchemaError,
    config,
    engine,
    newest_revision,
    sqlite_url,
)
from idlegrid_server.store.schema import REVISION, require_schema
from idlegrid_server.store.sqlite import open_sqlite
from idlegrid_server.store.tables import metadata

from .cluster import Cluster


def differences(url: str) -> list[object]:
    """What would have to be migrated still."""
    made = engine(url)
    try:
        with made.connect() as connection:
            # SQLite tells defaults in another spelling than they were given in.
            defaults = connection.dialect.name == "postgresql"
            context = MigrationContext.configure(
                connection, opts={"compare_server_default": defaults}
            )
            return list(compare_metadata(context, metadata))
    finally:
        made.dispose()


def test_sqlite_schema_is_the_described_one(migrated: Path) -> None:
    assert differences(sqlite_url(migrated)) == []


def test_postgres_schema_is_the_described_one(cluster: Cluster) -> None:
    url = cluster.empty_database()
    migrate(url)
    assert differences(url) == []
    check_schema(url)
    cluster.drop(url)


def test_migrating_again_changes_nothing(database: Path) -> None:
    before = database.read_bytes()
    migrate(database)
    check_schema(database)
    assert database.read_bytes() == before


def test_path_with_a_space_and_a_percent_sign(tmp_path: Path) -> None:
    path = tmp_path / "a 50% folder" / "project.db"
    path.parent.mkdir()
    migrate(path)
    check_schema(path)


def test_units_that_had_begun_are_at_rank_1(tmp_path: Path) -> None:
    """A database of the version before ranks: its queues keep their order."""
    path = tmp_path / "older.db"
    made = engine(sqlite_url(path))
    with made.connect() as connection:
        alembic.upgrade(config(connection), "0003")
        connection.commit()
    made.dispose()
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO work_unit (id, stage_id, batch_id, idx, state, target, args, n_tasks,"
            " n_unsent, started) VALUES (?, 1, 1, ?, 'open', 2, '[]', 2, 1, ?)",
            [(7, 0, 0), (8, 1, 1)],
        )
    migrate(sqlite_url(path))
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT id, rank FROM work_unit ORDER BY id").fetchall()
        assert rows == [(7, 0), (8, 1)]
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE work_unit SET rank = 4")


def test_program_knows_its_revision() -> None:
    assert newest_revision() == REVISION


def test_database_of_another_revision_is_refused(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="schema 9999"):
        check_schema(database)
    connection = open_sqlite(database, write=True)
    with pytest.raises(StoreError, match="schema 9999"):
        require_schema(connection)
    connection.close()
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(SchemaError, match="empty"):
        check_schema(empty)


def test_reading_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        open_sqlite(tmp_path / "none.db", write=False)


def test_sqlite_runs_with_full_synchronous_wal_and_foreign_keys(local: LocalStore) -> None:
    db = local._writer.raw
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_readers_cannot_write(local: LocalStore) -> None:
    with local.reading() as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.raw.execute("DELETE FROM account")


TASK = "INSERT INTO task (unit_id, n, state{columns}) VALUES (1, 0, {values})"
ILLEGAL = {
    "a result without a verdict": (", manifest, host_id", "'success', x'00', 1"),
    "a result without a manifest": (", verdict, host_id", "'success', 'valid', 1"),
    "a task in progress at nobody": ("", "'in_progress'"),
    "an unsent task of somebody": (", host_id", "'unsent', 1"),
    "an unknown state": (", host_id", "'asleep', 1"),
    "credit without a verdict": (", host_id, credit_micro", "'error', 1, 5"),
    "a verdict on an error": (", host_id, verdict", "'error', 1, 'valid'"),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_illegal_tasks_cannot_be_stored(migrated: Path, tmp_path: Path, case: str) -> None:
    path = tmp_path / "illegal.db"
    shutil.copy(migrated, path)
    columns, values = ILLEGAL[case]
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(TASK.format(columns=columns, values=values))
