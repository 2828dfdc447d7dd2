"""What a story is told from, beside the event log."""

from typing import NamedTuple

from idlegrid_server.store.query import Query

from .unit import UnitRow


class AskerRow(NamedTuple):
    """A host that asked for work lately, as matching asks for it."""

    id: int
    account_id: int | None
    state: str
    subnet: str
    memory_bytes: int
    profiles: str
    kind: str
    n_in_progress: int
    tasks_max: int
    house: int
    n_unjudged: int
    n_valid: int
    n_invalid: int


class WantRow(NamedTuple):
    """What a stage asks of hosts, and what it has for them."""

    id: int
    batch_id: int
    idx: int
    state: str
    placement: str
    profile: str
    memory_bytes: int
    homogeneous: str
    policy: str
    dispatchable: int
    batch_state: str
    batch_reason: str


class HolderRow(NamedTuple):
    """A task that a host has."""

    id: int
    unit_id: int
    sent_at: int | None
    deadline_at: int | None
    batch: str


class ChecksRow(NamedTuple):
    """What the checks of a host come to, for a kind of work or for an app's finality."""

    subject: str
    app: str | None
    passed: float
    failed: float
    faded_at: int
    checks: int
    n_failed: int
    caught_at: int | None


class TurnedAwayRow(NamedTuple):
    """How often hosts were refused work for a reason."""

    code: str
    times: int
    newest_hour: int


UNIT_BY_ID = Query(
    "unit_by_id",
    "a unit whose story is told",
    "SELECT " + ", ".join(UnitRow._fields) + " FROM work_unit WHERE id = :unit_id",
    UnitRow._make,
)
STAGE_WANTS = Query(
    "stage_wants",
    "what a stage asks of hosts",
    """
    SELECT s.id, s.batch_id, s.idx, s.state, s.placement, s.profile, s.memory_bytes, s.homogeneous,
           s.policy, s.dispatchable, b.state, b.reason
    FROM stage s JOIN batch b ON b.id = s.batch_id WHERE s.id = :stage_id
    """,
    WantRow._make,
)
STAGES_WAITING = Query(
    "stages_waiting",
    "stages that have tasks to send, the most urgent first, to say why a host gets none",
    """
    SELECT s.id, s.batch_id, s.idx, s.state, s.placement, s.profile, s.memory_bytes, s.homogeneous,
           s.policy, s.dispatchable, b.state, b.reason
    FROM stage s JOIN batch b ON b.id = s.batch_id WHERE s.dispatchable = 1
    ORDER BY b.priority DESC, s.id LIMIT :limit
    """,
    WantRow._make,
)
UNITS_WAITING = Query(
    "units_waiting",
    "some units of a stage that have tasks to send",
    "SELECT "
    + ", ".join(UnitRow._fields)
    + " FROM work_unit WHERE stage_id = :stage_id AND n_unsent > 0 "
    + "ORDER BY rank DESC, id DESC LIMIT :limit",
    UnitRow._make,
)
BOUND_TO = Query(
    "bound_to",
    "the class of hosts that a unit is bound to",
    "SELECT bound_to FROM work_unit WHERE id = :unit_id",
    lambda row: str(row[0] or ""),
)
ASKERS = Query(
    "askers",
    "hosts that asked lately, newest first",
    "SELECT "
    + ", ".join(AskerRow._fields)
    + " FROM host WHERE last_seen_at >= :since AND state <> 'retired' "
    + "ORDER BY last_seen_at DESC, id LIMIT :limit",
    AskerRow._make,
)
ASKER = Query(
    "asker",
    "a host, as matching asks for it",
    "SELECT " + ", ".join(AskerRow._fields) + " FROM host WHERE id = :host_id",
    AskerRow._make,
)
CHECKS_OF_HOST = Query(
    "checks_of_host",
    "what a host's checks come to, by the kind of work or the app",
    """
    SELECT r.subject, a.name, r.passed, r.failed, r.faded_at, r.checks, r.n_failed, r.caught_at
    FROM reputation r LEFT JOIN app a ON r.subject = 'a:' || CAST(a.id AS TEXT)
    WHERE r.host_id = :host_id ORDER BY r.checks DESC, r.subject LIMIT :limit
    """,
    ChecksRow._make,
)
CHECKS_LEFT = Query(
    "checks_left",
    "how many checks a host has passed for what holds a unit",
    "SELECT checks FROM reputation WHERE host_id = :host_id AND subject = :subject",
    lambda row: int(row[0]),
)
TASKS_OUT = Query(
    "tasks_out",
    "how many copies of a stage's units are being computed",
    """
    SELECT COUNT(*) FROM task t WHERE t.state = 'in_progress' AND t.host_id > 0
      AND (SELECT u.stage_id FROM work_unit u WHERE u.id = t.unit_id) = :stage_id
    """,
    lambda row: int(row[0]),
)
TASKS_HELD = Query(
    "tasks_held",
    "what a host has in progress",
    """
    SELECT t.id, t.unit_id, t.sent_at, t.deadline_at, b.name
    FROM task t JOIN work_unit u ON u.id = t.unit_id JOIN batch b ON b.id = u.batch_id
    WHERE t.host_id = :host_id AND t.state = 'in_progress' ORDER BY t.deadline_at, t.id LIMIT :limit
    """,
    HolderRow._make,
)
REFUSAL_ADD = Query(
    "refusal_add",
    "how often hosts were refused work, hour by hour",
    """
    INSERT INTO refusal (hour, stage_id, code, times) VALUES (:hour, :stage_id, :code, :times)
    ON CONFLICT (hour, stage_id, code) DO UPDATE SET times = refusal.times + excluded.times
    """,
)
REFUSALS_FORGET = Query(
    "refusals_forget",
    "refusals of hours long past",
    "DELETE FROM refusal WHERE hour < :hour",
)
REFUSALS_OF_STAGES = Query(
    "refusals_of_stages",
    "how often hosts were refused work of some stages since an hour",
    """
    SELECT code, SUM(times), MAX(hour) FROM refusal
    WHERE hour >= :since AND stage_id {in:stage_ids} GROUP BY code ORDER BY SUM(times) DESC, code
    """,
    lambda row: TurnedAwayRow(str(row[0]), int(row[1]), int(row[2])),
)
