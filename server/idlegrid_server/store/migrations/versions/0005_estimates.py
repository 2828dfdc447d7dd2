"""Estimates of run times: ops of stages, speeds and lateness of hosts, and what a task was given."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _sum(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), server_default="0", nullable=False)


def upgrade() -> None:
    op.add_column("stage", sa.Column("subject", sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE stage SET subject = profile")
    op.execute(
        "UPDATE stage SET subject = (SELECT a.name || '/' || v.version FROM app_version v "
        "JOIN app a ON a.id = v.app_id WHERE v.id = stage.app_version_id) "
        "WHERE placement = 'grid' AND app_version_id IN "
        "(SELECT id FROM app_version WHERE runtime IN ('native', 'container'))"
    )
    for name in ("ops_weight", "ops_total", "ops_square"):
        op.add_column("stage", _sum(name))
    for name in ("late_weight", "late_total", "late_square"):
        op.add_column("host", _sum(name))
    op.add_column("task", sa.Column("estimate_us", sa.BigInteger(), nullable=True))
    op.add_column("task", sa.Column("expected_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_stage_app_version_id_program_id", "stage", ["app_version_id", "program", "id"]
    )
    op.create_table(
        "speed",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("host_id", sa.BigInteger(), autoincrement=False, nullable=False),
        _sum("weight"),
        _sum("total"),
        _sum("square"),
        sa.PrimaryKeyConstraint("subject", "host_id", name="pk_speed"),
        sqlite_with_rowid=False,
    )
