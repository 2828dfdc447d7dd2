"""Canaries, the brake, and the pulse of stages."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("canary_proven_until", "canary_until", "brake_after"):
        op.add_column("batch", sa.Column(name, sa.BigInteger(), nullable=True))
    canaries = sa.Column("canaries", sa.SmallInteger(), server_default="0", nullable=False)
    op.add_column("batch", canaries)
    op.add_column("stage", sa.Column("release_from", sa.BigInteger(), nullable=True))
    _partial("ix_stage_release", "stage", ["id"], "release_from IS NOT NULL")
    _partial("ix_unit_open", "work_unit", ["stage_id", "id"], "state = 'open'")
    op.create_table(
        "pulse",
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("ended", "results", "errors")
        ),
        sa.PrimaryKeyConstraint("stage_id", "at", name="pk_pulse"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "failure",
        sa.Column("task_id", BIG, autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("stage_id", "unit_id", "host_id")
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("took_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_failure"),
    )
    op.create_index("ix_failure_stage_id_at", "failure", ["stage_id", "at"])


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
