"""The table of jobs: slow work of the server itself."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text, text

from .metadata import metadata

JOB_STATES = ("queued", "running", "done", "failed", "cancelled")

# Slow work of the server itself: submissions, combines, validators. The truth behind RQ's wake-ups.
job = Table(
    "job",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("kind", Text, nullable=False),  # submit, combine, validate, revalidate
    Column("object_id", BigInteger, nullable=False),  # a batch, a work unit, a revalidation
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),  # times it was claimed
    Column("errors", Integer, nullable=False, server_default="0"),  # times it ran and failed
    Column("lease_until", BigInteger),
    Column("lease_by", Text),
    Column("progress", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    CheckConstraint("state IN ({})".format(", ".join(f"'{s}'" for s in JOB_STATES)), name="state"),
    CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease"),
    Index(
        "ux_job_live",
        "kind",
        "object_id",
        unique=True,
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
    Index(
        "ix_job_waiting",
        "id",
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
)
