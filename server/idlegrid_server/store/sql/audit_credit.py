"""Queries that find credit which does not add up; see :mod:`.audit`."""

from idlegrid_server.store.query import Query

LIMIT = " LIMIT :limit"

HOST_CREDIT = Query(
    "audit_host_credit",
    "host {0} has {1} micro-credits, but was granted {2}",
    """
    SELECT h.id, h.credit_micro, COALESCE(c.n, 0) FROM host h
    LEFT JOIN (SELECT host_id, SUM(micro) AS n FROM credit WHERE state = 'paid'
               GROUP BY host_id) c ON c.host_id = h.id
    WHERE h.credit_micro <> COALESCE(c.n, 0)
    """
    + LIMIT,
)
ACCOUNT_CREDIT = Query(
    "audit_account_credit",
    "account {0} has {1} micro-credits, but was granted {2}",
    """
    SELECT a.id, a.credit_micro, COALESCE(c.n, 0) FROM account a
    LEFT JOIN (SELECT account_id, SUM(micro) AS n FROM credit WHERE state = 'paid'
               GROUP BY account_id) c
           ON c.account_id = a.id
    WHERE a.credit_micro <> COALESCE(c.n, 0)
    """
    + LIMIT,
)
TASK_CREDIT = Query(
    "audit_task_credit",
    "task {0} says {1} micro-credits, the credit table {2}",
    """
    SELECT t.id, t.credit_micro, c.micro FROM task t
    LEFT JOIN (SELECT task_id, SUM(base_micro) AS micro FROM credit WHERE state = 'paid'
               GROUP BY task_id) c ON c.task_id = t.id
    WHERE t.credit_micro IS NOT NULL AND (c.micro IS NULL OR c.micro <> t.credit_micro)
    UNION ALL
    SELECT t.id, t.credit_micro, c.micro FROM credit c LEFT JOIN task t ON t.id = c.task_id
    WHERE c.state = 'paid' AND (t.id IS NULL OR t.credit_micro IS NULL)
    """
    + LIMIT,
)
CREDIT_PENDING = Query(
    "audit_credit_pending",
    "task {0} has credit that waits, but its unit {1} is {2} by task {3}",
    """
    SELECT c.task_id, u.id, u.state, u.canonical_task FROM credit c
    LEFT JOIN task t ON t.id = c.task_id LEFT JOIN work_unit u ON u.id = t.unit_id
    WHERE c.state = 'pending' AND c.of_task = c.task_id
      AND (u.id IS NULL OR u.state <> 'provisional' OR u.canonical_task <> c.task_id)
    """
    + LIMIT,
)
CREDIT_HANDS = Query(
    "audit_credit_hands",
    "credit for task {0} of task {1} went to host {2} and account {3}; it had {4} and {5}",
    """
    SELECT c.task_id, c.of_task, c.host_id, c.account_id, t.host_id, t.account_id
    FROM credit c LEFT JOIN task t ON t.id = c.of_task
    WHERE t.id IS NULL OR t.host_id <> c.host_id
       OR COALESCE(t.account_id, 0) <> COALESCE(c.account_id, 0)
    """
    + LIMIT,
)
STATISTICS = Query(
    "audit_statistics",
    "on day {0} account {1}, host {2}, app {3}: {4} results, {5} and {6} micro-credits too many",
    """
    SELECT day, account_id, host_id, app_id, SUM(results), SUM(base_micro), SUM(micro) FROM (
        SELECT day, account_id, host_id, app_id, results, base_micro, micro FROM statistic
        UNION ALL
        SELECT c.at / 86400000000, COALESCE(c.account_id, 0), c.host_id, v.app_id,
               CASE WHEN c.of_task = c.task_id THEN -1 ELSE 0 END, -c.base_micro, -c.micro
        FROM credit c JOIN task t ON t.id = c.task_id JOIN work_unit u ON u.id = t.unit_id
        JOIN stage s ON s.id = u.stage_id JOIN app_version v ON v.id = s.app_version_id
        WHERE c.state = 'paid'
    ) AS told GROUP BY day, account_id, host_id, app_id
    HAVING SUM(results) <> 0 OR SUM(base_micro) <> 0 OR SUM(micro) <> 0
    """
    + LIMIT,
)
AGREED_MICRO = Query(
    "agreed_again",
    "what agreed units are worth, to count their spread again",
    """
    SELECT stage_id, agreed_micro, COUNT(*) FROM work_unit WHERE agreed_micro IS NOT NULL
    GROUP BY stage_id, agreed_micro
    """,
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
SPREADS = Query(
    "spreads_kept",
    "the spread of what agreed units are worth, as it is kept",
    "SELECT stage_id, bucket, units FROM credit_spread WHERE units > 0",
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
RECENT_OF_HOSTS = Query(
    "recent_of_hosts",
    "the recent credit of every host",
    "SELECT id, recent_micro, recent_at FROM host WHERE id > :after ORDER BY id" + LIMIT,
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
RECENT_OF_ACCOUNTS = Query(
    "recent_of_accounts",
    "the recent credit of every account",
    "SELECT id, recent_micro, recent_at FROM account WHERE id > :after ORDER BY id" + LIMIT,
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
CREDIT_AFTER = Query(
    "credit_after",
    "all that was paid, page by page, to average it again",
    """
    SELECT task_id, of_task, host_id, account_id, micro, at FROM credit
    WHERE state = 'paid' AND (task_id, of_task) > (:task_id, :of_task) ORDER BY task_id, of_task
    """
    + LIMIT,
    lambda row: tuple(row),
)

#: The rules whose rows are violations, in the words of their purpose.
RULES = (HOST_CREDIT, ACCOUNT_CREDIT, TASK_CREDIT, CREDIT_PENDING, CREDIT_HANDS, STATISTICS)
