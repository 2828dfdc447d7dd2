"""Results that others contradict, found by their host: nothing of it becomes final meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("verdict = 'inconclusive' AND reason = 'disputed'")
    op.create_index(
        "ix_task_disputed", "task", ["host_id"], sqlite_where=where, postgresql_where=where
    )
