"""Checkpoints that hosts leave at the server, and tasks that continue from them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "checkpoint",
        sa.Column("task_id", big, autoincrement=False, nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("ops", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bytes >= 0 AND ops >= 0", name="ck_checkpoint_counts"),
        sa.PrimaryKeyConstraint("task_id", name="pk_checkpoint"),
    )
    op.create_index("ix_checkpoint_unit_id", "checkpoint", ["unit_id"])
    op.create_index("ix_checkpoint_sha256", "checkpoint", ["sha256"])
    op.add_column("task", sa.Column("resumed_from", sa.BigInteger(), nullable=True))
    op.add_column(
        "stage", sa.Column("migrates", sa.SmallInteger(), server_default="0", nullable=False)
    )
    op.add_column("upload", sa.Column("checkpoint_ops", sa.BigInteger(), nullable=True))
