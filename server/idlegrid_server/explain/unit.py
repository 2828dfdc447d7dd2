"""Why a work unit, or one copy of it, stands where it stands."""

from collections.abc import Collection

from idlegrid_server.domain.credit import MICRO
from idlegrid_server.domain.matching import RESERVED, Distinct
from idlegrid_server.domain.migration import Replica
from idlegrid_server.domain.story import reason_words, state_words
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.credit import CREDIT_OF_TASKS, CreditRow
from idlegrid_server.store.sql.explain import BOUND_TO, CHECKS_LEFT, STAGE_WANTS, WantRow
from idlegrid_server.store.sql.unit import TASKS_OF_UNITS, TaskRow, UnitRow

from .moment import moment_words, span_words
from .story import Explained, Names, made_in_bulk, steps_of
from .waiting import (
    asked_words,
    askers,
    candidate_of,
    count_hindrances,
    refusals,
    refused_words,
)

SENDING = frozenset({"canary", "running", "combining"})


def explain_unit(
    db: Connection, names: Names, unit: UnitRow, now: int, distinct: Collection[Distinct]
) -> Explained:
    """A unit with all its copies. Raises ``LookupError`` for one without its stage."""
    tasks = db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id])
    stage = db.fetch_one(STAGE_WANTS, stage_id=unit.stage_id)
    if stage is None:
        raise LookupError(f"unit {unit.id} has no stage")
    task_ids = [task.id for task in tasks]
    steps, truncated = steps_of(
        db,
        names,
        [("unit", [unit.id]), ("task", task_ids), ("verdict", task_ids), ("credit", task_ids)],
    )
    made = made_in_bulk(db, names, stage.id, unit.idx, unit.id)
    credit = db.fetch_all(CREDIT_OF_TASKS, task_ids=task_ids)
    return Explained(
        kind="unit",
        id=names.of("unit", unit.id),
        headline=_headline("unit", unit.state, unit.reason),
        now=tuple(_unit_now(db, names, unit, tasks, stage, now, distinct)),
        facts={
            "batch": names.of("batch", unit.batch_id),
            "index": unit.idx,
            "stage": stage.idx,
            "copies": unit.n_tasks,
            "copies not sent": unit.n_unsent,
            "results wanted": unit.target,
            "credit of a result": _credits(unit.agreed_micro),
            "credit paid": _credits(_sum(credit, "paid")),
            "credit that waits": _credits(_sum(credit, "pending")),
        },
        steps=((made, *steps) if made is not None else steps),
        truncated=truncated,
    )


def explain_task(
    db: Connection, names: Names, task: TaskRow, unit: UnitRow, batch: str, now: int
) -> Explained:
    """One copy of a unit; ``batch`` is the name of its batch."""
    steps, truncated = steps_of(
        db, names, [("task", [task.id]), ("verdict", [task.id]), ("credit", [task.id])]
    )
    credit = db.fetch_all(CREDIT_OF_TASKS, task_ids=[task.id])
    state, reason = task.state, task.reason
    headline = _headline("task", state, reason if task.verdict is None else "")
    if task.verdict is not None:
        headline += " " + _headline("verdict", task.verdict, reason if reason != "ok" else "")
    return Explained(
        kind="task",
        id=names.of("task", task.id),
        headline=headline,
        now=tuple(_task_now(names, task, unit, credit, now)),
        facts={
            "batch": batch,
            "unit": names.of("unit", unit.id),
            "copy": task.n,
            "host": None if task.host_id is None else names.of("host", task.host_id),
            "ops": task.ops,
            "running time, seconds": None if task.elapsed_us is None else task.elapsed_us / 1e6,
            "worth, credits": _credits(task.credit_micro),
            "paid": _credits(_sum(credit, "paid")),
        },
        steps=steps,
        truncated=truncated,
    )


def _headline(kind: str, state: str, reason: str) -> str:
    words = reason_words(kind, reason)
    return f"{state_words(kind, state)}: {words}" if words else f"{state_words(kind, state)}."


def _credits(micro: int | None) -> float | None:
    return None if micro is None else micro / MICRO


def _sum(credit: list[CreditRow], state: str) -> int | None:
    found = [row.micro for row in credit if row.state == state]
    return sum(found) if found else None


