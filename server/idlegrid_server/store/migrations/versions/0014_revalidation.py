"""Another validator for a batch: what it would change, and how far it was applied."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stage", sa.Column("reopen_from", sa.BigInteger(), nullable=True))
    op.create_table(
        "revalidation",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("stage_id", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("rule_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), server_default="{}", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('looking', 'ready', 'applying', 'applied', 'failed')",
            name=op.f("ck_revalidation_state"),
        ),
        sa.CheckConstraint(
            "(rule IS NULL) = (rule_hash IS NULL)", name=op.f("ck_revalidation_rule")
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_revalidation_batch_id")),
        sa.ForeignKeyConstraint(["stage_id"], ["stage.id"], name=op.f("fk_revalidation_stage_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revalidation")),
    )
    op.create_index(
        op.f("ix_revalidation_batch_id_id"), "revalidation", ["batch_id", "id"], unique=False
    )
