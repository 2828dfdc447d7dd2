"""Units have a rank in their stage's queue; until now they had begun or not."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As text: SQLite takes a CHECK only together with a new column, which Alembic does not write.
    op.execute(
        "ALTER TABLE work_unit ADD COLUMN rank SMALLINT DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_work_unit_rank CHECK (rank IN (0, 1, 2, 3))"
    )
    op.execute("UPDATE work_unit SET rank = started WHERE started <> 0")
    op.drop_index("ix_unit_dispatch", "work_unit")
    op.drop_column("work_unit", "started")
    unsent = sa.text("n_unsent > 0")
    op.create_index(
        "ix_unit_dispatch",
        "work_unit",
        ["stage_id", "rank", "id"],
        sqlite_where=unsent,
        postgresql_where=unsent,
    )