def _unit_now(
    db: Connection,
    names: Names,
    unit: UnitRow,
    tasks: list[TaskRow],
    stage: WantRow,
    now: int,
    distinct: Collection[Distinct],
) -> list[str]:
    if unit.state not in ("open", "provisional"):
        return []
    found = []
    if unit.state == "provisional":
        found.append(_held(db, names, unit))
    if stage.placement == "server":
        found.append("The server computes it itself.")
        return found
    if is_closed(stage):
        found.append(
            f"Nothing of it goes out: {_headline('batch', stage.batch_state, stage.batch_reason)}"
        )
    found += [_out(names, task, now) for task in tasks if task.state == "in_progress"]
    waiting = [task for task in tasks if task.state == "success" and task.verdict == "pending"]
    if unit.due_at is not None and unit.due_at <= now:
        found.append("The server looks at it within moments.")
    elif waiting and unit.state == "open":
        results = "1 result" if len(waiting) == 1 else f"{len(waiting)} results"
        found.append(f"{results} came; it takes {unit.target} of them to decide.")
    if unit.n_unsent and not is_closed(stage):
        found += _unsent(db, unit, tasks, stage, now, distinct)
    return found


def _held(db: Connection, names: Names, unit: UnitRow) -> str:
    """What a provisional unit waits for."""
    host = names.of("host", unit.held_by or 0)
    passed = db.fetch_one(CHECKS_LEFT, host_id=unit.held_by, subject=unit.held_for) or 0
    left = max(0, (unit.final_at or 0) - passed)
    checks = "one more secret check" if left == 1 else f"{left:,} more secret checks"
    return (
        f"{host}, a proven computer, has said alone what it comes to. It is final when {host} has "
        f"passed {checks}, and looked at again if it fails one."
    )


def is_closed(stage: WantRow) -> bool:
    """Whether nothing of a stage goes out now, whoever asks."""
    return stage.batch_state not in SENDING or stage.state != "running"


def _out(names: Names, task: TaskRow, now: int) -> str:
    host = names.of("host", task.host_id or 0)
    until = "" if task.deadline_at is None else f", due by {moment_words(task.deadline_at)}"
    since = "" if task.sent_at is None else f" for {span_words(now - task.sent_at)}"
    return f"Copy {task.n} is with {host}{since}{until}."


def _unsent(
    db: Connection,
    unit: UnitRow,
    tasks: list[TaskRow],
    stage: WantRow,
    now: int,
    distinct: Collection[Distinct],
) -> list[str]:
    copies = "1 copy waits" if unit.n_unsent == 1 else f"{unit.n_unsent} copies wait"
    kept = " for a computer whose results were confirmed before" if unit.rank == RESERVED else ""
    had = any(task.host_id is not None for task in tasks)
    partner = ", for a partner other than those who had one" if had and distinct else ""
    replicas = [
        Replica(t.id, t.state, t.host_id, t.account_id, t.subnet or "", t.resumed_from)  # type: ignore[arg-type]
        for t in tasks
        if t.host_id is not None
    ]
    bound = db.fetch_one(BOUND_TO, unit_id=unit.id) or ""
    counts = count_hindrances(
        askers(db, now), stage, candidate_of(unit.id, unit.rank, bound, replicas), distinct
    )
    refused = refused_words(refusals(db, now, [stage.id]), "of its stage")
    return [
        f"{copies} to be sent{kept}{partner}.",
        asked_words(counts),
        *([refused] if refused else []),
    ]


def _task_now(
    names: Names, task: TaskRow, unit: UnitRow, credit: list[CreditRow], now: int
) -> list[str]:
    found = []
    if task.state == "unsent":
        found.append(f"It waits for a computer; ask about its unit {names.of('unit', unit.id)}.")
    elif task.state == "in_progress" and task.deadline_at is not None:
        left = task.deadline_at - now
        found.append(
            f"It is due in {span_words(left)}."
            if left > 0
            else f"It is late by {span_words(-left)} and is given up soon; it may still come."
        )
    elif (
        task.state == "success"
        and task.verdict in ("pending", "inconclusive")
        and names.host is None  # whether it is checked in secret is not its host's to know
    ):
        found.append(
            f"Its unit is {unit.state}: {reason_words('unit', unit.reason) or 'not decided yet.'}"
        )
    pending = _sum(credit, "pending")
    if pending is not None:
        found.append(f"{pending / MICRO:,.2f} credits wait until it is final.")
    lost = sum(row.base_micro - row.micro for row in credit if row.state == "paid")
    if lost:
        found.append(f"{lost / MICRO:,.2f} credits were lost by coming late.")
    others = [row for row in credit if row.of_task != task.id]
    if others:
        part = sum(row.micro for row in others) / MICRO
        found.append(f"{part:,.2f} credits of it went to those who began it.")
    return found
