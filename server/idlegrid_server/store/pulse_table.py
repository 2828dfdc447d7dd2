"""What passes saw of reports, by stage: no counters of states, but what the forecast and the brake
read."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from .metadata import metadata


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


#: How much of a stage came back and ended, slice by slice (domain/pulse.py).
pulse = Table(
    "pulse",
    metadata,
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    _count("ended"),
    _count("results"),
    _count("errors"),
    sqlite_with_rowid=False,
)

#: Errors: the newest tell whether a batch fails everywhere.
failure = Table(
    "failure",
    metadata,
    Column(
        "task_id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("stage_id", BigInteger, nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("host_id", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("took_us", BigInteger, nullable=False),
    Index(None, "stage_id", "at"),
)
