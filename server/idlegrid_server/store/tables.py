"""The schema. Illegal states cannot be stored: enums by CHECK, uniqueness by (partial) indexes.

Times are int64 µs UTC, ids int64, bytes and ops int64, credit int64 micro-credits, hashes raw
32 bytes. The same schema serves SQLite and PostgreSQL; `migrations/` builds it by Alembic.
"""

from typing import get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from idlegrid_server.domain import model

from .credit_table import credit, credit_spread, statistic
from .job_table import job
from .metadata import metadata
from .pulse_table import failure, pulse
from .refusal_table import refusal
from .standing_table import confirmed_day, reputation
from .validation_table import comparison, output_check, revalidation

__all__ = [
    "comparison",
    "confirmed_day",
    "credit",
    "credit_spread",
    "failure",
    "job",
    "metadata",
    "output_check",
    "pulse",
    "refusal",
    "reputation",
    "revalidation",
    "statistic",
]

# SQLite only gives 64-bit rowids to a column typed INTEGER PRIMARY KEY.
Id = BigInteger().with_variant(Integer, "sqlite")


def _one_of(column: str, states: object) -> CheckConstraint:
    values = ", ".join(f"'{state}'" for state in get_args(states))
    return CheckConstraint(f"{column} IN ({values})", name=column)


def _flag(name: str, default: int = 0) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=str(default))


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _sum(name: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default="0")


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    rows = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=rows, postgresql_where=rows)


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(f"{target}.id"), nullable=nullable)


ROLES = ("volunteer", "scientist", "moderator", "operator", "admin")

account = Table(
    "account",
    metadata,
    _id(),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("role", Text, nullable=False),
    _flag("disabled"),
    _count("credit_micro"),
    _count("recent_micro"),  # domain/average.py, as it stood at recent_at
    _count("recent_at"),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("role IN ({})".format(", ".join(f"'{r}'" for r in ROLES)), name="role"),
)

