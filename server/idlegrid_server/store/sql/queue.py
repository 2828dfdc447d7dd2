"""The queues that tasks are sent from: stages, and the units in them."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class QueueRow(NamedTuple):
    """A stage that has tasks to send, whose it is, and what is known of its tasks' run times."""

    id: int
    batch_id: int
    queue_rev: int
    policy: str
    subject: str
    homogeneous: str
    migrates: int
    app_id: int
    features: str
    audience: str
    files: str
    unit_files: int
    ops_weight: float
    ops_total: float
    ops_square: float
    account_id: int
    urgency: int
    priority: int
    weight: float
    time: float | None
    step: float
    room: int | None  # how many tasks of its account may still go out; None = any number
    app_room: int | None  # the same of its app
    own_weight: float
    own_total: float
    own_square: float
    fleet_weight: float
    fleet_total: float
    fleet_square: float


class UnfitRow(NamedTuple):
    """What stages with tasks ask for, and how many units of theirs have not ended."""

    profile: str
    memory_bytes: int
    cores: int
    disk_bytes: int
    features: str
    audience: str  # "" also where the host stands in the stage's list
    capped: int  # as many tasks are out of their account or app as may be
    units: int


class CandidateRow(NamedTuple):
    """A unit that has a task to send, and the class of hosts that it is bound to."""

    id: int
    rank: int
    bound_to: str | None
    inputs: str | None  # told only where the host's files bear on the choice


