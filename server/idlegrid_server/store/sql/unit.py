"""Work units and their tasks, as passes, submission and the REST interface see them."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class UnitRow(NamedTuple):
    """One input of a stage."""

    id: int
    stage_id: int
    batch_id: int
    idx: int
    state: str
    reason: str
    version: int
    target: int
    n_tasks: int
    n_unsent: int
    rank: int
    due_at: int | None
    canonical_task: int | None
    canonical_manifest: bytes | None
    agreed_micro: int | None
    reserved_until: int | None
    held_by: int | None
    held_for: str | None
    final_at: int | None
    known: bytes | None


class UnitInputRow(NamedTuple):
    """What a unit's program is given."""

    id: int
    stage_id: int
    batch_id: int
    idx: int
    args: str
    inputs: str | None


class TaskRow(NamedTuple):
    """One copy of a unit."""

    id: int
    unit_id: int
    n: int
    state: str
    verdict: str | None
    reason: str
    host_id: int | None
    account_id: int | None
    subnet: str | None
    sent_at: int | None
    deadline_at: int | None
    received_at: int | None
    manifest: bytes | None
    ops: int | None
    elapsed_us: int | None
    cpu_us: int | None
    exit_code: int | None
    profile: str | None
    credit_micro: int | None
    resumed_from: int | None


class ChangingRow(NamedTuple):
    """What of a task a pass may change, and whose it is."""

    id: int
    unit_id: int
    state: str
    verdict: str | None
    reason: str
    host_id: int | None
    account_id: int | None
    credit_micro: int | None
    sent_at: int | None
    deadline_at: int | None
    received_at: int | None
    ops: int | None
    elapsed_us: int | None
    cpu_us: int | None
    resumed_from: int | None
    resumed_ops: int | None
    expected_at: int | None
    subject: str


class UnitStageRow(NamedTuple):
    """What of a unit's stage and batch bears on a decision about it."""

    stage_id: int
    state: str
    placement: str
    policy: str
    batch_state: str
    release: bytes  # JSON of signing.Signed
    batch_since: int
    validator_hash: bytes | None
    seed: bytes
    profile: str
    subject: str
    app_id: int
    typical_ops: int


_UNIT = "SELECT " + ", ".join(UnitRow._fields) + " FROM work_unit"
_TASK = "SELECT " + ", ".join(TaskRow._fields) + " FROM task"
_CHANGING = (
    "SELECT "
    + ", ".join(f"t.{name}" for name in ChangingRow._fields if name != "subject")
    + ", s.subject FROM task t JOIN work_unit u ON u.id = t.unit_id"
    " JOIN stage s ON s.id = u.stage_id"
)
_INPUT = "SELECT id, stage_id, batch_id, idx, args, inputs FROM work_unit"

