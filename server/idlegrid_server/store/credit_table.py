"""The tables of credit: who got what, how it is spread over a stage, and the days."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text, text

from .metadata import metadata

CREDIT_STATES = ("pending", "paid")

# Who gets what of a result: `of_task` did its part of the work, and `task_id` was reported. What is
# void is taken out again; the event log tells of it.
credit = Table(
    "credit",
    metadata,
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("of_task", BigInteger, primary_key=True, autoincrement=False),
    Column("host_id", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    Column("state", Text, nullable=False),
    Column("base_micro", BigInteger, nullable=False),  # by the work alone
    Column("micro", BigInteger, nullable=False),  # that of it which came in time
    Column("at", BigInteger, nullable=False),
    CheckConstraint(
        "state IN ({})".format(", ".join(f"'{s}'" for s in CREDIT_STATES)), name="state"
    ),
    CheckConstraint("micro >= 0 AND micro <= base_micro", name="micro"),
    Index(
        "ix_credit_pending_host",
        "host_id",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "ix_credit_pending_account",
        "account_id",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    sqlite_with_rowid=False,
)

# How much agreed units of a stage were worth so far: counts in buckets (domain/spread.py).
credit_spread = Table(
    "credit_spread",
    metadata,
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("units", BigInteger, nullable=False),
    CheckConstraint("units >= 0", name="units"),
    sqlite_with_rowid=False,
)

# What was paid, day by day (days since 1970, UTC). Nobody's account is 0.
statistic = Table(
    "statistic",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("host_id", BigInteger, primary_key=True, autoincrement=False),
    Column("app_id", BigInteger, primary_key=True, autoincrement=False),
    Column("results", BigInteger, nullable=False),
    Column("base_micro", BigInteger, nullable=False),
    Column("micro", BigInteger, nullable=False),
    Index("ix_statistic_account", "account_id", "day"),
    Index("ix_statistic_host", "host_id", "day"),
    sqlite_with_rowid=False,
)
