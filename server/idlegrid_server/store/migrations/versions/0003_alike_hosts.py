"""Hosts that are alike: what kind of machine a host is, and to which a unit is bound."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host", sa.Column("kind", sa.Text(), server_default="", nullable=False))
    op.add_column("stage", sa.Column("homogeneous", sa.Text(), server_default="", nullable=False))
    op.add_column("work_unit", sa.Column("bound_to", sa.Text(), nullable=True))