token = Table(
    "token",
    metadata,
    _id(),
    _ref("account_id", "account"),
    Column("hash", LargeBinary(32), nullable=False, unique=True),  # SHA-256 of the token
    Column("label", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # space-separated
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("single_use", SmallInteger, nullable=False, server_default="0"),
    Index(None, "account_id"),
)

host = Table(
    "host",
    metadata,
    _id(),
    Column("device", LargeBinary(32), nullable=False, unique=True),
    _ref("account_id", "account", nullable=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    _flag("house"),
    Column("seq", BigInteger, nullable=False, server_default="0"),
    Column("last_request", Text),
    Column("last_body", LargeBinary(32)),
    Column("subnet", Text, nullable=False, server_default=""),
    Column("machine", Text, nullable=False, server_default="{}"),  # JSON, wire.Machine
    Column("cores", Integer, nullable=False, server_default="1"),
    Column("memory_bytes", BigInteger, nullable=False, server_default="0"),
    Column("profiles", Text, nullable=False, server_default=""),  # space-separated
    Column("kind", Text, nullable=False, server_default=""),  # domain/kind.py: machine_kind
    Column(
        "features", Text, nullable=False, server_default=""
    ),  # of its processor, space-separated
    Column("tasks_max", Integer, nullable=False, server_default="8"),  # cap in progress
    _count("n_in_progress"),
    _count("n_unjudged"),  # results without a verdict, as far as one may still come
    _count("n_success"),
    _count("n_error"),
    _count("n_timed_out"),
    _count("n_valid"),
    _count("n_invalid"),
    _count("credit_micro"),
    _sum("late_weight"),  # how much later than expected its results come: domain/estimate.py
    _sum("late_total"),
    _sum("late_square"),
    _count("recent_micro"),  # domain/average.py, as it stood at recent_at
    _count("recent_at"),
    _count("bench_micro"),  # domain/benchmark.py: what it was credited for counted ops…
    _count("bench_us"),  # …and how long it took for that, of late
    Column("shut_out_until", BigInteger),  # quarantined until then; NULL = until somebody decides
    _count("n_shut_out"),  # times it was quarantined by its results
    Column("recheck_from", BigInteger),  # its singles from this unit on are to be judged anew
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    _one_of("state", model.HostState),
    CheckConstraint("n_in_progress >= 0", name="in_progress"),
    Index(None, "account_id"),
    _partial("ix_host_shut_out", "shut_out_until", where="shut_out_until IS NOT NULL"),
    _partial("ix_host_recheck", "id", where="recheck_from IS NOT NULL"),
)

app = Table(
    "app",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("summary", Text, nullable=False, server_default=""),
    _ref("account_id", "account"),
    _flag("paused"),
    _count("typical_ops"),  # of its accepted results, about; 0 = none yet
    Column("created_at", BigInteger, nullable=False),
)

app_version = Table(
    "app_version",
    metadata,
    _id(),
    _ref("app_id", "app"),
    Column("version", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("release", LargeBinary, nullable=False),  # JSON of signing.Signed
    Column("release_hash", LargeBinary(32), nullable=False, unique=True),  # of the signed body
    _flag("deprecated"),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("app_id", "version", "platform"),
)

file = Table(
    "file",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    _flag("public"),
    Column("data", LargeBinary),  # small files live here; NULL = in the content-addressed folder
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("bytes >= 0", name="bytes"),
)

account_file = Table(
    "account_file",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id"), primary_key=True),
    Column("sha256", LargeBinary(32), ForeignKey("file.sha256"), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),  # random, outside name
    _ref("account_id", "account", nullable=True),
    Column("task_id", BigInteger, ForeignKey("task.id")),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    _flag("done"),
    Column("checkpoint_ops", BigInteger),  # it is a task's checkpoint, and so far had that come
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    CheckConstraint("(account_id IS NULL) <> (task_id IS NULL)", name="owner"),
    _partial("ux_upload_task", "task_id", "sha256", where="task_id IS NOT NULL", unique=True),
    _partial(
        "ux_upload_account", "account_id", "sha256", where="account_id IS NOT NULL", unique=True
    ),
    Index(None, "expires_at"),
)

batch = Table(
    "batch",
    metadata,
    _id(),
    _ref("account_id", "account"),
    _ref("app_version_id", "app_version"),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("resume_state", Text),  # what a paused batch goes back to
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("idempotency_key", Text),
    Column("spec", Text, nullable=False),  # JSON as submitted
    Column("seed", LargeBinary(32), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),  # among its owner's
    Column("urgency", Integer, nullable=False, server_default="0"),  # among all; set by admins
    Column("on_failure", Text, nullable=False),  # JSON, model.FailurePolicy
    Column("revision", Integer, nullable=False, server_default="0"),
    _flag("answer_stale"),
    _flag("canaries"),  # how many of its first stage's units go out alone; 0 = none
    Column("canary_proven_until", BigInteger),  # until then only proven hosts get them
    Column("canary_until", BigInteger),  # from then on slow ones do not hold back the rest
    Column("brake_after", BigInteger),  # errors before this moment were forgiven by a resume
    Column("due_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    _one_of("state", model.BatchState),
    UniqueConstraint("account_id", "idempotency_key"),
    CheckConstraint("(state = 'paused') = (resume_state IS NOT NULL)", name="resume"),
    Index(None, "account_id", "id"),
    _partial("ix_batch_due", "due_at", where="due_at IS NOT NULL"),
)

stage = Table(
    "stage",
    metadata,
    _id(),
    _ref("batch_id", "batch"),
    Column("idx", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("placement", Text, nullable=False),
    _ref("app_version_id", "app_version"),
    Column("program", Text, nullable=False),
    Column("inputs", Text, nullable=False),  # JSON list of documents.TaskInput: shared by all units
    Column("policy", Text, nullable=False),  # JSON, documents.Policy
    Column("memory_bytes", BigInteger, nullable=False),
    Column("profile", Text, nullable=False),
    _count("app_id"),
    Column("cores", Integer, nullable=False, server_default="1"),  # that a host must have
    _count("disk_bytes"),
    Column("features", Text, nullable=False, server_default=""),  # space-separated
    Column("audience", Text, nullable=False, server_default=""),  # domain/requirement.py
    Column("files", Text, nullable=False, server_default=""),  # domain/locality.py: large ones
    _flag("unit_files"),  # some units have large files of their own
    Column("subject", Text, nullable=False, server_default=""),  # domain/subject.py
    Column("homogeneous", Text, nullable=False, server_default=""),  # documents.Homogeneous
    Column("validator", Text),  # JSON of validator.Validator; NULL: byte by byte
    Column("validator_hash", LargeBinary(32)),  # by which what it found is kept
    _flag("migrates"),  # what a host leaves may be continued by another
    _flag("dispatchable"),  # running, on the grid, and not known to be without unsent tasks
    _count("queue_rev"),  # grows with every unsent task made: "known to be without" holds for one
    Column("reopen_from", BigInteger),  # a new validator: units from this index on wait for it
    Column("settle_from", BigInteger),  # ended early: live units from this index on wait for an end
    Column("release_from", BigInteger),  # canaries passed: units from here on have no tasks yet
    _count("expected"),
    _count("created"),
    _count("assimilated"),
    _count("failed"),
    _count("cancelled"),
    _sum("ops_weight"),  # what its canonical results took: domain/estimate.py
    _sum("ops_total"),
    _sum("ops_square"),
    _count("provisional"),
    _one_of("kind", model.StageKind),
    _one_of("state", model.StageState),
    _one_of("placement", model.Placement),
    CheckConstraint("created <= expected", name="created"),
    CheckConstraint("(validator IS NULL) = (validator_hash IS NULL)", name="validator"),
    CheckConstraint("assimilated + failed + cancelled <= created", name="counted"),
    UniqueConstraint("batch_id", "idx"),
    Index(None, "app_version_id", "program", "id"),
    _partial("ix_stage_settle", "id", where="settle_from IS NOT NULL"),
    _partial("ix_stage_provisional", "id", where="provisional > 0"),
    _partial("ix_stage_release", "id", where="release_from IS NOT NULL"),
    _partial("ix_stage_dispatch", "profile", "memory_bytes", where="dispatchable = 1"),
)

# The hosts that a stage is for, where its audience is a list; or of which each gets its units.
stage_host = Table(
    "stage_host",
    metadata,
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("host_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

work_unit = Table(
    "work_unit",
    metadata,
    _id(),
    Column("stage_id", BigInteger, nullable=False),  # no FK: bulk inserts, checked by recount
    Column("batch_id", BigInteger, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("target", SmallInteger, nullable=False),
    Column("n_tasks", SmallInteger, nullable=False, server_default="0"),
    Column("n_unsent", SmallInteger, nullable=False, server_default="0"),
    Column("rank", SmallInteger, nullable=False, server_default="0"),  # domain/matching.py: RANKS
    Column("due_at", BigInteger),  # when a pass must look at it
    Column("args", Text, nullable=False),  # JSON list of strings
    Column("inputs", Text),  # JSON list of documents.TaskInput of this unit alone
    Column("for_host", BigInteger),  # the only host that may have it; NULL = any
    Column("known", LargeBinary(32)),  # a planted unit: the manifest of its right answer
    Column("bound_to", Text),  # the class of hosts that has it, if its stage wants them alike
    Column("agreed_micro", BigInteger),  # what each of several agreeing results is worth
    Column("canonical_task", BigInteger),
    Column("canonical_manifest", LargeBinary(32)),
    Column("reserved_until", BigInteger),  # its tasks are for proven hosts alone until then
    # Of a provisional unit: final when the checks of this host and subject come to final_at.
    Column("held_by", BigInteger),
    Column("held_for", Text),
    Column("final_at", BigInteger),
    CheckConstraint(
        "(state = 'provisional') = (final_at IS NOT NULL) "
        "AND (final_at IS NULL) = (held_by IS NULL) AND (held_by IS NULL) = (held_for IS NULL)",
        name="final",
    ),
    _one_of("state", model.UnitState),
    CheckConstraint("n_unsent >= 0 AND n_unsent <= n_tasks", name="unsent"),
    CheckConstraint("rank IN (0, 1, 2, 3)", name="rank"),
    CheckConstraint(
        "(state IN ('valid', 'assimilated', 'provisional')) <= (canonical_manifest IS NOT NULL)",
        name="canonical",
    ),
    Index("ux_unit_stage_idx", "stage_id", "idx", unique=True),
    Index(
        "ix_unit_for_host",
        "for_host",
        "stage_id",
        "id",
        sqlite_where=text("for_host IS NOT NULL AND n_unsent > 0"),
        postgresql_where=text("for_host IS NOT NULL AND n_unsent > 0"),
    ),
    _partial("ix_unit_held", "held_by", "held_for", "final_at", where="state = 'provisional'"),
    _partial("ix_unit_provisional", "stage_id", "held_by", where="state = 'provisional'"),
    _partial("ix_unit_due", "due_at", where="due_at IS NOT NULL"),
    _partial("ix_unit_open", "stage_id", "id", where="state = 'open'"),
    _partial("ix_unit_failed", "stage_id", "idx", where="state = 'failed'"),
    _partial("ix_unit_dispatch", "stage_id", "rank", "id", where="n_unsent > 0"),
)

task = Table(
    "task",
    metadata,
    _id(),
    Column("unit_id", BigInteger, nullable=False),
    Column("n", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("verdict", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("host_id", BigInteger),
    Column("account_id", BigInteger),
    Column("subnet", Text),
    Column("sent_at", BigInteger),
    Column("deadline_at", BigInteger),
    Column("received_at", BigInteger),
    Column("manifest", LargeBinary(32)),
    Column("ops", BigInteger),
    Column("elapsed_us", BigInteger),
    Column("cpu_us", BigInteger),
    Column("exit_code", BigInteger),
    Column("profile", Text),
    Column("credit_micro", BigInteger),
    Column("estimate_us", BigInteger),  # how long it was expected to run there; NULL = no idea
    Column("expected_at", BigInteger),  # when it was expected back, if its host is never away
    Column("resumed_from", BigInteger),  # the task whose checkpoint this one continues
    _flag("extended"),  # how often its deadline was moved for its progress
    Column("told_ppm", Integer, nullable=False, server_default="0"),  # its progress at that time
    Column("longest_at", BigInteger),  # the latest deadline that it may have; NULL = the first
    Column("resumed_ops", BigInteger),  # how far that says it came
    _one_of("state", model.TaskState),
    CheckConstraint(
        "verdict IS NULL OR verdict IN ({})".format(
            ", ".join(f"'{v}'" for v in get_args(model.Verdict))
        ),
        name="verdict",
    ),
    CheckConstraint("(state = 'success') = (verdict IS NOT NULL)", name="judged"),
    CheckConstraint("state IN ('unsent', 'unneeded') OR host_id IS NOT NULL", name="held"),
    CheckConstraint("state <> 'unsent' OR host_id IS NULL", name="unsent"),
    CheckConstraint("(state = 'success') <= (manifest IS NOT NULL)", name="manifest"),
    CheckConstraint("credit_micro IS NULL OR verdict IS NOT NULL", name="credit"),
    Index("ux_task_unit_n", "unit_id", "n", unique=True),
    _partial("ix_task_held", "host_id", where="state = 'in_progress'"),
    _partial(
        "ix_task_disputed", "host_id", where="verdict = 'inconclusive' AND reason = 'disputed'"
    ),
)

# What accounts may have of the grid: domain/share.py. No row: weight 1, no cap.
share = Table(
    "share",
    metadata,
    Column(
        "account_id", BigInteger, ForeignKey("account.id"), primary_key=True, autoincrement=False
    ),
    Column("weight", Double, nullable=False, server_default="1"),
    Column("time", Double),  # virtual, in ops; NULL = it has never met another
    _sum("step"),  # what its newest hand-out advanced it by
    Column("tasks_max", BigInteger),  # of its tasks that may be out at a time; NULL = any number
    _count("busy"),  # at least as many are out, if it has a cap
    CheckConstraint("weight > 0", name="weight"),
    CheckConstraint("tasks_max >= 0 AND busy >= 0", name="counts"),
)

app_cap = Table(
    "app_cap",
    metadata,
    Column("app_id", BigInteger, ForeignKey("app.id"), primary_key=True, autoincrement=False),
    Column("tasks_max", BigInteger, nullable=False),
    _count("busy"),  # at least as many of its tasks are out
    CheckConstraint("tasks_max >= 0 AND busy >= 0", name="counts"),
)

# Ops/s that valid results showed, by subject; host 0 = of all hosts together.
speed = Table(
    "speed",
    metadata,
    Column("subject", Text, primary_key=True),  # domain/subject.py
    Column("host_id", BigInteger, primary_key=True, autoincrement=False),
    _sum("weight"),
    _sum("total"),
    _sum("square"),
    sqlite_with_rowid=False,
)

# The newest checkpoint that the host of a task has left here. Its bytes lie in a folder of their
# own, away from files that are named by their hash: they come and go.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("task_id", Id, primary_key=True, autoincrement=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("ops", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    CheckConstraint("bytes >= 0 AND ops >= 0", name="counts"),
    Index(None, "unit_id"),
    Index(None, "sha256"),
)

task_log = Table(
    "task_log",
    metadata,
    Column("task_id", Id, primary_key=True, autoincrement=False),
    Column("stderr", Text, nullable=False),
)

manifest = Table(
    "manifest",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("body", LargeBinary, nullable=False),  # canonical JSON
    sqlite_with_rowid=False,  # small rows found by their key alone: one page written, not two
)

# Which output stands in a stage's index, revision by revision; `until` = the revision it left at.
output = Table(
    "output",
    metadata,
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("since", Integer, primary_key=True, autoincrement=False),
    Column("until", Integer),
    Column("unit_id", BigInteger, nullable=False),
    Column("manifest", LargeBinary(32), nullable=False),
    _partial("ux_output_current", "unit_id", where="until IS NULL", unique=True),
    sqlite_with_rowid=False,
)

answer = Table(
    "answer",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("manifest", LargeBinary(32), nullable=False),
    Column("detail", Text, nullable=False),  # JSON: counts, skipped units, provenance
    Column("created_at", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    _id(),
    Column("at", BigInteger, nullable=False),
    # unit, task, verdict and credit (of a task), stage, batch, host; app, account
    Column("kind", Text, nullable=False),
    Column("object_id", BigInteger, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("actor", Text, nullable=False, server_default=""),  # host:5, account:1, pass, sweep
    Column("detail", Text),  # JSON
    Index(None, "kind", "object_id", "id"),
)

# What went wrong at the door or inside, for the admin; equal ones are counted, not repeated.
incident = Table(
    "incident",
    metadata,
    _id(),
    Column("code", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("count", BigInteger, nullable=False, server_default="1"),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    UniqueConstraint("code", "source"),
)

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)
