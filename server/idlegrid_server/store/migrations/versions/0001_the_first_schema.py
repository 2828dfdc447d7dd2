"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("disabled", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("credit_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "role IN ('volunteer', 'scientist', 'moderator', 'operator', 'admin')",
            name="ck_account_role",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("email", name="uq_account_email"),
    )
    op.create_table(
        "credit",
        sa.Column(
            "task_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("host_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("micro", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("micro >= 0", name="ck_credit_micro"),
        sa.PrimaryKeyConstraint("task_id", name="pk_credit"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index(
        "ix_event_kind_object_id_id", "event", ["kind", "object_id", "id"], unique=False
    )
    op.create_table(
        "file",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("public", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("bytes >= 0", name="ck_file_bytes"),
        sa.PrimaryKeyConstraint("sha256", name="pk_file"),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
        sa.UniqueConstraint("code", "source", name="uq_incident_code_source"),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("errors", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("lease_by", sa.Text(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="ck_job_lease"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="ck_job_state"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index(
        "ux_job_live",
        "job",
        ["kind", "object_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "manifest",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_manifest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "output",
        sa.Column("stage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stage_id", "idx", "since", name="pk_output"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ux_output_current",
        "output",
        ["unit_id"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("host_id", sa.BigInteger(), nullable=True),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("subnet", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("deadline_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=True),
        sa.Column("manifest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("ops", sa.BigInteger(), nullable=True),
        sa.Column("elapsed_us", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("credit_micro", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'success') <= (manifest IS NOT NULL)", name="ck_task_manifest"
        ),
        sa.CheckConstraint("(state = 'success') = (verdict IS NOT NULL)", name="ck_task_judged"),
        sa.CheckConstraint("state <> 'unsent' OR host_id IS NULL", name="ck_task_unsent"),
        sa.CheckConstraint(
            "state IN ('unsent', 'in_progress', 'success', 'error', 'timed_out', 'aborted', 'unneeded', 'lost')",
            name="ck_task_state",
        ),
        sa.CheckConstraint(
            "state IN ('unsent', 'unneeded') OR host_id IS NOT NULL", name="ck_task_held"
        ),
        sa.CheckConstraint(
            "verdict IS NULL OR verdict IN ('pending', 'valid', 'invalid', 'inconclusive', 'too_late')",
            name="ck_task_verdict",
        ),
        sa.CheckConstraint("credit_micro IS NULL OR verdict IS NOT NULL", name="ck_task_credit"),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
    )
    op.create_index(
        "ix_task_held",
        "task",
        ["host_id"],
        unique=False,
        sqlite_where=sa.text("state = 'in_progress'"),
        postgresql_where=sa.text("state = 'in_progress'"),
    )
    op.create_index("ux_task_unit_n", "task", ["unit_id", "n"], unique=True)
    op.create_table(
        "task_log",
        sa.Column(
            "task_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("stderr", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="pk_task_log"),
    )
    op.create_table(
        "work_unit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stage_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("target", sa.SmallInteger(), nullable=False),
        sa.Column("n_tasks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("n_unsent", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("started", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=True),
        sa.Column("canonical_task", sa.BigInteger(), nullable=True),
        sa.Column("canonical_manifest", sa.LargeBinary(length=32), nullable=True),
        sa.CheckConstraint(
            "(state IN ('valid', 'assimilated', 'provisional')) <= (canonical_manifest IS NOT NULL)",
            name="ck_work_unit_canonical",
        ),
        sa.CheckConstraint(
            "state IN ('open', 'provisional', 'valid', 'assimilated', 'retired', 'failed', 'cancelled')",
            name="ck_work_unit_state",
        ),
        sa.CheckConstraint("n_unsent >= 0 AND n_unsent <= n_tasks", name="ck_work_unit_unsent"),
        sa.PrimaryKeyConstraint("id", name="pk_work_unit"),
    )
    op.create_index(
        "ix_unit_dispatch",
        "work_unit",
        ["stage_id", "started", "id"],
        unique=False,
        sqlite_where=sa.text("n_unsent > 0"),
        postgresql_where=sa.text("n_unsent > 0"),
    )
    op.create_index(
        "ix_unit_due",
        "work_unit",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_unit_failed",
        "work_unit",
        ["stage_id", "idx"],
        unique=False,
        sqlite_where=sa.text("state = 'failed'"),
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index("ux_unit_stage_idx", "work_unit", ["stage_id", "idx"], unique=True)
    op.create_table(
        "account_file",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_file_account_id"),
        sa.ForeignKeyConstraint(["sha256"], ["file.sha256"], name="fk_account_file_sha256"),
        sa.PrimaryKeyConstraint("account_id", "sha256", name="pk_account_file"),
    )
    op.create_table(
        "app",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_app_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_app"),
        sa.UniqueConstraint("name", name="uq_app_name"),
    )
    op.create_table(
        "host",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("house", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_request", sa.Text(), nullable=True),
        sa.Column("last_body", sa.LargeBinary(length=32), nullable=True),
        sa.Column("subnet", sa.Text(), server_default="", nullable=False),
        sa.Column("machine", sa.Text(), server_default="{}", nullable=False),
        sa.Column("cores", sa.Integer(), server_default="1", nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("profiles", sa.Text(), server_default="", nullable=False),
        sa.Column("tasks_max", sa.Integer(), server_default="8", nullable=False),
        sa.Column("n_in_progress", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_success", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_error", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_timed_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_valid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("n_invalid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credit_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('new', 'probation', 'trusted', 'quarantined', 'banned', 'retired')",
            name="ck_host_state",
        ),
        sa.CheckConstraint("n_in_progress >= 0", name="ck_host_in_progress"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_host_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_host"),
        sa.UniqueConstraint("device", name="uq_host_device"),
    )
    op.create_index("ix_host_account_id", "host", ["account_id"], unique=False)
    op.create_table(
        "token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("single_use", sa.SmallInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_token_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("hash", name="uq_token_hash"),
    )
    op.create_index("ix_token_account_id", "token", ["account_id"], unique=False)
    op.create_table(
        "upload",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(account_id IS NULL) <> (task_id IS NULL)", name="ck_upload_owner"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_upload_account_id"),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_upload_task_id"),
        sa.PrimaryKeyConstraint("id", name="pk_upload"),
        sa.UniqueConstraint("name", name="uq_upload_name"),
    )
    op.create_index("ix_upload_expires_at", "upload", ["expires_at"], unique=False)
    op.create_index(
        "ux_upload_account",
        "upload",
        ["account_id", "sha256"],
        unique=True,
        sqlite_where=sa.text("account_id IS NOT NULL"),
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )
    op.create_index(
        "ux_upload_task",
        "upload",
        ["task_id", "sha256"],
        unique=True,
        sqlite_where=sa.text("task_id IS NOT NULL"),
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.create_table(
        "app_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("release", sa.LargeBinary(), nullable=False),
        sa.Column("release_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("deprecated", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name="fk_app_version_app_id"),
        sa.PrimaryKeyConstraint("id", name="pk_app_version"),
        sa.UniqueConstraint(
            "app_id", "version", "platform", name="uq_app_version_app_id_version_platform"
        ),
        sa.UniqueConstraint("release_hash", name="uq_app_version_release_hash"),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("app_version_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("resume_state", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("seed", sa.LargeBinary(length=32), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("on_failure", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("answer_stale", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'paused') = (resume_state IS NOT NULL)", name="ck_batch_resume"
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'checking', 'canary', 'running', 'paused', 'combining', 'complete', 'complete_with_failures', 'failed', 'cancelled', 'retired')",
            name="ck_batch_state",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_batch_account_id"),
        sa.ForeignKeyConstraint(
            ["app_version_id"], ["app_version.id"], name="fk_batch_app_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
        sa.UniqueConstraint(
            "account_id", "idempotency_key", name="uq_batch_account_id_idempotency_key"
        ),
    )
    op.create_index("ix_batch_account_id_id", "batch", ["account_id", "id"], unique=False)
    op.create_index(
        "ix_batch_due",
        "batch",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "answer",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("manifest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_answer_batch_id"),
        sa.PrimaryKeyConstraint("batch_id", "revision", name="pk_answer"),
    )
    op.create_table(
        "stage",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("app_version_id", sa.BigInteger(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("dispatchable", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("queue_rev", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("settle_from", sa.BigInteger(), nullable=True),
        sa.Column("expected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("assimilated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('map', 'combine')", name="ck_stage_kind"),
        sa.CheckConstraint("placement IN ('grid', 'server')", name="ck_stage_placement"),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'complete', 'failed', 'cancelled')",
            name="ck_stage_state",
        ),
        sa.CheckConstraint("assimilated + failed + cancelled <= created", name="ck_stage_counted"),
        sa.CheckConstraint("created <= expected", name="ck_stage_created"),
        sa.ForeignKeyConstraint(
            ["app_version_id"], ["app_version.id"], name="fk_stage_app_version_id"
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_stage_batch_id"),
        sa.PrimaryKeyConstraint("id", name="pk_stage"),
        sa.UniqueConstraint("batch_id", "idx", name="uq_stage_batch_id_idx"),
    )
    op.create_index(
        "ix_stage_dispatch",
        "stage",
        ["profile", "memory_bytes"],
        unique=False,
        sqlite_where=sa.text("dispatchable = 1"),
        postgresql_where=sa.text("dispatchable = 1"),
    )
    op.create_index(
        "ix_stage_settle",
        "stage",
        ["id"],
        unique=False,
        sqlite_where=sa.text("settle_from IS NOT NULL"),
        postgresql_where=sa.text("settle_from IS NOT NULL"),
    )
