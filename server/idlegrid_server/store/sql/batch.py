"""Batches, their stages and answers."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class BatchRow(NamedTuple):
    """What a scientist submitted."""

    id: int
    account_id: int
    app_version_id: int
    name: str
    state: str
    reason: str
    resume_state: str | None
    version: int
    idempotency_key: str | None
    spec: str
    seed: bytes
    priority: int
    on_failure: str
    revision: int
    answer_stale: int
    canaries: int
    canary_proven_until: int | None
    canary_until: int | None
    brake_after: int | None
    due_at: int | None
    created_at: int
    finished_at: int | None


class StageRow(NamedTuple):
    """A step of a batch with its counters."""

    id: int
    batch_id: int
    idx: int
    kind: str
    state: str
    placement: str
    app_version_id: int
    program: str
    inputs: str
    policy: str
    memory_bytes: int
    profile: str
    validator: str | None
    validator_hash: bytes | None
    dispatchable: int
    queue_rev: int
    reopen_from: int | None
    settle_from: int | None
    release_from: int | None
    expected: int
    created: int
    assimilated: int
    failed: int
    cancelled: int
    provisional: int


class StageFactsRow(NamedTuple):
    """What of a stage never changes, for the descriptors of its tasks."""

    stage_id: int
    idx: int
    batch_id: int
    batch_name: str
    batch_seed: bytes
    app: str
    version: str
    release: bytes
    release_hash: bytes
    program: str
    inputs: str
    policy: str


class AnswerRow(NamedTuple):
    """An answer; older revisions stay."""

    batch_id: int
    revision: int
    manifest: bytes
    detail: str
    created_at: int


_BATCH = "SELECT " + ", ".join(BatchRow._fields) + " FROM batch"
_STAGE = "SELECT " + ", ".join(StageRow._fields) + " FROM stage"
_ANSWER = "SELECT batch_id, revision, manifest, detail, created_at FROM answer"

BATCH_BY_ID = Query("batch_by_id", "a batch", _BATCH + " WHERE id = :batch_id", BatchRow._make)
BATCH_BY_ID_LOCKED = Query(
    "batch_by_id_locked",
    "change a batch",
    _BATCH + " WHERE id = :batch_id {lock}",
    BatchRow._make,
)
BATCH_BY_KEY = Query(
    "batch_by_key",
    "a batch that was submitted before with this key",
    _BATCH + " WHERE account_id = :account_id AND idempotency_key = :idempotency_key",
    BatchRow._make,
)
BATCHES_BEFORE = Query(
    "batches_before",
    "list all batches by pages, newest first",
    _BATCH + " WHERE id < :before ORDER BY id DESC LIMIT :limit",
    BatchRow._make,
)
BATCHES_OF_ACCOUNT_BEFORE = Query(
    "batches_of_account_before",
    "list a scientist's batches by pages, newest first",
    _BATCH + " WHERE account_id = :account_id AND id < :before ORDER BY id DESC LIMIT :limit",
    BatchRow._make,
)
BATCHES_DUE = Query(
    "batches_due",
    "batches that wait for a pass, longest first",
    _BATCH + " WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit",
    BatchRow._make,
)
BATCH_COUNTS = Query(
    "batch_counts",
    "how many batches are in each state",
    "SELECT state, COUNT(*) FROM batch GROUP BY state ORDER BY state",
    lambda row: (str(row[0]), int(row[1])),
)
BATCH_INSERT = Query(
    "batch_insert",
    "make a batch",
    """
    INSERT INTO batch (account_id, app_version_id, name, state, idempotency_key, spec, seed,
                       priority, on_failure, created_at)
    VALUES (:account_id, :app_version_id, :name, 'draft', :idempotency_key, :spec, :seed,
            :priority, :on_failure, :now)
    RETURNING id
    """,
)
BATCH_SET_STATE = Query(
    "batch_set_state",
    "bring a batch to another state",
    """
    UPDATE batch SET state = :state, reason = :reason, resume_state = :resume_state,
                     finished_at = :finished_at
    WHERE id = :batch_id
    """,
)
BATCH_SET_DUE = Query(
    "batch_set_due",
    "a pass has looked: when to look again, at a new version",
    "UPDATE batch SET due_at = :due_at, version = version + 1 WHERE id = :batch_id",
)
BATCH_WAKE = Query(
    "batch_wake",
    "let a pass look at a batch now",
    """
    UPDATE batch SET version = version + 1,
        due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END
    WHERE id = :batch_id
    """,
)
BATCH_TOUCH = Query(
    "batch_touch",
    "plans made before this do not hold any more",
    "UPDATE batch SET version = version + 1 WHERE id = :batch_id",
)
BATCH_CANARIES = Query(
    "batch_canaries",
    "a batch's first units go out alone; a pass looks when they have had their time",
    """
    UPDATE batch SET canaries = :canaries, canary_proven_until = :proven_until,
        canary_until = :until, due_at = :due_at
    WHERE id = :batch_id
    """,
)
BATCH_CANARIES_OPEN = Query(
    "batch_canaries_open",
    "a batch's canaries are not kept for proven hosts any more",
    "UPDATE batch SET canary_proven_until = NULL WHERE id = :batch_id",
)
BATCH_FORGIVEN = Query(
    "batch_forgiven",
    "the brake looks at newer errors only",
    "UPDATE batch SET brake_after = :now WHERE id = :batch_id",
)
BATCH_ANSWERED = Query(
    "batch_answered",
    "a batch has a newer answer",
    """
    UPDATE batch SET revision = :revision, answer_stale = 0, version = version + 1
    WHERE id = :batch_id
    """,
)
BATCH_ANSWER_STALE = Query(
    "batch_answer_stale",
    "an output changed since the newest answer",
    "UPDATE batch SET answer_stale = 1 WHERE id = :batch_id AND revision > 0",
)

STAGES_OF_BATCH = Query(
    "stages_of_batch",
    "a batch's steps in order",
    _STAGE + " WHERE batch_id = :batch_id ORDER BY idx",
    StageRow._make,
)
STAGES_OF_BATCHES = Query(
    "stages_of_batches",
    "the steps of several batches",
    _STAGE + " WHERE batch_id {in:batch_ids} ORDER BY batch_id, idx",
    StageRow._make,
)
STAGE_BY_ID_LOCKED = Query(
    "stage_by_id_locked",
    "add units to a step, or end it",
    _STAGE + " WHERE id = :stage_id {lock}",
    StageRow._make,
)
STAGE_FACTS = Query(
    "stage_facts",
    "what the descriptors of a stage's tasks say, the same for all of them",
    """
    SELECT s.id, s.idx, s.batch_id, b.name, b.seed, a.name, v.version, v.release, v.release_hash,
           s.program, s.inputs, s.policy
    FROM stage s
    JOIN batch b ON b.id = s.batch_id
    JOIN app_version v ON v.id = s.app_version_id
    JOIN app a ON a.id = v.app_id
    WHERE s.id = :stage_id
    """,
    StageFactsRow._make,
)
STAGES_UNSETTLED = Query(
    "stages_unsettled",
    "stages that ended early and still have live units",
    """
    SELECT id FROM stage WHERE settle_from IS NOT NULL ORDER BY id LIMIT :limit
    """,
    lambda row: int(row[0]),
)
STAGES_TO_RELEASE = Query(
    "stages_to_release",
    "stages whose canaries passed and whose other units have no tasks yet",
    "SELECT id FROM stage WHERE release_from IS NOT NULL ORDER BY id LIMIT :limit",
    lambda row: int(row[0]),
)
STAGE_INSERT = Query(
    "stage_insert",
    "make a step",
    """
    INSERT INTO stage (batch_id, idx, kind, state, placement, app_version_id, app_id, program,
                       inputs, policy, memory_bytes, profile, cores, disk_bytes, features,
                       audience, files, subject, homogeneous, migrates,
                       validator, validator_hash, expected, ops_weight, ops_total, ops_square)
    VALUES (:batch_id, :idx, :kind, 'waiting', :placement, :app_version_id,
            (SELECT app_id FROM app_version WHERE id = :app_version_id), :program, :inputs,
            :policy, :memory_bytes, :profile, :cores, :disk_bytes, :features,
            :audience, :files, :subject, :homogeneous, :migrates, :validator,
            :validator_hash, :expected, :ops_weight, :ops_total, :ops_square)
    RETURNING id
    """,
)
STAGE_HOST_INSERT = Query(
    "stage_host_insert",
    "a host that a step is for",
    "INSERT INTO stage_host (stage_id, host_id) VALUES (:stage_id, :host_id)",
)
STAGE_HOSTS = Query(
    "stage_hosts",
    "the hosts that a step is for",
    "SELECT host_id FROM stage_host WHERE stage_id = :stage_id ORDER BY host_id LIMIT :limit",
    lambda row: int(row[0]),
)
STAGE_SET_STATE = Query(
    "stage_set_state",
    "bring a step to another state; the units of one that ended early are to be settled",
    "UPDATE stage SET state = :state, settle_from = :settle_from WHERE id = :stage_id",
)
STAGE_SET_EXPECTED = Query(
    "stage_set_expected",
    "how many units a step will have",
    "UPDATE stage SET expected = :expected WHERE id = :stage_id",
)
STAGE_CREATED = Query(
    "stage_created",
    "units were added",
    """
    UPDATE stage SET created = created + :count, queue_rev = queue_rev + 1,
                     unit_files = CASE WHEN :unit_files = 1 THEN 1 ELSE unit_files END,
                     dispatchable = :dispatchable
    WHERE id = :stage_id
    """,
)
STAGE_COUNT = Query(
    "stage_count",
    "units of a step ended, or were opened again",
    """
    UPDATE stage SET assimilated = assimilated + :assimilated, failed = failed + :failed,
                     cancelled = cancelled + :cancelled, provisional = provisional + :provisional
    WHERE id = :stage_id
    RETURNING expected, assimilated + failed + cancelled, state,
        (SELECT state FROM batch WHERE batch.id = stage.batch_id)
    """,
    lambda row: (int(row[0]), int(row[1]), str(row[2]), str(row[3])),
)
STAGE_QUEUED = Query(
    "stage_queued",
    "a step has tasks to send again, if its batch sends any",
    """
    UPDATE stage SET queue_rev = queue_rev + 1,
        dispatchable = CASE
            WHEN state = 'running' AND placement = 'grid' AND batch_id IN (
                SELECT id FROM batch WHERE state IN ('canary', 'running', 'combining')
            ) THEN 1 ELSE 0 END
    WHERE id = :stage_id
    """,
)
STAGE_EMPTY = Query(
    "stage_empty",
    "a step was found without tasks to send, unless some were made since",
    "UPDATE stage SET dispatchable = 0 WHERE id = :stage_id AND queue_rev = :queue_rev",
)
STAGES_RELEASED = Query(
    "stages_released",
    "canaries passed: the other units of the running step get their tasks",
    "UPDATE stage SET release_from = 0 WHERE batch_id = :batch_id AND state = 'running'",
)
STAGE_RELEASED_TO = Query(
    "stage_released_to",
    "how far the units that waited for canaries have got their tasks",
    "UPDATE stage SET release_from = :release_from WHERE id = :stage_id",
)
STAGE_REVALIDATE = Query(
    "stage_revalidate",
    "another validator for a step: its units are to be looked at from the first on",
    """
    UPDATE stage SET validator = :validator, validator_hash = :validator_hash, reopen_from = 0
    WHERE id = :stage_id
    """,
)
STAGE_REOPENED_TO = Query(
    "stage_reopened_to",
    "how far the units of a step were looked at under its new validator",
    "UPDATE stage SET reopen_from = :reopen_from WHERE id = :stage_id",
)
STAGE_SETTLED_TO = Query(
    "stage_settled_to",
    "how far the units of a step that ended early were marked",
    "UPDATE stage SET settle_from = :settle_from WHERE id = :stage_id",
)

ANSWER_INSERT = Query(
    "answer_insert",
    "store an answer",
    """
    INSERT INTO answer (batch_id, revision, manifest, detail, created_at)
    VALUES (:batch_id, :revision, :manifest, :detail, :now)
    """,
)
ANSWER_OF_REVISION = Query(
    "answer_of_revision",
    "one revision of an answer",
    _ANSWER + " WHERE batch_id = :batch_id AND revision = :revision",
    AnswerRow._make,
)
ANSWERS_OF_BATCH = Query(
    "answers_of_batch",
    "all revisions of an answer, newest first",
    _ANSWER + " WHERE batch_id = :batch_id ORDER BY revision DESC LIMIT :limit",
    AnswerRow._make,
)
