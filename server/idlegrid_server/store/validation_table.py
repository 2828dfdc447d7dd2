"""The tables of what validators found out."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from .metadata import metadata

REVALIDATION_STATES = ("looking", "ready", "applying", "applied", "failed")

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

# Another rule for a batch: what it would change, and whether it was applied.
revalidation = Table(
    "revalidation",
    metadata,
    Column(
        "id",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    Column("stage_id", BigInteger, ForeignKey("stage.id"), nullable=False),
    Column("rule", Text),  # JSON of validator.Validator; NULL: byte by byte
    Column("rule_hash", LargeBinary(32)),
    Column("state", Text, nullable=False),
    Column("report", Text, nullable=False, server_default="{}"),  # JSON
    Column("reason", Text, nullable=False, server_default=""),  # why it failed
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint(
        "state IN ({})".format(", ".join(f"'{s}'" for s in REVALIDATION_STATES)), name="state"
    ),
    CheckConstraint("(rule IS NULL) = (rule_hash IS NULL)", name="rule"),
    Index(None, "batch_id", "id"),
)
