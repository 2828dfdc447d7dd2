"""Validators: the rule of a stage, and what it found out about outputs."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stage", sa.Column("validator", sa.Text(), nullable=True))
    # As text: SQLite takes a CHECK only together with a new column, which Alembic does not write.
    blob = "BLOB" if op.get_bind().dialect.name == "sqlite" else "BYTEA"
    op.execute(
        f"ALTER TABLE stage ADD COLUMN validator_hash {blob} "
        "CONSTRAINT ck_stage_validator CHECK ((validator IS NULL) = (validator_hash IS NULL))"
    )
    op.create_table(
        "output_check",
        sa.Column("validator", sa.LargeBinary(length=32), nullable=False),
        sa.Column("manifest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('good', 'failed', 'unreadable')", name=op.f("ck_output_check_outcome")
        ),
        sa.PrimaryKeyConstraint("validator", "manifest", name=op.f("pk_output_check")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "comparison",
        sa.Column("validator", sa.LargeBinary(length=32), nullable=False),
        sa.Column("a", sa.LargeBinary(length=32), nullable=False),
        sa.Column("b", sa.LargeBinary(length=32), nullable=False),
        sa.Column("agrees", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("a < b", name=op.f("ck_comparison_ordered")),
        sa.CheckConstraint("agrees IN (0, 1)", name=op.f("ck_comparison_agrees")),
        sa.PrimaryKeyConstraint("validator", "a", "b", name=op.f("pk_comparison")),
        sqlite_with_rowid=False,
    )
    waiting = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_job_waiting", "job", ["id"], sqlite_where=waiting, postgresql_where=waiting)
