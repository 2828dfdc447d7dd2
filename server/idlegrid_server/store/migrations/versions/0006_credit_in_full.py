"""Credit that is pending, shared, averaged and told day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
WEEK_US = 7 * 86_400 * 1_000_000


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    for table in ("account", "host"):
        for name in ("recent_micro", "recent_at"):
            op.add_column(table, _count(name))
    for name in ("bench_micro", "bench_us"):
        op.add_column("host", _count(name))
    for name in ("resumed_ops", "cpu_us"):
        op.add_column("task", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("work_unit", sa.Column("agreed_micro", sa.BigInteger(), nullable=True))
    op.execute("ALTER TABLE credit RENAME TO credit_before")
    op.create_table(
        "credit",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("of_task", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base_micro", sa.BigInteger(), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'paid')", name="ck_credit_state"),
        sa.CheckConstraint("micro >= 0 AND micro <= base_micro", name="ck_credit_micro"),
        sa.PrimaryKeyConstraint("task_id", "of_task", name="pk_credit_shared"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO credit (task_id, of_task, host_id, account_id, state, base_micro, micro, at) "
        "SELECT task_id, task_id, host_id, account_id, 'paid', micro, micro, at FROM credit_before"
    )
    for name in ("host", "account"):
        op.create_index(
            f"ix_credit_pending_{name}",
            "credit",
            [f"{name}_id"],
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )
    op.create_table(
        "credit_spread",
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("units >= 0", name="ck_credit_spread_units"),
        sa.PrimaryKeyConstraint("stage_id", "bucket", name="pk_credit_spread"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statistic",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("app_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("results", sa.BigInteger(), nullable=False),
        sa.Column("base_micro", sa.BigInteger(), nullable=False),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account_id", "host_id", "app_id", name="pk_statistic"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_statistic_account", "statistic", ["account_id", "day"])
    op.create_index("ix_statistic_host", "statistic", ["host_id", "day"])
    op.execute(
        """
        INSERT INTO statistic (day, account_id, host_id, app_id, results, base_micro, micro)
        SELECT c.at / 86400000000, COALESCE(c.account_id, 0), c.host_id, v.app_id,
               COUNT(*), SUM(c.base_micro), SUM(c.micro)
        FROM credit c JOIN task t ON t.id = c.task_id JOIN work_unit u ON u.id = t.unit_id
        JOIN stage s ON s.id = u.stage_id JOIN app_version v ON v.id = s.app_version_id
        GROUP BY c.at / 86400000000, COALESCE(c.account_id, 0), c.host_id, v.app_id
        """
    )
    op.execute("DROP TABLE credit_before")
    for owner in ("account", "host"):
        _average(owner)


def _average(owner: str) -> None:
    """Recent credit from all that was paid so far, as the program will go on with it."""
    db = op.get_bind()
    sums: dict[int, tuple[float, int]] = {}
    column = f"{owner}_id"
    rows = db.execute(
        sa.text(f"SELECT {column}, micro, at FROM credit WHERE {column} IS NOT NULL ORDER BY at")  # noqa: S608
    )
    for owner_id, micro, at in rows:
        value, since = sums.get(owner_id, (0.0, at))
        sums[owner_id] = (value * 2.0 ** (-(at - since) / WEEK_US) + micro, at)
    for owner_id, (value, at) in sorted(sums.items()):
        db.execute(
            sa.text(f"UPDATE {owner} SET recent_micro = :micro, recent_at = :at WHERE id = :id"),  # noqa: S608
            {"micro": round(value), "at": at, "id": owner_id},
        )
