"""The database: the only package that writes SQL. See :mod:`.command` for all it can be asked."""

from pathlib import Path

from .local import LocalStore
from .postgres import PostgresStore
from .writer_client import WriterStore

__all__ = ["LocalStore", "PostgresStore", "WriterStore", "check_schema", "migrate"]


def _url(database: str | Path) -> str:
    # SQLAlchemy and Alembic are loaded for schema work alone: they are no small weight in memory.
    from .migrations import sqlite_url

    return sqlite_url(database) if isinstance(database, Path) else database


def migrate(database: str | Path) -> None:
    """Bring a database (a file of SQLite, a URL of PostgreSQL) to the newest schema."""
    from . import migrations

    migrations.migrate(_url(database))


def check_schema(database: str | Path) -> None:
    """Raise ``migrations.SchemaError`` unless the database has the newest schema."""
    from . import migrations

    migrations.check_revision(_url(database))
