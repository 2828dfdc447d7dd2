"""The hot path: a host's reports and its next tasks. As few statements as can be, whatever the
number of reports, tasks, units or hosts."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class HeldRow(NamedTuple):
    """A task that the database has in progress for the host."""

    id: int
    unit_id: int
    sent_at: int
    deadline_at: int
    unit_state: str
    resumed_from: int | None
    estimate_us: int | None
    extended: int
    told_ppm: int
    longest_at: int | None


class ReportedRow(NamedTuple):
    """A task that a host reports, as it stands."""

    id: int
    unit_id: int
    state: str
    host_id: int | None
    received_at: int | None
    manifest: bytes | None
    bound_to: str | None


class CandidateTaskRow(NamedTuple):
    """A task of a candidate unit: unsent, or gone to somebody."""

    id: int
    unit_id: int
    state: str
    host_id: int | None
    account_id: int | None
    subnet: str | None
    resumed_from: int | None


class GivenRow(NamedTuple):
    """What a unit's program is given."""

    id: int
    stage_id: int
    batch_id: int
    idx: int
    args: str
    inputs: str | None


class AgainRow(NamedTuple):
    """The same of a unit whose task is sent again, and what tasks of its stage take."""

    id: int
    stage_id: int
    batch_id: int
    idx: int
    args: str
    inputs: str | None
    ops_weight: float
    ops_total: float
    ops_square: float


HELD = Query(
    "held",
    "what a host should hold",
    """
    SELECT t.id, t.unit_id, t.sent_at, t.deadline_at, u.state, t.resumed_from, t.estimate_us,
           t.extended, t.told_ppm, t.longest_at
    FROM task t JOIN work_unit u ON u.id = t.unit_id
    WHERE t.host_id = :host_id AND t.state = 'in_progress'
    """,
    HeldRow._make,
)
TASKS_EXTENDED = Query(
    "tasks_extended",
    "a task that advances and would end soon after its deadline is given longer",
    """
    UPDATE task SET deadline_at = :deadline_at, longest_at = :longest_at, told_ppm = :told_ppm,
                    extended = extended + 1
    WHERE id = :task_id
    """,
)
TASKS_ABANDONED = Query(
    "tasks_abandoned",
    "a host has let go of a task that nobody needs",
    "UPDATE task SET state = 'aborted', reason = :reason WHERE id = :task_id",
)
REPORTED = Query(
    "reported",
    "the tasks that a host reports; their units are locked with them",
    """
    SELECT t.id, t.unit_id, t.state, t.host_id, t.received_at, t.manifest, u.bound_to
    FROM task t JOIN work_unit u ON u.id = t.unit_id
    WHERE t.id {in:task_ids} ORDER BY t.unit_id {lock}
    """,
    ReportedRow._make,
)
REPORT_TAKEN = Query(
    "report_taken",
    "a result came",
    """
    UPDATE task SET state = :state, verdict = :verdict, reason = :reason, received_at = :now,
        manifest = :manifest, ops = :ops, elapsed_us = :elapsed_us, cpu_us = :cpu_us,
        exit_code = :exit_code, profile = :profile
    WHERE id = :task_id
    """,
)
CANDIDATE_TASKS = Query(
    "candidate_tasks",
    "who has or had tasks of the candidates; read after the units are locked, so that it holds",
    """
    SELECT id, unit_id, state, host_id, account_id, subnet, resumed_from FROM task
    WHERE unit_id {in:unit_ids} ORDER BY unit_id, n
    """,
    CandidateTaskRow._make,
)
TASKS_SENT = Query(
    "tasks_sent",
    "tasks go to a host",
    """
    UPDATE task SET state = 'in_progress', host_id = :host_id, account_id = :account_id,
                    subnet = :subnet, sent_at = :now, deadline_at = :deadline_at,
                    estimate_us = :estimate_us, expected_at = :expected_at
    WHERE id {in:task_ids} AND state = 'unsent'
    """,
)
UNITS_SENT = Query(
    "units_sent",
    "one task of each of these units goes out; a pass looks when it is overdue",
    """
    UPDATE work_unit SET n_unsent = n_unsent - 1, version = version + 1,
        rank = CASE WHEN rank = 0 THEN 1 ELSE rank END, bound_to = :bound_to,
        due_at = CASE WHEN due_at < :check_at THEN due_at ELSE :check_at END
    WHERE id {in:unit_ids}
    RETURNING id, stage_id, batch_id, idx, args, inputs
    """,
    GivenRow._make,
)
GIVEN_AGAIN = Query(
    "given_again",
    "what the programs of tasks that are sent again are given",
    """
    SELECT u.id, u.stage_id, u.batch_id, u.idx, u.args, u.inputs,
           s.ops_weight, s.ops_total, s.ops_square
    FROM work_unit u JOIN stage s ON s.id = u.stage_id WHERE u.id {in:unit_ids}
    """,
    AgainRow._make,
)
TASK_RESENT = Query(
    "task_resent",
    "a lost task goes out again, maybe with a later deadline",
    "UPDATE task SET deadline_at = :deadline_at WHERE id = :task_id",
)
