"""The table of refusals: how often hosts were turned away, and by what."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table, Text

from .metadata import metadata

refusal = Table(
    "refusal",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),  # since 1970, UTC
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),  # 0 = none in particular
    Column("code", Text, primary_key=True),  # of domain/reason.py: REFUSAL
    Column("times", BigInteger, nullable=False),
    CheckConstraint("times > 0", name="times"),
    sqlite_with_rowid=False,
)