_FITTING = """
        FROM stage s JOIN batch b ON b.id = s.batch_id
        LEFT JOIN share f ON f.account_id = b.account_id
        LEFT JOIN app_cap a ON a.app_id = s.app_id
        {speeds}
        WHERE s.dispatchable = 1 AND s.profile {in:profiles} AND s.memory_bytes <= :memory_bytes
          AND s.cores <= :cores AND s.disk_bytes <= :disk_bytes
          AND (s.audience {in:audiences} OR (s.audience = 'hosts' AND EXISTS (
              SELECT 1 FROM stage_host h WHERE h.stage_id = s.id AND h.host_id = :host_id)))
          AND (f.tasks_max IS NULL OR f.busy < f.tasks_max)
          AND (a.tasks_max IS NULL OR a.busy < a.tasks_max)
"""
_OF_STAGE = """
        s.id, s.batch_id, s.queue_rev, s.policy, s.subject, s.homogeneous, s.migrates,
        s.app_id, s.features, s.audience, s.files, s.unit_files,
        s.ops_weight, s.ops_total, s.ops_square, b.account_id, b.urgency, b.priority,
        COALESCE(f.weight, 1) AS weight, f.time AS time, COALESCE(f.step, 0) AS step,
        f.tasks_max - f.busy AS room, a.tasks_max - a.busy AS app_room
"""
_OF_SPEED = """
        COALESCE(own.weight, 0), COALESCE(own.total, 0), COALESCE(own.square, 0),
        COALESCE(fleet.weight, 0), COALESCE(fleet.total, 0), COALESCE(fleet.square, 0)
"""
_SPEEDS = """
        LEFT JOIN speed own ON own.subject = {of}.subject AND own.host_id = :host_id
        LEFT JOIN speed fleet ON fleet.subject = {of}.subject AND fleet.host_id = 0
"""
_NTH = (
    "ROW_NUMBER() OVER (PARTITION BY b.account_id ORDER BY b.urgency DESC, b.priority DESC, s.id)"
)
QUEUES_FEW = Query(
    "queues_few",
    "stages that have tasks to send and fit a host, the most urgent and least served first: all of "
    "them, where they are few",
    f"SELECT {_OF_STAGE}, {_OF_SPEED}"
    + _FITTING.replace("{speeds}", _SPEEDS.replace("{of}", "s"))
    + "ORDER BY b.urgency DESC, COALESCE(f.time, 0), b.priority DESC, s.id LIMIT :limit",
    QueueRow._make,
)
QUEUES = Query(
    "queues",
    "the same where they are many: of each account so many",
    f"SELECT {', '.join('q.' + name for name in QueueRow._fields[:-6])}, {_OF_SPEED}"
    + f"FROM (SELECT {_OF_STAGE}, {_NTH} AS nth"
    + _FITTING.replace("{speeds}", "")
    + ") AS q"
    + _SPEEDS.replace("{of}", "q")
    + """
    WHERE q.nth <= :each
    ORDER BY q.urgency DESC, COALESCE(q.time, 0), q.priority DESC, q.id LIMIT :limit
    """,
    QueueRow._make,
)
QUEUES_UNFIT = Query(
    "queues_unfit",
    "why there is nothing for a host: what stages with tasks ask for, and which are at a cap",
    """
    SELECT s.profile, s.memory_bytes, s.cores, s.disk_bytes, s.features,
           CASE WHEN s.audience = 'hosts' AND EXISTS (
               SELECT 1 FROM stage_host h WHERE h.stage_id = s.id AND h.host_id = :host_id
           ) THEN '' ELSE s.audience END AS heard,
           CASE WHEN f.busy >= f.tasks_max OR a.busy >= a.tasks_max THEN 1 ELSE 0 END AS capped,
           SUM(s.created - s.assimilated - s.failed - s.cancelled)
    FROM stage s JOIN batch b ON b.id = s.batch_id
    LEFT JOIN share f ON f.account_id = b.account_id
    LEFT JOIN app_cap a ON a.app_id = s.app_id
    WHERE s.dispatchable = 1
    GROUP BY s.profile, s.memory_bytes, s.cores, s.disk_bytes, s.features, heard, capped
    ORDER BY s.memory_bytes, s.profile, s.cores, s.disk_bytes, s.features, heard, capped
    LIMIT :limit
    """,
    lambda row: UnfitRow._make((*row[:7], int(row[7]))),
)
CANDIDATES = Query(
    "candidates",
    "the head of a stage's queue for a host: what names it, what is reserved for the proven if it "
    "is, then begun units, then fresh ones, no more than a limit in all",
    """
    SELECT * FROM (
        SELECT id, rank, bound_to, CASE WHEN :local = 1 THEN inputs END FROM work_unit
        WHERE for_host = :host_id AND stage_id = :stage_id AND n_unsent > 0
        ORDER BY id LIMIT :limit {lock_free}) AS named
    UNION ALL SELECT * FROM (
        SELECT id, rank, bound_to, CASE WHEN :local = 1 THEN inputs END FROM work_unit
        WHERE stage_id = :stage_id AND rank = 2 AND n_unsent > 0 ORDER BY id LIMIT :reserved
        {lock_free}) AS reserved
    UNION ALL SELECT * FROM (
        SELECT id, rank, bound_to, CASE WHEN :local = 1 THEN inputs END FROM work_unit
        WHERE stage_id = :stage_id AND rank = 1 AND n_unsent > 0 ORDER BY id LIMIT :limit
        {lock_free}) AS begun
    UNION ALL SELECT * FROM (
        SELECT id, rank, bound_to, CASE WHEN :local = 1 THEN inputs END FROM work_unit
        WHERE stage_id = :stage_id AND rank = 0 AND n_unsent > 0 ORDER BY id LIMIT :limit
        {lock_free}) AS fresh
    LIMIT :limit
    """,
    CandidateRow._make,
)
CANDIDATES_FROM = Query(
    "candidates_from",
    "units of a rank from some point on, when the head of the queue holds none for this host",
    """
    SELECT id, rank, bound_to, CASE WHEN :local = 1 THEN inputs END FROM work_unit
    WHERE stage_id = :stage_id AND rank = :rank AND n_unsent > 0 AND id >= :point
    ORDER BY id LIMIT :limit {lock_free}
    """,
    CandidateRow._make,
)
QUEUE_BOUNDS = Query(
    "queue_bounds",
    "the first and last begun unit of a stage's queue",
    """
    SELECT
        (SELECT id FROM work_unit WHERE stage_id = :stage_id AND rank = 1 AND n_unsent > 0
         ORDER BY id LIMIT 1),
        (SELECT id FROM work_unit WHERE stage_id = :stage_id AND rank = 1 AND n_unsent > 0
         ORDER BY id DESC LIMIT 1)
    """,
    lambda row: (row[0], row[1]),
)
QUEUE_LENGTH = Query(
    "queue_length",
    "how many units of a stage wait, and how many of them for proven hosts, counted up to a limit",
    """
    SELECT COUNT(*), COALESCE(SUM(CASE WHEN rank = 2 THEN 1 ELSE 0 END), 0) FROM (
        SELECT rank FROM work_unit WHERE stage_id = :stage_id AND n_unsent > 0 LIMIT :limit
    ) AS waiting
    """,
    lambda row: (int(row[0]), int(row[1])),
)
