"""Credit: who got what, how it is spread over a stage, and what was paid day by day."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from idlegrid_server.store.query import Query


class CreditRow(NamedTuple):
    """A part of a result's credit, and whose."""

    task_id: int
    of_task: int
    host_id: int
    account_id: int | None
    state: str
    base_micro: int
    micro: int
    at: int


class PurseRow(NamedTuple):
    """What an account has."""

    id: int
    credit_micro: int
    recent_micro: int
    recent_at: int


class DayRow(NamedTuple):
    """What was paid on a day (days since 1970, UTC) for an app's results."""

    day: int
    app: str
    results: int
    base_micro: int
    micro: int


_CREDIT = "SELECT " + ", ".join(CreditRow._fields) + " FROM credit"

CREDIT_INSERT = Query(
    "credit_insert",
    "credit a part of a result; a second time fails",
    """
    INSERT INTO credit (task_id, of_task, host_id, account_id, state, base_micro, micro, at)
    VALUES (:task_id, :of_task, :host_id, :account_id, :state, :base_micro, :micro, :now)
    """,
)
CREDIT_PENDING = Query(
    "credit_pending",
    "what single results were booked, that are now paid or void",
    _CREDIT + " WHERE task_id {in:task_ids} AND state = 'pending' ORDER BY task_id, of_task",
    CreditRow._make,
)
CREDIT_RELEASE = Query(
    "credit_release",
    "take out what was only booked",
    "DELETE FROM credit WHERE task_id {in:task_ids} AND state = 'pending'",
)
PENDING_OF_HOST = Query(
    "pending_of_host",
    "what of a host's credit waits until its single results are final",
    "SELECT COALESCE(SUM(micro), 0) FROM credit WHERE host_id = :host_id AND state = 'pending'",
    lambda row: int(row[0]),
)
PENDING_OF_ACCOUNT = Query(
    "pending_of_account",
    "what of an account's credit waits until its single results are final",
    """
    SELECT COALESCE(SUM(micro), 0) FROM credit
    WHERE account_id = :account_id AND state = 'pending'
    """,
    lambda row: int(row[0]),
)
RESULTS_OF_ACCOUNT = Query(
    "results_of_account",
    "how many results an account was paid for",
    "SELECT COALESCE(SUM(results), 0) FROM statistic WHERE account_id = :account_id",
    lambda row: int(row[0]),
)
CREDIT_OF_TASKS = Query(
    "credit_of_tasks",
    "who got what of these results",
    _CREDIT + " WHERE task_id {in:task_ids} ORDER BY task_id, of_task",
    CreditRow._make,
)
STAGE_APPS = Query(
    "stage_apps",
    "of which app and runtime stages are, whose results are paid",
    """
    SELECT s.id, v.app_id, v.runtime FROM stage s JOIN app_version v ON v.id = s.app_version_id
    WHERE s.id {in:stage_ids}
    """,
    lambda row: (int(row[0]), int(row[1]), str(row[2])),
)
SPREAD_OF_STAGES = Query(
    "spread_of_stages",
    "how much agreed units of stages were worth so far",
    "SELECT stage_id, bucket, units FROM credit_spread WHERE stage_id {in:stage_ids}",
    lambda row: (int(row[0]), int(row[1]), int(row[2])),
)
SPREAD_ADD = Query(
    "spread_add",
    "units of a stage were agreed on, or opened again",
    """
    INSERT INTO credit_spread (stage_id, bucket, units) VALUES (:stage_id, :bucket, :units)
    ON CONFLICT (stage_id, bucket) DO UPDATE SET units = credit_spread.units + excluded.units
    """,
)
SPREAD_TAKE = Query(
    "spread_take",
    "a unit of a stage was opened again: what was agreed of it counts no more",
    "UPDATE credit_spread SET units = units - 1 WHERE stage_id = :stage_id AND bucket = :bucket",
)
BENCHMARKS = Query(
    "benchmarks",
    "how fast some hosts are, for those of which nothing is known",
    """
    SELECT bench_micro, bench_us FROM host WHERE bench_us > 0 ORDER BY id DESC LIMIT :limit
    """,
    lambda row: (int(row[0]), int(row[1])),
)
BENCHMARKS_OF_HOSTS = Query(
    "benchmarks_of_hosts",
    "how fast the hosts are whose results take time instead of ops",
    "SELECT id, bench_micro, bench_us, cores FROM host WHERE id {in:host_ids}",
    lambda row: (int(row[0]), int(row[1]), int(row[2]), int(row[3])),
)
PURSES_LOCK = Query(
    "purses_lock",
    "pay accounts; locks in the order of ids",
    "SELECT "
    + ", ".join(PurseRow._fields)
    + " FROM account WHERE id {in:account_ids} ORDER BY id {lock}",
    PurseRow._make,
)
PURSE_SET = Query(
    "purse_set",
    "keep the sums of an account's credit",
    """
    UPDATE account SET credit_micro = :credit_micro, recent_micro = :recent_micro,
        recent_at = :recent_at
    WHERE id = :account_id
    """,
)
STATISTIC_ADD = Query(
    "statistic_add",
    "what was paid today",
    """
    INSERT INTO statistic (day, account_id, host_id, app_id, results, base_micro, micro)
    VALUES (:day, :account_id, :host_id, :app_id, :results, :base_micro, :micro)
    ON CONFLICT (day, account_id, host_id, app_id) DO UPDATE
    SET results = statistic.results + excluded.results,
        base_micro = statistic.base_micro + excluded.base_micro,
        micro = statistic.micro + excluded.micro
    """,
)

_DAY = """
    SELECT d.day, a.name, SUM(d.results), SUM(d.base_micro), SUM(d.micro)
    FROM statistic d JOIN app a ON a.id = d.app_id
"""
_BY_DAY = """
    GROUP BY d.day, a.name ORDER BY d.day DESC, a.name LIMIT :limit
"""


def _day(row: Sequence[Any]) -> DayRow:
    return DayRow(int(row[0]), str(row[1]), int(row[2]), int(row[3]), int(row[4]))


DAYS_OF_HOST = Query(
    "days_of_host",
    "what a host was paid since a day, newest first",
    _DAY + " WHERE d.host_id = :host_id AND d.day >= :since" + _BY_DAY,
    _day,
)
DAYS_OF_ACCOUNT = Query(
    "days_of_account",
    "what an account was paid since a day, newest first",
    _DAY + " WHERE d.account_id = :account_id AND d.day >= :since" + _BY_DAY,
    _day,
)
DAYS_OF_PROJECT = Query(
    "days_of_project",
    "what all were paid since a day, newest first",
    _DAY + " WHERE d.day >= :since" + _BY_DAY,
    _day,
)
