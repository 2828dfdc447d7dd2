"""What stages ask of hosts, whom they are for, and which large files they need."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _text(table: str, name: str) -> None:
    op.add_column(table, sa.Column(name, sa.Text(), server_default="", nullable=False))


def upgrade() -> None:
    op.add_column("stage", sa.Column("cores", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "stage", sa.Column("disk_bytes", sa.BigInteger(), server_default="0", nullable=False)
    )
    for name in ("features", "audience", "files"):
        _text("stage", name)
    op.add_column(
        "stage", sa.Column("unit_files", sa.SmallInteger(), server_default="0", nullable=False)
    )
    _text("host", "features")
    op.create_table(
        "stage_host",
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stage_id", "host_id", name="pk_stage_host"),
        sqlite_with_rowid=False,
    )
    op.add_column("work_unit", sa.Column("for_host", sa.BigInteger(), nullable=True))
    waiting = sa.text("for_host IS NOT NULL AND n_unsent > 0")
    op.create_index(
        "ix_unit_for_host",
        "work_unit",
        ["for_host", "stage_id", "id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
