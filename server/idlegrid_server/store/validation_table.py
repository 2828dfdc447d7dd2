"""The tables of what validators found out."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Table, Text

from .metadata import metadata

# What validators found out, once and for all: manifests are named by their content.
output_check = Table(
    "output_check",
    metadata,
    Column("validator", LargeBinary(32), primary_key=True),
    Column("manifest", LargeBinary(32), primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("outcome IN ('good', 'failed', 'unreadable')", name="outcome"),
    sqlite_with_rowid=False,
)

comparison = Table(
    "comparison",
    metadata,
    Column("validator", LargeBinary(32), primary_key=True),
    Column("a", LargeBinary(32), primary_key=True),
    Column("b", LargeBinary(32), primary_key=True),
    Column("agrees", Integer, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("a < b", name="ordered"),
    CheckConstraint("agrees IN (0, 1)", name="agrees"),
    sqlite_with_rowid=False,
)
