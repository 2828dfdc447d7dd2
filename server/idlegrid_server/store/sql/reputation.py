"""How far hosts are believed, and the single results that wait for it."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class ReputationRow(NamedTuple):
    """The checks of a host for one subject."""

    host_id: int
    subject: str
    passed: float
    failed: float
    faded_at: int
    checks: int
    n_failed: int
    streak: int
    caught_at: int | None


class SubjectRow(NamedTuple):
    """What of a stage says which trust its units touch."""

    stage_id: int
    policy: str
    subject: str  # domain/subject.py
    app_id: int


class HeldUnitRow(NamedTuple):
    """A provisional unit that nobody checks yet."""

    id: int
    held_by: int
    held_for: str
    final_at: int
    checks: int  # that its host has passed


_FIELDS = ", ".join(ReputationRow._fields)
_REPUTATION = f"SELECT {_FIELDS} FROM reputation"

REPUTATIONS = Query(
    "reputations",
    "how far several hosts are believed for several subjects; who changes them locks the hosts",
    _REPUTATION + " WHERE host_id {in:host_ids} AND subject {in:subjects}",
    ReputationRow._make,
)
REPUTATION_SET = Query(
    "reputation_set",
    "what a host's checks come to now",
    f"""
    INSERT INTO reputation ({_FIELDS})
    VALUES ({", ".join(":" + name for name in ReputationRow._fields)})
    ON CONFLICT (host_id, subject) DO UPDATE SET
        passed = excluded.passed, failed = excluded.failed, faded_at = excluded.faded_at,
        checks = excluded.checks, n_failed = excluded.n_failed, streak = excluded.streak,
        caught_at = excluded.caught_at
    """,
)
SUBJECTS = Query(
    "subjects",
    "which trust the units of several stages touch",
    """
    SELECT s.id, s.policy, s.subject, v.app_id
    FROM stage s JOIN app_version v ON v.id = s.app_version_id WHERE s.id {in:stage_ids}
    """,
    SubjectRow._make,
)
CONFIRMED_COUNT = Query(
    "confirmed_count",
    "results of hosts on probation, and of others, that were confirmed on a day",
    """
    INSERT INTO confirmed_day (day, newcomers, others) VALUES (:day, :newcomers, :others)
    ON CONFLICT (day) DO UPDATE SET newcomers = confirmed_day.newcomers + excluded.newcomers,
        others = confirmed_day.others + excluded.others
    """,
)
CONFIRMED_SINCE = Query(
    "confirmed_since",
    "the same from a day on",
    """
    SELECT COALESCE(SUM(newcomers), 0), COALESCE(SUM(others), 0) FROM confirmed_day
    WHERE day >= :day
    """,
    lambda row: (int(row[0]), int(row[1])),
)
CROWDS = Query(
    "crowds",
    "the hosts that were seen lately, those together that are alike",
    """
    SELECT profiles, state, house, COUNT(*) FROM host
    WHERE last_seen_at >= :since GROUP BY profiles, state, house
    """,
    lambda row: (str(row[0]), str(row[1]), bool(row[2]), int(row[3])),
)
PROVEN = Query(
    "proven",
    "how many volunteers' hosts, seen lately, have passed how many checks for each subject",
    """
    SELECT r.subject, CAST(r.passed AS INTEGER), COUNT(*)
    FROM reputation r JOIN host h ON h.id = r.host_id
    WHERE r.subject {in:subjects} AND r.passed >= 1 AND r.failed < 0.5
      AND h.last_seen_at >= :since AND h.house = 0
      AND h.state IN ('new', 'probation', 'trusted')
    GROUP BY r.subject, CAST(r.passed AS INTEGER)
    """,
    lambda row: (str(row[0]), int(row[1]), int(row[2])),
)
TYPICAL_OPS = Query(
    "typical_ops",
    "what a task of an app takes, about: the newest results count most",
    """
    UPDATE app SET typical_ops = CASE WHEN typical_ops = 0 THEN :ops
        ELSE typical_ops + (:ops - typical_ops) / 16 END
    WHERE id = :app_id
    """,
)

HELD_NEARLY_FINAL = Query(
    "held_nearly_final",
    "the provisional units that a few checks more make final",
    """
    SELECT u.id FROM reputation r JOIN work_unit u
      ON u.state = 'provisional' AND u.held_by = r.host_id AND u.held_for = r.subject
         AND u.final_at <= r.checks + :most
    WHERE r.host_id {in:host_ids}
    """,
    lambda row: int(row[0]),
)
DISPUTES = Query(
    "disputes",
    "results of hosts that others contradict, and nobody has decided",
    """
    SELECT host_id, COUNT(*) FROM task
    WHERE host_id {in:host_ids} AND verdict = 'inconclusive' AND reason = 'disputed'
    GROUP BY host_id
    """,
    lambda row: (int(row[0]), int(row[1])),
)
HELD_FINAL_WAKE = Query(
    "held_final_wake",
    "let a pass look at provisional units that are final by now, which are locked before; a plan "
    "made on fewer checks is void, though its unit may have been due already",
    """
    UPDATE work_unit SET version = version + 1,
        due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END
    WHERE id {in:unit_ids} AND state = 'provisional'
      AND final_at <= (SELECT r.checks FROM reputation r
                       WHERE r.host_id = work_unit.held_by AND r.subject = work_unit.held_for)
    """,
)
HOSTS_RECHECK = Query(
    "hosts_recheck",
    "hosts whose single results are to be judged anew",
    "SELECT id FROM host WHERE recheck_from IS NOT NULL ORDER BY id LIMIT :limit",
    lambda row: int(row[0]),
)
HOST_RECHECK_FROM = Query(
    "host_recheck_from",
    "how far the single results of a host were marked to be judged anew",
    "UPDATE host SET recheck_from = :recheck_from WHERE id = :host_id",
)
HELD_BY_HOST = Query(
    "held_by_host",
    "the next provisional units of a host; locks in the order of ids",
    """
    SELECT id FROM work_unit
    WHERE state = 'provisional' AND held_by = :host_id AND id >= :recheck_from
    ORDER BY id LIMIT :limit {lock}
    """,
    lambda row: int(row[0]),
)
STAGES_TO_FINISH = Query(
    "stages_to_finish",
    "stages that have nothing fresh to send any more and whose single results wait",
    """
    SELECT s.id FROM stage s JOIN batch b ON b.id = s.batch_id
    WHERE s.provisional > 0 AND s.state = 'running' AND s.created = s.expected
      AND b.state IN ('canary', 'running', 'combining') AND s.id > :after
      AND NOT EXISTS (SELECT 1 FROM work_unit u
                      WHERE u.stage_id = s.id AND u.rank = 0 AND u.n_unsent > 0)
    ORDER BY s.id LIMIT :limit
    """,
    lambda row: int(row[0]),
)
HELD_UNCHECKED = Query(
    "held_unchecked",
    "the provisional units of a stage that nobody checks, and how far their hosts have come",
    """
    SELECT u.id, u.held_by, u.held_for, u.final_at, COALESCE(r.checks, 0)
    FROM work_unit u LEFT JOIN reputation r ON r.host_id = u.held_by AND r.subject = u.held_for
    WHERE u.stage_id = :stage_id AND u.state = 'provisional' AND u.target < 2
    """,
    HeldUnitRow._make,
)
HELD_UNDER_CHECK = Query(
    "held_under_check",
    "how many provisional units of a stage are being checked, by host",
    """
    SELECT held_by, COUNT(*) FROM work_unit
    WHERE stage_id = :stage_id AND state = 'provisional' AND target >= 2 GROUP BY held_by
    """,
    lambda row: (int(row[0]), int(row[1])),
)
UNITS_AUDIT = Query(
    "units_audit",
    "have single results checked by another host; a pass sends the task",
    """
    UPDATE work_unit SET target = 2, version = version + 1, due_at = :now
    WHERE id {in:unit_ids} AND state = 'provisional' AND target < 2
    """,
)
