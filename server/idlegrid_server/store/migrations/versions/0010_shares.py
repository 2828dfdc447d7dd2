"""Fair share and caps: virtual times of accounts, caps of accounts and apps, urgent batches."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "share",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("weight", sa.Double(), server_default="1", nullable=False),
        sa.Column("time", sa.Double(), nullable=True),
        sa.Column("step", sa.Double(), server_default="0", nullable=False),
        sa.Column("tasks_max", sa.BigInteger(), nullable=True),
        sa.Column("busy", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("weight > 0", name="ck_share_weight"),
        sa.CheckConstraint("tasks_max >= 0 AND busy >= 0", name="ck_share_counts"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_share_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_share"),
    )
    op.create_table(
        "app_cap",
        sa.Column("app_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tasks_max", sa.BigInteger(), nullable=False),
        sa.Column("busy", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("tasks_max >= 0 AND busy >= 0", name="ck_app_cap_counts"),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name="fk_app_cap_app_id"),
        sa.PrimaryKeyConstraint("app_id", name="pk_app_cap"),
    )
    op.add_column("stage", sa.Column("app_id", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(
        "UPDATE stage SET app_id = (SELECT app_id FROM app_version v WHERE v.id = app_version_id)"
    )
    op.add_column("batch", sa.Column("urgency", sa.Integer(), server_default="0", nullable=False))
