"""How often hosts were refused work, hour by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusal",
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("times > 0", name="ck_refusal_times"),
        sa.PrimaryKeyConstraint("hour", "stage_id", "code", name="pk_refusal"),
        sqlite_with_rowid=False,
    )
