"""How many results of a host wait for a verdict: newcomers get no more than a dozen ahead."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "host", sa.Column("n_unjudged", sa.BigInteger(), server_default="0", nullable=False)
    )
    waiting = op.get_bind().execute(
        sa.text(
            "SELECT t.host_id, COUNT(*) FROM task t JOIN work_unit u ON u.id = t.unit_id "
            "WHERE t.verdict = 'pending' OR (t.verdict = 'inconclusive' "
            "AND u.state IN ('open', 'provisional')) GROUP BY t.host_id"
        )
    )
    for host_id, count in waiting.fetchall():
        op.get_bind().execute(
            sa.text("UPDATE host SET n_unjudged = :count WHERE id = :host_id"),
            {"count": count, "host_id": host_id},
        )
