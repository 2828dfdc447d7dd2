"""The pulse of stages, their newest errors, and who holds tasks of them."""

from idlegrid_server.domain.model import ErrorSeen, PulseSeen
from idlegrid_server.store.query import Query

PULSE_ADD = Query(
    "pulse_add",
    "what a pass saw of a stage in a slice of time",
    """
    INSERT INTO pulse (stage_id, at, ended, results, errors)
    VALUES (:stage_id, :at, :ended, :results, :errors)
    ON CONFLICT (stage_id, at) DO UPDATE SET ended = pulse.ended + excluded.ended,
        results = pulse.results + excluded.results, errors = pulse.errors + excluded.errors
    """,
)
PULSES_OF_STAGE = Query(
    "pulses_of_stage",
    "how a stage went of late, newest first",
    """
    SELECT at, ended, results, errors FROM pulse
    WHERE stage_id = :stage_id ORDER BY at DESC LIMIT :limit
    """,
    lambda row: PulseSeen(*row),
)
FAILURE_ADD = Query(
    "failure_add",
    "a pass saw an error",
    """
    INSERT INTO failure (at, task_id, unit_id, host_id, reason, took_us, stage_id)
    VALUES (:at, :task_id, :unit_id, :host_id, :reason, :took_us, :stage_id)
    ON CONFLICT (task_id) DO NOTHING
    """,
)
FAILURES_OF_STAGE = Query(
    "failures_of_stage",
    "the newest errors of a stage after some moment",
    """
    SELECT at, task_id, unit_id, host_id, reason, took_us FROM failure
    WHERE stage_id = :stage_id AND at > :after ORDER BY at DESC LIMIT :limit
    """,
    lambda row: ErrorSeen(*row),
)
FAILURE_CAUSES = Query(
    "failure_causes",
    "what went wrong on a stage of late: cause, units, and the first unit of each",
    """
    SELECT f.reason, COUNT(DISTINCT f.unit_id), MIN(u.idx) FROM (
        SELECT reason, unit_id FROM failure WHERE stage_id = :stage_id AND at > :after
        ORDER BY at DESC LIMIT :limit) AS f
    JOIN work_unit u ON u.id = f.unit_id
    GROUP BY f.reason ORDER BY COUNT(DISTINCT f.unit_id) DESC, f.reason
    """,
    lambda row: (str(row[0]), int(row[1]), int(row[2])),
)
HOLDERS_OF_STAGE = Query(
    "holders_of_stage",
    "hosts that have tasks of a stage's open units now (of so many looked at), and since when",
    """
    SELECT t.host_id, MIN(t.sent_at) FROM (
        SELECT id FROM work_unit WHERE stage_id = :stage_id AND state = 'open'
        ORDER BY id LIMIT :looked_at) AS u
    JOIN task t ON t.unit_id = u.id WHERE t.state = 'in_progress'
    GROUP BY t.host_id ORDER BY t.host_id LIMIT :limit
    """,
    lambda row: (int(row[0]), int(row[1])),
)
TURNAROUNDS_OF_STAGE = Query(
    "turnarounds_of_stage",
    "how long tasks of a stage's units took from being sent to coming back (of so many units)",
    """
    SELECT t.received_at - t.sent_at FROM (
        SELECT unit_id FROM output WHERE stage_id = :stage_id AND until IS NULL
        ORDER BY idx DESC LIMIT :units) AS o
    JOIN task t ON t.unit_id = o.unit_id
    WHERE t.state = 'success' AND t.received_at >= t.sent_at
    """,
    lambda row: int(row[0]),
)
FRESH_OF_STAGE = Query(
    "fresh_of_stage",
    "how many units of a stage wait for their first host, counted up to a limit",
    """
    SELECT COUNT(*) FROM (
        SELECT 1 FROM work_unit WHERE stage_id = :stage_id AND rank = 0 AND n_unsent > 0
        LIMIT :limit) AS fresh
    """,
    lambda row: int(row[0]),
)
IDLE_SLOTS = Query(
    "idle_slots",
    "how many tasks more the hosts that were here lately could begin at once",
    """
    SELECT COALESCE(SUM(CASE WHEN tasks_max < cores THEN tasks_max ELSE cores END
                        - n_in_progress), 0)
    FROM host WHERE state {in:states} AND last_seen_at >= :since
      AND n_in_progress < cores AND n_in_progress < tasks_max
    """,
    lambda row: int(row[0]),
)