UNITS_DUE = Query(
    "units_due",
    "units that wait for a pass, longest first",
    _UNIT + " WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit",
    UnitRow._make,
)
UNITS_DUE_COUNT = Query(
    "units_due_count",
    "how far the passes are behind, counted up to a limit",
    """
    SELECT COUNT(*), MIN(due_at) FROM (
        SELECT due_at FROM work_unit WHERE due_at <= :now ORDER BY due_at LIMIT :limit
    ) AS due
    """,
    lambda row: (int(row[0]), None if row[1] is None else int(row[1])),
)
UNITS_BY_ID = Query(
    "units_by_id", "several units", _UNIT + " WHERE id {in:unit_ids} ORDER BY id", UnitRow._make
)
UNITS_LOCK = Query(
    "units_lock",
    "change several units; locks in the order of ids",
    _UNIT + " WHERE id {in:unit_ids} ORDER BY id {lock}",
    UnitRow._make,
)
UNIT_OF_STAGE = Query(
    "unit_of_stage",
    "the unit at an index of a stage",
    _UNIT + " WHERE stage_id = :stage_id AND idx = :idx",
    UnitRow._make,
)
UNITS_OF_STAGE_AFTER = Query(
    "units_of_stage_after",
    "list a stage's units by pages",
    _UNIT + " WHERE stage_id = :stage_id AND idx > :after ORDER BY idx LIMIT :limit",
    UnitRow._make,
)
UNITS_OF_STAGE_IN_STATE_AFTER = Query(
    "units_of_stage_in_state_after",
    "list a stage's units of one state by pages",
    _UNIT
    + """ WHERE stage_id = :stage_id AND idx > :after AND state = :state
    ORDER BY idx LIMIT :limit""",
    UnitRow._make,
)
UNITS_FAILED_AFTER = Query(
    "units_failed_after",
    "list a stage's failed units by pages, whatever the stage's size",
    _UNIT
    + """ WHERE stage_id = :stage_id AND idx > :after AND state = 'failed'
    ORDER BY idx LIMIT :limit""",
    UnitRow._make,
)
UNIT_FAILURES = Query(
    "unit_failures",
    "why a stage's units failed, and their newest failed task, most frequent first",
    """
    SELECT reason, cause, COUNT(*), MIN(idx) FROM (
      SELECT u.reason AS reason, u.idx AS idx, COALESCE(
               (SELECT t.reason FROM task t WHERE t.unit_id = u.id AND t.state = 'error'
                ORDER BY t.id DESC LIMIT 1), '') AS cause
      FROM work_unit u WHERE u.stage_id = :stage_id AND u.state = 'failed') AS failed
    GROUP BY reason, cause ORDER BY COUNT(*) DESC, reason, cause LIMIT :limit
    """,
    lambda row: (str(row[0]), str(row[1]), int(row[2]), int(row[3])),
)
UNITS_WITHOUT_PARTNER = Query(
    "units_without_partner",
    "how many begun units wait while no computer that asks may have a copy (of so many looked at)",
    """
    SELECT COUNT(*) FROM (
      SELECT id FROM work_unit WHERE stage_id = :stage_id AND rank = 1 AND n_unsent > 0
      ORDER BY id LIMIT :limit) AS u
    WHERE NOT EXISTS (
      SELECT 1 FROM host h WHERE h.state {in:states} AND h.last_seen_at >= :since
      AND NOT EXISTS (
        SELECT 1 FROM task t WHERE t.unit_id = u.id AND (
          t.host_id = h.id
          OR (:by_account = 1 AND (t.account_id = h.account_id OR (
                t.host_id IS NOT NULL AND t.account_id IS NULL AND h.account_id IS NULL
                AND t.subnet = h.subnet)))
          OR (:by_subnet = 1 AND t.subnet = h.subnet))))
    """,
    lambda row: int(row[0]),
)
UNIT_INPUTS_AFTER = Query(
    "unit_inputs_after",
    "a stage's table with the state each line ended in, for a combine",
    """
    SELECT idx, args, inputs, state FROM work_unit
    WHERE stage_id = :stage_id AND idx > :after AND known IS NULL ORDER BY idx LIMIT :limit
    """,
    lambda row: (int(row[0]), str(row[1]), row[2], str(row[3])),
)
UNIT_INPUT = Query(
    "unit_input",
    "what a unit's program is given",
    _INPUT + " WHERE id = :unit_id",
    UnitInputRow._make,
)
UNIT_STAGES = Query(
    "unit_stages",
    "the stages and batch states of units that a pass decides on",
    """
    SELECT s.id, s.state, s.placement, s.policy, b.state, v.release, b.created_at,
           s.validator_hash, b.seed, s.profile, s.subject, v.app_id, a.typical_ops
    FROM stage s JOIN batch b ON b.id = s.batch_id
    JOIN app_version v ON v.id = s.app_version_id JOIN app a ON a.id = v.app_id
    WHERE s.id {in:stage_ids}
    """,
    UnitStageRow._make,
)
UNITS_INSERT = Query(
    "units_insert",
    "add units to a stage",
    """
    INSERT INTO work_unit
        (stage_id, batch_id, idx, state, target, n_tasks, n_unsent, rank, args, inputs, for_host,
         known)
    VALUES (:stage_id, :batch_id, :idx, 'open', :target, :tasks, :tasks, :rank, :args, :inputs,
            :for_host, :known)
    """,
)
UNIT_INSERT = Query(
    "unit_insert",
    "add a unit that the server computes itself",
    """
    INSERT INTO work_unit (stage_id, batch_id, idx, state, target, args, inputs)
    VALUES (:stage_id, :batch_id, :idx, 'open', 0, :args, :inputs) RETURNING id
    """,
)
UNITS_DECIDED = Query(
    "units_decided",
    "what was decided about a unit",
    """
    UPDATE work_unit SET state = :state, reason = :reason, version = version + 1,
        target = :target, n_tasks = :n_tasks, n_unsent = :n_unsent, rank = :rank,
        reserved_until = :reserved_until, due_at = :due_at,
        canonical_task = :canonical_task, canonical_manifest = :canonical_manifest,
        agreed_micro = :agreed_micro,
        held_by = :held_by, held_for = :held_for, final_at = :final_at
    WHERE id = :unit_id
    """,
)
SERVER_UNIT_REOPEN = Query(
    "server_unit_reopen",
    "what the server computed is to be computed anew",
    """
    UPDATE work_unit SET state = 'open', reason = 'reopened', version = version + 1,
                         canonical_manifest = NULL
    WHERE id = :unit_id
    """,
)
UNITS_WAKE = Query(
    "units_wake",
    "results came: let a pass look at these units now",
    """
    UPDATE work_unit SET version = version + 1,
        due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END
    WHERE id {in:unit_ids}
    """,
)
UNITS_DUE_TOUCH = Query(
    "units_due_touch",
    "plans that passes have made for due units of a stage do not hold any more",
    """
    UPDATE work_unit SET version = version + 1 WHERE stage_id = :stage_id AND due_at <= :now
    """,
)
UNITS_SETTLE = Query(
    "units_settle",
    "the next live units of a stage that ended early",
    """
    SELECT id, idx, state FROM work_unit
    WHERE stage_id = :stage_id AND idx >= :settle_from ORDER BY idx LIMIT :limit
    """,
    lambda row: (int(row[0]), int(row[1]), str(row[2])),
)

