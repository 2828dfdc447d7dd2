"""How far hosts are believed, and single results that wait until their host's word is final."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "reputation",
        sa.Column("host_id", big, autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("passed", sa.Double(), server_default="0", nullable=False),
        sa.Column("failed", sa.Double(), server_default="0", nullable=False),
        sa.Column("faded_at", sa.BigInteger(), nullable=False),
        sa.Column("checks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("streak", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("caught_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("passed >= 0 AND failed >= 0", name="ck_reputation_sums"),
        sa.PrimaryKeyConstraint("host_id", "subject", name="pk_reputation"),
    )
    op.create_index("ix_reputation_subject", "reputation", ["subject"])
    for name in ("shut_out_until", "recheck_from"):
        op.add_column("host", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column(
        "host", sa.Column("n_shut_out", sa.BigInteger(), server_default="0", nullable=False)
    )
    _partial_index("ix_host_shut_out", "host", ["shut_out_until"], "shut_out_until IS NOT NULL")
    _partial_index("ix_host_recheck", "host", ["id"], "recheck_from IS NOT NULL")
    op.add_column(
        "app", sa.Column("typical_ops", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column(
        "stage", sa.Column("provisional", sa.BigInteger(), server_default="0", nullable=False)
    )
    _partial_index("ix_stage_provisional", "stage", ["id"], "provisional > 0")
    op.add_column("work_unit", sa.Column("reserved_until", sa.BigInteger(), nullable=True))
    op.add_column("work_unit", sa.Column("held_by", sa.BigInteger(), nullable=True))
    op.add_column("work_unit", sa.Column("held_for", sa.Text(), nullable=True))
    # As text: SQLite takes a CHECK only together with a new column, which Alembic does not write.
    op.execute(
        "ALTER TABLE work_unit ADD COLUMN final_at BIGINT CONSTRAINT ck_work_unit_final CHECK ("
        "(state = 'provisional') = (final_at IS NOT NULL) "
        "AND (final_at IS NULL) = (held_by IS NULL) AND (held_by IS NULL) = (held_for IS NULL))"
    )
    held = "state = 'provisional'"
    _partial_index("ix_unit_held", "work_unit", ["held_by", "held_for", "final_at"], held)
    _partial_index("ix_unit_provisional", "work_unit", ["stage_id", "held_by"], held)


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
