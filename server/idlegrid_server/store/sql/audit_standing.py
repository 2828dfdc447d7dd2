"""Queries that find broken rules of trust; see :mod:`.audit`."""

from idlegrid_server.store.query import Query

LIMIT = " LIMIT :limit"

HELD = Query(
    "audit_held",
    "unit {0} waits for the word of host {1} for {2}, but its result is task {3} of host {4}, {5}",
    """
    SELECT u.id, u.held_by, u.held_for, u.canonical_task, t.host_id, t.verdict
    FROM work_unit u JOIN stage s ON s.id = u.stage_id
    JOIN app_version v ON v.id = s.app_version_id LEFT JOIN task t ON t.id = u.canonical_task
    WHERE u.state = 'provisional' AND (
        t.id IS NULL OR t.unit_id <> u.id OR t.host_id <> u.held_by
        OR t.verdict NOT IN ('pending', 'inconclusive') OR t.manifest <> u.canonical_manifest
        OR u.held_for <> 'a:' || v.app_id)
    """
    + LIMIT,
)
CHECKS_FAILED = Query(
    "audit_checks_failed",
    "host {0} failed {1} checks, but {2} of its results were found to differ",
    """
    SELECT h.id, COALESCE(r.n, 0), COALESCE(e.n, 0) FROM host h
    LEFT JOIN (SELECT host_id, SUM(n_failed) AS n FROM reputation WHERE subject LIKE 'a:%'
               GROUP BY host_id) r ON r.host_id = h.id
    LEFT JOIN (SELECT t.host_id, COUNT(*) AS n FROM event v JOIN task t ON t.id = v.object_id
               WHERE v.kind = 'verdict' AND v.to_state = 'invalid' AND v.reason = 'differs'
               GROUP BY t.host_id) e ON e.host_id = h.id
    WHERE COALESCE(r.n, 0) <> COALESCE(e.n, 0)
    """
    + LIMIT,
)
CHECKS_PASSED = Query(
    "audit_checks_passed",
    "host {0} passed {1} checks, but only {2} of its results were confirmed",
    """
    SELECT h.id, COALESCE(r.n, 0), COALESCE(e.n, 0) FROM host h
    LEFT JOIN (SELECT host_id, SUM(checks) AS n FROM reputation WHERE subject LIKE 'a:%'
               GROUP BY host_id) r ON r.host_id = h.id
    LEFT JOIN (SELECT t.host_id, COUNT(*) AS n FROM event v JOIN task t ON t.id = v.object_id
               WHERE v.kind = 'verdict' AND v.to_state = 'valid'
               GROUP BY t.host_id) e ON e.host_id = h.id
    WHERE COALESCE(r.n, 0) > COALESCE(e.n, 0)
    """
    + LIMIT,
)
CONFIRMED_DAYS = Query(
    "audit_confirmed_days",
    "day {0} counts {1} confirmed results, but the log has {2}",
    """
    SELECT day, SUM(counted), SUM(told) FROM (
        SELECT day, newcomers + others AS counted, 0 AS told FROM confirmed_day
        UNION ALL
        SELECT at / 86400000000, 0, COUNT(*) FROM event
        WHERE kind = 'verdict' AND to_state = 'valid' GROUP BY at / 86400000000
    ) AS days GROUP BY day HAVING SUM(counted) <> SUM(told)
    """
    + LIMIT,
)
TRUST_UNEARNED = Query(
    "audit_trust_unearned",
    "host {0} has {2} checks' worth of trust in {1}, but passed {3}",
    """
    SELECT host_id, subject, passed, checks FROM reputation
    WHERE passed > checks + 0.000001 OR streak > checks OR (n_failed > 0) <> (caught_at IS NOT NULL)
    """
    + LIMIT,
)
SHUT_OUT_LOOSE = Query(
    "audit_shut_out_loose",
    "host {0} is {1}, but has a time out until {2}",
    """
    SELECT id, state, shut_out_until FROM host
    WHERE shut_out_until IS NOT NULL AND state <> 'quarantined'
    """
    + LIMIT,
)
HOST_UNJUDGED = Query(
    "audit_host_unjudged",
    "host {0} counts {1} results that wait for a verdict, but has {2}",
    """
    SELECT h.id, h.n_unjudged, COALESCE(t.n, 0) FROM host h LEFT JOIN (
        SELECT task.host_id, COUNT(*) AS n FROM task JOIN work_unit u ON u.id = task.unit_id
        WHERE task.verdict = 'pending'
           OR (task.verdict = 'inconclusive' AND u.state IN ('open', 'provisional'))
        GROUP BY task.host_id
    ) t ON t.host_id = h.id
    WHERE h.n_unjudged <> COALESCE(t.n, 0)
    """
    + LIMIT,
)

RULES = (
    HELD,
    CHECKS_FAILED,
    CHECKS_PASSED,
    CONFIRMED_DAYS,
    TRUST_UNEARNED,
    SHUT_OUT_LOOSE,
    HOST_UNJUDGED,
)
