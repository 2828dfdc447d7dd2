"""Which schema this program was made for, and whether a database has it."""

from .command import StoreError
from .query import Query
from .sqlite import SqliteConnection

REVISION = "0018"  # the newest migration; a test holds it to migrations/

SCHEMA_REVISION = Query(
    "schema_revision",
    "the migration that a database is at",
    "SELECT version_num FROM alembic_version",
    lambda row: str(row[0]),
)
TABLES = Query(
    "tables",
    "whether a database has been migrated at all",
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    lambda row: str(row[0]),
)


def require_schema(db: SqliteConnection) -> None:
    """Raise :class:`StoreError` unless the database is at :data:`REVISION`."""
    found = None
    if db.fetch_one(TABLES) is not None:
        found = db.fetch_one(SCHEMA_REVISION)
    if found != REVISION:
        raise StoreError(
            "schema",
            f"the database has schema {found or 'none'} and this program needs {REVISION}; "
            "run idlegrid-server upgrade",
        )
