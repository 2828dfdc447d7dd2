"""Why a host stands where it stands, and why it gets no more work."""

from collections import Counter
from collections.abc import Collection

from idlegrid_server.domain.average import per_day
from idlegrid_server.domain.benchmark import ops_per_second
from idlegrid_server.domain.credit import MICRO
from idlegrid_server.domain.matching import SERVED, Distinct
from idlegrid_server.domain.migration import Replica
from idlegrid_server.domain.model import Standing
from idlegrid_server.domain.reason import REFUSAL
from idlegrid_server.domain.standing_story import limit_words, next_words, trust_words
from idlegrid_server.domain.story import reason_words, state_words
from idlegrid_server.domain.trust import faded
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.credit import PENDING_OF_HOST
from idlegrid_server.store.sql.explain import (
    ASKER,
    CHECKS_OF_HOST,
    STAGES_WAITING,
    TASKS_HELD,
    UNITS_WAITING,
    AskerRow,
    ChecksRow,
)
from idlegrid_server.store.sql.host import HostRow
from idlegrid_server.store.sql.unit import TASKS_OF_UNITS

from .moment import moment_words, span_words
from .story import Explained, Names, steps_of
from .waiting import asker_snapshot, candidate_of, hindrance

STAGES_LOOKED_AT = 64
UNITS_LOOKED_AT = 50  # of each stage
HELD_SHOWN = 20
SUBJECTS_TOLD = 20


def explain_host(
    db: Connection, names: Names, host: HostRow, now: int, distinct: Collection[Distinct]
) -> Explained:
    """A host: its standing, its limits, what it holds, and what hinders it now."""
    steps, truncated = steps_of(db, names, [("host", [host.id])])
    pending = db.fetch_one(PENDING_OF_HOST, host_id=host.id) or 0
    words = reason_words("host", host.reason)
    state = state_words("host", host.state)
    return Explained(
        kind="host",
        id=names.of("host", host.id),
        headline=f"{state}: {words}" if words else f"{state}.",
        now=tuple(_now(db, names, host, now, distinct)),
        facts={
            "name": host.name,
            "owner": None if host.account_id is None else names.of("account", host.account_id),
            "the project's own": "yes" if host.house else "no",
            "tasks now": host.n_in_progress,
            "tasks at most": host.tasks_max,
            "results right": host.n_valid,
            "results wrong": host.n_invalid,
            "errors": host.n_error,
            "deadlines missed": host.n_timed_out,
            "credit": host.credit_micro / MICRO,
            "credit that waits": pending / MICRO,
            "credit a day, recently": per_day(host.recent_micro, host.recent_at, now) / MICRO,
            "ops in a second, measured": ops_per_second(host.bench_micro, host.bench_us) or None,
        },
        steps=steps,
        truncated=truncated,
    )


def _now(
    db: Connection, names: Names, host: HostRow, now: int, distinct: Collection[Distinct]
) -> list[str]:
    found = [f"It was last seen {span_words(now - host.last_seen_at)} ago."]
    asker = db.fetch_one(ASKER, host_id=host.id)
    snapshot = None if asker is None else asker_snapshot(asker)
    if snapshot is not None and (further := next_words(snapshot, host.n_valid)):
        found.append(further)
    if host.shut_out_until is not None:
        times = "once" if host.n_shut_out == 1 else f"{host.n_shut_out} times"
        until = moment_words(host.shut_out_until)
        found.append(f"It gets no work until {until}; its results shut it out {times}.")
    found += [_checks(row, host, now) for row in _all_checks(db, host)]
    if host.house:
        found.append("It belongs to the project, so it counts as trusted.")
    if snapshot is not None:
        found.append(limit_words(snapshot))
    for task in db.fetch_all(TASKS_HELD, host_id=host.id, limit=HELD_SHOWN):
        due = "" if task.deadline_at is None else f", due by {moment_words(task.deadline_at)}"
        found.append(f"It has {names.of('task', task.id)} of {task.batch!r}{due}.")
    if asker is not None:
        found += _would_hear(db, asker, distinct)
    return found


def _all_checks(db: Connection, host: HostRow) -> list[ChecksRow]:
    return db.fetch_all(CHECKS_OF_HOST, host_id=host.id, limit=SUBJECTS_TOLD)


def _checks(row: ChecksRow, host: HostRow, now: int) -> str:
    """What its checks for one kind of work, or for one app, come to, and what follows."""
    about = f"app {row.app}" if row.app is not None else f"work of the kind {row.subject}"
    text = f"For {about} it has passed {row.checks:,} checks and failed {row.n_failed:,}"
    if row.app is None:
        passed, failed = (faded(sum_, row.faded_at, now) for sum_ in (row.passed, row.failed))
        text += f"; by weight and age that is {passed:.1f} passed and {failed:.1f} failed"
    if row.caught_at is not None:
        text += f", the last failed at {moment_words(row.caught_at)}"
    if row.app is not None:
        return f"{text}."
    standing = Standing(
        host_id=host.id,
        state=host.state,  # type: ignore[arg-type]
        house=bool(host.house),
        passed=faded(row.passed, row.faded_at, now),
        failed=faded(row.failed, row.faded_at, now),
    )
    return f"{text}. {trust_words(standing)}"


def _would_hear(db: Connection, host: AskerRow, distinct: Collection[Distinct]) -> list[str]:
    """What it would be told if it asked now."""
    if host.state not in SERVED:
        return [REFUSAL["quarantined"]]
    stages = db.fetch_all(STAGES_WAITING, limit=STAGES_LOOKED_AT)
    counts: Counter[str] = Counter()
    for stage in stages:
        whole = hindrance(host, stage, None, distinct)
        if whole not in ("", "cap", "unjudged"):
            counts[whole] += 1
            continue
        units = db.fetch_all(UNITS_WAITING, stage_id=stage.id, limit=UNITS_LOOKED_AT)
        replicas: dict[int, list[Replica]] = {unit.id: [] for unit in units}
        for t in db.fetch_all(TASKS_OF_UNITS, unit_ids=list(replicas)):
            if t.host_id is not None:
                replicas[t.unit_id].append(
                    Replica(t.id, t.state, t.host_id, t.account_id, t.subnet or "", t.resumed_from)  # type: ignore[arg-type]
                )
        for unit in units:
            candidate = candidate_of(unit.id, unit.rank, "", replicas[unit.id])
            counts[hindrance(host, stage, candidate, distinct)] += 1
    if not stages:
        return [REFUSAL["no_work"]]
    if counts.get("cap"):
        held = f"{host.n_in_progress} of the {host.tasks_max}"
        return [REFUSAL["cap"].format(count=0, detail=held)]
    if counts.get(""):
        return ["If it asked now, it would get work."]
    return [
        f"If it asked now, it would get none: {WOULD[code].format(count=count)}."
        for code, count in counts.most_common()
    ]


#: What hinders one host, at so many stages or units.
WOULD = {
    "profile": "{count} stages need a runtime that it does not offer",
    "memory": "{count} stages need more memory than it has",
    "kind": "{count} units were begun by computers of another kind",
    "partner": "of {count} units it, its owner or its network had a copy already",
    "reserved": "{count} units are kept for computers whose results were confirmed before",
    "unjudged": "it is new, and so many results of it wait to be judged ({count} places looked at)",
    "named": "{count} units name the computers that they are for",
}
