"""Confirmed results by day, of hosts on probation and of others: newcomers must not take over."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "confirmed_day",
        sa.Column("day", big, autoincrement=False, nullable=False),
        sa.Column("newcomers", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("others", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_confirmed_day"),
    )
    # Who was on probation then is not told by day: what is past counts for the others.
    op.execute(
        "INSERT INTO confirmed_day (day, newcomers, others) "
        "SELECT at / 86400000000, 0, COUNT(*) FROM event "
        "WHERE kind = 'verdict' AND to_state = 'valid' GROUP BY at / 86400000000"
    )
