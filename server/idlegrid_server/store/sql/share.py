"""Fair share between accounts, and caps on what is out of an account's or an app's work."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class ShareRow(NamedTuple):
    """What an account is entitled to. ``busy`` is counted only under a cap, and never too low."""

    account_id: int
    email: str
    weight: float
    time: float | None
    tasks_max: int | None
    busy: int


class AppCapRow(NamedTuple):
    """The cap of an app."""

    app_id: int
    app: str
    tasks_max: int
    busy: int


_OUT = """
    SELECT COUNT(*) FROM task t JOIN work_unit u ON u.id = t.unit_id
    JOIN stage s ON s.id = u.stage_id JOIN batch b ON b.id = s.batch_id
    WHERE t.state = 'in_progress' AND
"""

SHARE_ADVANCE = Query(
    "share_advance",
    "work of an account was given out while others waited",
    """
    INSERT INTO share (account_id, time, step)
    VALUES (:account_id, :place + :more, :more)
    ON CONFLICT (account_id) DO UPDATE SET
        time = CASE WHEN share.time > :place THEN share.time ELSE :place END + :more,
        step = CASE WHEN :more > 0 THEN :more ELSE share.step END
    """,
)
SHARE_BUSY = Query(
    "share_busy",
    "tasks of an account under a cap go out; nothing is changed if they would be too many",
    """
    UPDATE share SET busy = busy + :count
    WHERE account_id = :account_id AND busy + :count <= tasks_max
    """,
)
APP_BUSY = Query(
    "app_busy",
    "tasks of an app under a cap go out; nothing is changed if they would be too many",
    """
    UPDATE app_cap SET busy = busy + :count WHERE app_id = :app_id AND busy + :count <= tasks_max
    """,
)
SHARES_RECOUNT = Query(
    "shares_recount",
    "what is out of the accounts that have a cap",
    "UPDATE share SET busy = (" + _OUT + " b.account_id = share.account_id) "
    "WHERE tasks_max IS NOT NULL",
)
APPS_RECOUNT = Query(
    "apps_recount",
    "what is out of the apps that have a cap",
    "UPDATE app_cap SET busy = (" + _OUT + " s.app_id = app_cap.app_id)",
)
SHARE_SET = Query(
    "share_set",
    "what an account is entitled to",
    """
    INSERT INTO share (account_id, weight, tasks_max) VALUES (:account_id, :weight, :tasks_max)
    ON CONFLICT (account_id) DO UPDATE SET weight = :weight, tasks_max = :tasks_max
    """,
)
SHARE_OF_ACCOUNT = Query(
    "share_of_account",
    "what an account is entitled to, to change it",
    """
    SELECT f.account_id, a.email, f.weight, f.time, f.tasks_max, f.busy
    FROM share f JOIN account a ON a.id = f.account_id WHERE f.account_id = :account_id
    """,
    ShareRow._make,
)
SHARES_AFTER = Query(
    "shares_after",
    "list what accounts are entitled to",
    """
    SELECT f.account_id, a.email, f.weight, f.time, f.tasks_max, f.busy
    FROM share f JOIN account a ON a.id = f.account_id
    WHERE f.account_id > :after ORDER BY f.account_id LIMIT :limit
    """,
    ShareRow._make,
)
APP_CAP_SET = Query(
    "app_cap_set",
    "how many tasks of an app may be out",
    """
    INSERT INTO app_cap (app_id, tasks_max) VALUES (:app_id, :tasks_max)
    ON CONFLICT (app_id) DO UPDATE SET tasks_max = :tasks_max
    """,
)
APP_CAP_DROP = Query(
    "app_cap_drop",
    "an app may have out what there is",
    "DELETE FROM app_cap WHERE app_id = :app_id",
)
APP_CAPS_AFTER = Query(
    "app_caps_after",
    "list the caps of apps",
    """
    SELECT c.app_id, a.name, c.tasks_max, c.busy FROM app_cap c JOIN app a ON a.id = c.app_id
    WHERE c.app_id > :after ORDER BY c.app_id LIMIT :limit
    """,
    AppCapRow._make,
)
BATCH_URGENCY = Query(
    "batch_urgency",
    "an admin lets a batch go before others",
    "UPDATE batch SET urgency = :urgency WHERE id = :batch_id AND urgency <> :urgency",
)
ACCOUNT_OUT = Query(
    "audit_account_out",
    "account {0} counts {1} tasks out under its cap, but has {2}",
    """
    SELECT f.account_id, f.busy, t.n FROM share f JOIN (
        SELECT b.account_id, COUNT(*) AS n FROM task JOIN work_unit u ON u.id = task.unit_id
        JOIN batch b ON b.id = u.batch_id WHERE task.state = 'in_progress' GROUP BY b.account_id
    ) t ON t.account_id = f.account_id
    WHERE f.tasks_max IS NOT NULL AND f.busy < t.n
    LIMIT :limit
    """,
)
APP_OUT = Query(
    "audit_app_out",
    "app {0} counts {1} tasks out under its cap, but has {2}",
    """
    SELECT c.app_id, c.busy, t.n FROM app_cap c JOIN (
        SELECT s.app_id, COUNT(*) AS n FROM task JOIN work_unit u ON u.id = task.unit_id
        JOIN stage s ON s.id = u.stage_id WHERE task.state = 'in_progress' GROUP BY s.app_id
    ) t ON t.app_id = c.app_id
    WHERE c.busy < t.n
    LIMIT :limit
    """,
)
