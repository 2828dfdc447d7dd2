"""Units with a known answer, planted among the others."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work_unit", sa.Column("known", sa.LargeBinary(32), nullable=True))
