"""Queries that find broken invariants. Each is a rule; its rows are what breaks it."""

from idlegrid_server.store.query import Query

from . import audit_credit, audit_standing
from .share import ACCOUNT_OUT, APP_OUT

LIMIT = " LIMIT :limit"

HOST_IN_PROGRESS = Query(
    "audit_host_in_progress",
    "host {0} counts {1} tasks in progress, but has {2}",
    """
    SELECT h.id, h.n_in_progress, COALESCE(t.n, 0) FROM host h
    LEFT JOIN (SELECT host_id, COUNT(*) AS n FROM task WHERE state = 'in_progress'
               GROUP BY host_id) t ON t.host_id = h.id
    WHERE h.n_in_progress <> COALESCE(t.n, 0)
    """
    + LIMIT,
)
HOST_RESULTS = Query(
    "audit_host_results",
    "host {0} counts {1} successes, {2} errors, {3} valid, {4} invalid, but has {5}, {6}, {7}, {8}",
    """
    SELECT h.id, h.n_success, h.n_error, h.n_valid, h.n_invalid,
           COALESCE(t.s, 0), COALESCE(t.e, 0), COALESCE(t.v, 0), COALESCE(t.i, 0)
    FROM host h LEFT JOIN (
        SELECT host_id,
               SUM(CASE WHEN state = 'success' THEN 1 ELSE 0 END) AS s,
               SUM(CASE WHEN state = 'error' THEN 1 ELSE 0 END) AS e,
               SUM(CASE WHEN verdict = 'valid' THEN 1 ELSE 0 END) AS v,
               SUM(CASE WHEN verdict = 'invalid' THEN 1 ELSE 0 END) AS i
        FROM task WHERE host_id IS NOT NULL GROUP BY host_id
    ) t ON t.host_id = h.id
    WHERE h.n_success <> COALESCE(t.s, 0) OR h.n_error <> COALESCE(t.e, 0)
       OR h.n_valid <> COALESCE(t.v, 0) OR h.n_invalid <> COALESCE(t.i, 0)
    """
    + LIMIT,
)
HOST_TIMED_OUT = Query(
    "audit_host_timed_out",
    "host {0} counts {1} timeouts, but the log has {2}",
    """
    SELECT h.id, h.n_timed_out, COALESCE(t.n, 0) FROM host h LEFT JOIN (
        SELECT task.host_id, COUNT(*) AS n FROM event JOIN task ON task.id = event.object_id
        WHERE event.kind = 'task' AND event.to_state = 'timed_out' GROUP BY task.host_id
    ) t ON t.host_id = h.id
    WHERE h.n_timed_out <> COALESCE(t.n, 0)
    """
    + LIMIT,
)
STAGE_UNITS = Query(
    "audit_stage_units",
    "stage {0} counts {1} units, {2} assimilated, {3} failed, {4} cancelled, {5} provisional; "
    "it has {6}, {7}, {8}, {9}, {10} and {11} retired",
    """
    SELECT s.id, s.created, s.assimilated, s.failed, s.cancelled, s.provisional,
           COALESCE(u.n, 0), COALESCE(u.a, 0), COALESCE(u.f, 0), COALESCE(u.c, 0),
           COALESCE(u.p, 0), COALESCE(u.r, 0)
    FROM stage s LEFT JOIN (
        SELECT stage_id, COUNT(*) AS n,
               SUM(CASE WHEN state = 'assimilated' THEN 1 ELSE 0 END) AS a,
               SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END) AS f,
               SUM(CASE WHEN state = 'cancelled' THEN 1 ELSE 0 END) AS c,
               SUM(CASE WHEN state = 'provisional' THEN 1 ELSE 0 END) AS p,
               SUM(CASE WHEN state = 'retired' THEN 1 ELSE 0 END) AS r
        FROM work_unit GROUP BY stage_id
    ) u ON u.stage_id = s.id
    WHERE s.created <> COALESCE(u.n, 0) OR s.provisional <> COALESCE(u.p, 0)
       OR s.assimilated + s.failed + s.cancelled
          <> COALESCE(u.a, 0) + COALESCE(u.f, 0) + COALESCE(u.c, 0) + COALESCE(u.r, 0)
       OR (COALESCE(u.r, 0) = 0 AND (s.assimilated <> COALESCE(u.a, 0)
           OR s.failed <> COALESCE(u.f, 0) OR s.cancelled <> COALESCE(u.c, 0)))
    """
    + LIMIT,
)
UNIT_TASKS = Query(
    "audit_unit_tasks",
    "unit {0} counts {1} tasks, {2} unsent, at rank {3}; it has {4}, {5}, {6}",
    """
    SELECT u.id, u.n_tasks, u.n_unsent, u.rank, COALESCE(t.n, 0), COALESCE(t.unsent, 0),
           COALESCE(t.sent, 0)
    FROM work_unit u LEFT JOIN (
        SELECT unit_id, COUNT(*) AS n,
               SUM(CASE WHEN state = 'unsent' THEN 1 ELSE 0 END) AS unsent,
               MAX(CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END) AS sent
        FROM task GROUP BY unit_id
    ) t ON t.unit_id = u.id
    WHERE u.n_tasks <> COALESCE(t.n, 0) OR u.n_unsent <> COALESCE(t.unsent, 0)
       OR (u.rank < 2 AND u.rank <> COALESCE(t.sent, 0))
    """
    + LIMIT,
)
UNIT_HOME = Query(
    "audit_unit_home",
    "unit {0} names stage {1} and batch {2}, which do not belong together",
    """
    SELECT u.id, u.stage_id, u.batch_id FROM work_unit u LEFT JOIN stage s ON s.id = u.stage_id
    WHERE s.id IS NULL OR s.batch_id <> u.batch_id
    """
    + LIMIT,
)
CANONICAL = Query(
    "audit_canonical",
    "unit {0} is {1} by task {2}, whose result is {3} and {4}",
    """
    SELECT u.id, u.state, u.canonical_task, t.state, t.verdict
    FROM work_unit u JOIN stage s ON s.id = u.stage_id LEFT JOIN task t ON t.id = u.canonical_task
    WHERE u.state IN ('valid', 'assimilated') AND s.placement = 'grid'
      AND (t.id IS NULL OR t.unit_id <> u.id OR t.state <> 'success' OR t.verdict <> 'valid'
           OR t.manifest <> u.canonical_manifest)
    """
    + LIMIT,
)
UNIT_VOTES = Query(
    "audit_unit_votes",
    "votes for each accepted unit, to hold against its policy",
    """
    SELECT u.id, s.policy, COUNT(t.id) FROM work_unit u JOIN stage s ON s.id = u.stage_id
    LEFT JOIN task t ON t.unit_id = u.id AND t.verdict = 'valid'
         AND (t.manifest = u.canonical_manifest OR EXISTS (
             SELECT 1 FROM comparison c WHERE c.validator = s.validator_hash AND c.agrees = 1
                AND ((c.a = t.manifest AND c.b = u.canonical_manifest)
                     OR (c.b = t.manifest AND c.a = u.canonical_manifest))))
    WHERE u.id > :after AND u.state IN ('valid', 'assimilated') AND s.placement = 'grid'
      AND u.known IS NULL
      AND (s.reopen_from IS NULL OR u.idx < s.reopen_from)
    GROUP BY u.id, s.policy ORDER BY u.id
    """
    + LIMIT,
    lambda row: (int(row[0]), str(row[1]), int(row[2])),
)
OUTPUTS = Query(
    "audit_outputs",
    "unit {0} is {1}, but its place in the index holds {2}",
    """
    SELECT u.id, u.state, CASE WHEN o.unit_id IS NULL THEN 'nothing' ELSE 'an output' END
    FROM work_unit u LEFT JOIN output o ON o.unit_id = u.id AND o.until IS NULL
    WHERE (u.state = 'assimilated' AND u.known IS NULL
           AND (o.unit_id IS NULL OR o.manifest <> u.canonical_manifest
                OR o.stage_id <> u.stage_id OR o.idx <> u.idx))
       OR ((u.state NOT IN ('assimilated', 'retired') OR u.known IS NOT NULL)
           AND o.unit_id IS NOT NULL)
    """
    + LIMIT,
)
MANIFESTS = Query(
    "audit_manifests",
    "task {0} has a result whose manifest is not stored",
    """
    SELECT t.id FROM task t LEFT JOIN manifest m ON m.hash = t.manifest
    WHERE t.manifest IS NOT NULL AND m.hash IS NULL
    """
    + LIMIT,
)
MANIFESTS_AFTER = Query(
    "audit_manifests_after",
    "every manifest, to look for its files",
    "SELECT hash, body FROM manifest WHERE hash > :after ORDER BY hash" + LIMIT,
    lambda row: (bytes(row[0]), bytes(row[1])),
)
FILE_SIZES = Query(
    "audit_file_sizes",
    "a small file of {0} bytes is stored with {1}",
    "SELECT bytes, LENGTH(data) FROM file WHERE data IS NOT NULL AND LENGTH(data) <> bytes" + LIMIT,
)
SHARED_HOST = Query(
    "audit_shared_host",
    "tasks {0} and {1} of unit {2} are both of host {3}",
    """
    SELECT a.id, b.id, a.unit_id, a.host_id FROM task a
    JOIN task b ON b.unit_id = a.unit_id AND b.id > a.id AND b.host_id = a.host_id
    WHERE a.state IN ('in_progress', 'success') AND b.state IN ('in_progress', 'success')
    """
    + LIMIT,
)
SHARED_ACCOUNT = Query(
    "audit_shared_account",
    "tasks {0} and {1} of unit {2} went to one owner",
    """
    SELECT a.id, b.id, a.unit_id FROM task a
    JOIN task b ON b.unit_id = a.unit_id AND b.id > a.id
     AND (b.account_id = a.account_id
          OR (b.account_id IS NULL AND a.account_id IS NULL AND b.subnet = a.subnet))
    WHERE a.state IN ('in_progress', 'success') AND b.state IN ('in_progress', 'success')
    """
    + LIMIT,
)
SHARED_SUBNET = Query(
    "audit_shared_subnet",
    "tasks {0} and {1} of unit {2} went to one subnet, {3}",
    """
    SELECT a.id, b.id, a.unit_id, a.subnet FROM task a
    JOIN task b ON b.unit_id = a.unit_id AND b.id > a.id AND b.subnet = a.subnet
    WHERE a.state IN ('in_progress', 'success') AND b.state IN ('in_progress', 'success')
      AND a.subnet <> ''
    """
    + LIMIT,
)
SHARED_PAST = Query(
    "audit_shared_past",
    "task {0} of unit {2} continues work of host {3}, which has task {1} of the same unit",
    """
    SELECT a.id, b.id, a.unit_id, p.host_id FROM task a
    JOIN task p ON p.id = a.resumed_from
    JOIN task b ON b.unit_id = a.unit_id AND b.id <> a.id AND b.host_id = p.host_id
    WHERE a.state IN ('in_progress', 'success') AND b.state IN ('in_progress', 'success')
    """
    + LIMIT,
)
RESUMED_TWICE = Query(
    "audit_resumed_twice",
    "tasks {0} and {1} both continue task {2}",
    """
    SELECT a.id, b.id, a.resumed_from FROM task a
    JOIN task b ON b.unit_id = a.unit_id AND b.id > a.id AND b.resumed_from = a.resumed_from
    WHERE a.state IN ('in_progress', 'success') AND b.state IN ('in_progress', 'success')
    """
    + LIMIT,
)
HOST_CAPS = Query(
    "audit_host_caps",
    "every host's tasks in progress, its cap and cores",
    "SELECT id, n_in_progress, tasks_max, cores FROM host WHERE id > :after ORDER BY id" + LIMIT,
    lambda row: (int(row[0]), int(row[1]), int(row[2]), int(row[3])),
)
QUEUE_LOST = Query(
    "audit_queue_lost",
    "stage {0} has tasks to send, but is not dispatchable",
    """
    SELECT s.id FROM stage s JOIN batch b ON b.id = s.batch_id
    WHERE s.state = 'running' AND s.placement = 'grid' AND s.dispatchable = 0
      AND b.state IN ('canary', 'running', 'combining')
      AND EXISTS (SELECT 1 FROM work_unit u WHERE u.stage_id = s.id AND u.n_unsent > 0)
    """
    + LIMIT,
)
QUEUE_LOOSE = Query(
    "audit_queue_loose",
    "stage {0} is dispatchable while it is {1} and its batch {2}",
    """
    SELECT s.id, s.state, b.state FROM stage s JOIN batch b ON b.id = s.batch_id
    WHERE s.dispatchable = 1 AND (s.state <> 'running' OR s.placement <> 'grid'
          OR b.state NOT IN ('canary', 'running', 'combining'))
    """
    + LIMIT,
)
UNIT_FORGOTTEN = Query(
    "audit_unit_forgotten",
    "unit {0} is {1} and nobody will look at it: no task waits, and it is not due",
    """
    SELECT u.id, u.state FROM work_unit u JOIN stage s ON s.id = u.stage_id
    JOIN batch b ON b.id = s.batch_id
    LEFT JOIN reputation r ON r.host_id = u.held_by AND r.subject = u.held_for
    WHERE u.due_at IS NULL AND u.n_unsent = 0 AND s.placement = 'grid' AND s.settle_from IS NULL
      AND (u.state IN ('open', 'valid') OR (u.state = 'provisional' AND u.final_at <= r.checks
           AND NOT EXISTS (SELECT 1 FROM task t WHERE t.host_id = u.held_by
                           AND t.verdict = 'inconclusive' AND t.reason = 'disputed')))
      AND NOT (u.n_tasks = 0 AND (b.state = 'canary' OR b.resume_state = 'canary'
               OR (s.release_from IS NOT NULL AND u.idx >= s.release_from)))
      AND NOT EXISTS (SELECT 1 FROM job j WHERE j.kind = 'validate' AND j.object_id = u.id
                      AND j.state IN ('queued', 'running'))
    """
    + LIMIT,
)
UNIT_UNWATCHED = Query(
    "audit_unit_unwatched",
    "unit {0} has task {1} in progress until {2}, but no pass will look by then",
    """
    SELECT u.id, t.id, t.deadline_at FROM task t JOIN work_unit u ON u.id = t.unit_id
    WHERE t.state = 'in_progress' AND (t.deadline_at IS NULL OR u.due_at IS NULL)
    """
    + LIMIT,
)
RESULT_UNJUDGED = Query(
    "audit_result_unjudged",
    "unit {0} has a result of task {1} that waits for a verdict, but is not due",
    """
    SELECT u.id, t.id FROM task t JOIN work_unit u ON u.id = t.unit_id
    WHERE t.verdict = 'pending' AND u.due_at IS NULL AND u.state NOT IN ('open', 'provisional')
      AND NOT EXISTS (SELECT 1 FROM job j WHERE j.kind = 'validate' AND j.object_id = u.id
                      AND j.state IN ('queued', 'running'))
    """
    + LIMIT,
)
BATCH_FORGOTTEN = Query(
    "audit_batch_forgotten",
    "batch {0} is {1}, nothing of it is under way, and it is not due",
    """
    SELECT b.id, b.state FROM batch b
    WHERE b.due_at IS NULL AND (
        (b.state = 'checking' AND NOT EXISTS (
            SELECT 1 FROM job j WHERE j.kind = 'submit' AND j.object_id = b.id
               AND j.state IN ('queued', 'running')))
        OR (b.state IN ('running', 'combining') AND NOT EXISTS (
            SELECT 1 FROM stage s WHERE s.batch_id = b.id AND s.state = 'running'
               AND (s.assimilated + s.failed + s.cancelled < s.expected
                    OR s.reopen_from IS NOT NULL))))
    """
    + LIMIT,
)
BATCH_ANSWERS = Query(
    "audit_batch_answers",
    "batch {0} is {1} at answer {2}, but has {3} answers",
    """
    SELECT b.id, b.state, b.revision, COALESCE(a.n, 0) FROM batch b
    LEFT JOIN (SELECT batch_id, COUNT(*) AS n FROM answer GROUP BY batch_id) a ON a.batch_id = b.id
    WHERE b.revision <> COALESCE(a.n, 0)
       OR (b.state IN ('complete', 'complete_with_failures') AND b.revision = 0)
    """
    + LIMIT,
)

#: The rules whose rows are violations, in the words of their purpose.
RULES = (
    HOST_IN_PROGRESS,
    HOST_RESULTS,
    HOST_TIMED_OUT,
    *audit_credit.RULES,
    *audit_standing.RULES,
    ACCOUNT_OUT,
    APP_OUT,
    STAGE_UNITS,
    UNIT_TASKS,
    UNIT_HOME,
    CANONICAL,
    OUTPUTS,
    MANIFESTS,
    SHARED_PAST,
    RESUMED_TWICE,
    FILE_SIZES,
    QUEUE_LOST,
    QUEUE_LOOSE,
    UNIT_FORGOTTEN,
    UNIT_UNWATCHED,
    RESULT_UNJUDGED,
    BATCH_FORGOTTEN,
    BATCH_ANSWERS,
)
DISTINCT_RULES = {
    "host": SHARED_HOST,
    "account": SHARED_ACCOUNT,
    "subnet": SHARED_SUBNET,
}
