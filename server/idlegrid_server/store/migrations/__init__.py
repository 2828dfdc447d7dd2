"""Bring a database to the newest schema, step by step, from nothing or from any older version."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event

FOLDER = Path(__file__).parent
SQLITE_PREFIX = "sqlite:///"


class SchemaError(Exception):
    """The database's schema is not the one that this program was made for."""


def engine(url: str) -> Engine:
    """An SQLAlchemy engine for schema work only (no command and no query runs through it)."""
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    made = create_engine(url)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _prepare_sqlite)
    return made


def _prepare_sqlite(raw: Any, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def migrate(url: str) -> None:
    """Run every migration that the database at ``url`` has not had yet."""
    made = engine(url)
    try:
        with made.connect() as connection:
            command.upgrade(config(connection), "head")
            connection.commit()
    finally:
        made.dispose()


def newest_revision() -> str:
    """The revision that this program's tables are at."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    if head is None:
        raise SchemaError("no migration was found beside the program: the installation is broken")
    return head


def check_revision(url: str) -> None:
    """Raise :class:`SchemaError` unless the database at ``url`` is at the newest revision."""
    made = engine(url)
    try:
        with made.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        made.dispose()
    newest = newest_revision()
    if found is None:
        raise SchemaError("the database is empty; run idlegrid-server init")
    if found != newest:
        raise SchemaError(
            f"the database has schema {found} and this program needs {newest}; "
            "run idlegrid-server upgrade with the newest program"
        )


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return SQLITE_PREFIX + str(path)
