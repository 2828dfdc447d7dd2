"""Tasks that tell of their progress may be given longer."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    extended = sa.Column("extended", sa.SmallInteger(), server_default="0", nullable=False)
    op.add_column("task", extended)
    told = sa.Column("told_ppm", sa.Integer(), server_default="0", nullable=False)
    op.add_column("task", told)
    op.add_column("task", sa.Column("longest_at", sa.BigInteger(), nullable=True))