TASKS_OF_UNITS = Query(
    "tasks_of_units",
    "all copies of several units",
    _TASK + " WHERE unit_id {in:unit_ids} ORDER BY unit_id, n",
    TaskRow._make,
)
TASKS_BY_ID = Query(
    "tasks_by_id", "several tasks", _TASK + " WHERE id {in:task_ids} ORDER BY id", TaskRow._make
)
TASKS_CHANGING = Query(
    "tasks_changing",
    "tasks that a pass decided on, as they stand; their hosts come first in the order of locks",
    _CHANGING + " WHERE t.id {in:task_ids} ORDER BY t.id",
    ChangingRow._make,
)
TASKS_WORKED = Query(
    "tasks_worked",
    "the tasks of units in which a host went on from what another left: who did which part",
    _CHANGING + " WHERE t.unit_id {in:unit_ids} AND t.host_id IS NOT NULL ORDER BY t.unit_id, t.n",
    ChangingRow._make,
)
TASKS_INCONCLUSIVE = Query(
    "tasks_inconclusive",
    "results without a verdict, of units that end or are opened again",
    """
    SELECT id, unit_id, host_id FROM task
    WHERE unit_id {in:unit_ids} AND verdict = 'inconclusive' AND host_id IS NOT NULL
    """,
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
TASKS_NEW = Query(
    "tasks_new",
    "the ids of tasks just made",
    """
    SELECT id, unit_id, n FROM task WHERE unit_id {in:unit_ids} AND state = 'unsent'
    """,
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
TASKS_FOR_UNITS_INSERT = Query(
    "tasks_for_units_insert",
    "make the first tasks of units just added",
    """
    WITH RECURSIVE series (n) AS (
        SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < CAST(:target AS INTEGER)
    )
    INSERT INTO task (unit_id, n, state)
    SELECT u.id, series.n, 'unsent' FROM work_unit u CROSS JOIN series
    WHERE u.stage_id = :stage_id AND u.idx >= :first AND u.idx < :end AND u.n_tasks > 0
    """,
)
TASKS_FOR_UNITS_RELEASED = Query(
    "tasks_for_units_released",
    "make the first tasks of units that waited for canaries",
    """
    WITH RECURSIVE series (n) AS (
        SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < CAST(:target AS INTEGER)
    )
    INSERT INTO task (unit_id, n, state)
    SELECT u.id, series.n, 'unsent' FROM work_unit u CROSS JOIN series
    WHERE u.stage_id = :stage_id AND u.idx >= :first AND u.idx < :end AND u.n_tasks = 0
      AND u.state = 'open'
    """,
)
UNITS_RELEASED = Query(
    "units_released",
    "units that waited for canaries have their first tasks",
    """
    UPDATE work_unit SET n_tasks = :target, n_unsent = :target, version = version + 1
    WHERE stage_id = :stage_id AND idx >= :first AND idx < :end AND n_tasks = 0
      AND state = 'open'
    """,
)
UNITS_OPEN_OF_STAGE = Query(
    "units_open_of_stage",
    "the open units of a stage that nears its end",
    _UNIT + " WHERE stage_id = :stage_id AND state = 'open' ORDER BY id LIMIT :limit",
    UnitRow._make,
)
UNITS_UNRESERVED = Query(
    "units_unreserved",
    "units that waited for proven hosts are anybody's now, begun ones or fresh",
    """
    UPDATE work_unit SET version = version + 1, rank = CASE WHEN EXISTS (
            SELECT 1 FROM task WHERE task.unit_id = work_unit.id AND task.sent_at IS NOT NULL
        ) THEN 1 ELSE 0 END
    WHERE stage_id = :stage_id AND idx {in:indexes} AND rank = 2
    """,
)
UNITS_AT = Query(
    "units_at",
    "the units at some indexes of a stage",
    _UNIT + " WHERE stage_id = :stage_id AND idx {in:indexes} ORDER BY idx",
    UnitRow._make,
)
TASKS_INSERT = Query(
    "tasks_insert",
    "one more task of a unit",
    "INSERT INTO task (unit_id, n, state) VALUES (:unit_id, :n, 'unsent')",
)
TASKS_DECIDED = Query(
    "tasks_decided",
    "what was decided about a task",
    """
    UPDATE task SET state = :state, verdict = :verdict, reason = :reason,
                    credit_micro = :credit_micro
    WHERE id = :task_id
    """,
)
TASK_LOG = Query(
    "task_log",
    "the standard error of a task",
    "SELECT stderr FROM task_log WHERE task_id = :task_id",
    lambda row: str(row[0]),
)
TASK_LOG_INSERT = Query(
    "task_log_insert",
    "keep the standard error of a task",
    """
    INSERT INTO task_log (task_id, stderr) VALUES (:task_id, :stderr)
    ON CONFLICT (task_id) DO UPDATE SET stderr = excluded.stderr
    """,
)
