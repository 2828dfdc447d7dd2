"""The exchange: who asks, what was reported, what is lost, what is given, in a dozen statements.

The order matters: reports first, since they make room under the host's cap; then what the host
lost, which it is owed; then new tasks.
"""

from idlegrid_server.domain.reason import HOST
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.dispatch import give_tasks
from idlegrid_server.store.apply.extension import extend_deadlines
from idlegrid_server.store.apply.host import SHUT_OUT, set_machine
from idlegrid_server.store.apply.report import Reports, take_reports
from idlegrid_server.store.apply.resend import resend_lost
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import exchange as sql
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import unit as unit_sql

#: Unit states in which a task out there is of no use, and the reason that it ends by.
ENDED = {"cancelled": "unit_cancelled", "failed": "unit_failed", "retired": "unit_failed"}
#: Unit states in which a task is of use only if it was begun: to its host, for the credit.
DECIDED = {"valid": "decided", "assimilated": "decided"}
NOT_LOST = ENDED | DECIDED


def exchange(db: Connection, command: c.Exchange) -> c.ExchangeResult:
    """Do one exchange, or say why not."""
    host = db.fetch_one(host_sql.CALLER, device=command.device)
    if host is None:
        return c.ExchangeResult("unknown_host", reason="this computer is not known here: enrol")
    if host.state in SHUT_OUT:
        reason = HOST.get(host.reason, host.reason) or f"this computer is {host.state}"
        return c.ExchangeResult("forbidden", host.id, reason)
    if command.request_id == host.last_request:
        if command.body_hash != host.last_body:
            return c.ExchangeResult(
                "conflict", host.id, "this request id came before with another body"
            )
    elif command.seq <= host.seq:
        return c.ExchangeResult(
            "clone",
            host.id,
            f"sequence number {command.seq} is not above {host.seq}: two computers use one key",
        )
    if command.machine is not None:
        set_machine(db, host.id, command.machine)
        host = _described(host, command.machine)
    ledger = Ledger(db, command.now, f"host:{host.id}")
    reports = take_reports(db, ledger, host, command)
    known = {*command.held, *(report.task_id for report in command.reports)}
    held = db.fetch_all(sql.HELD, host_id=host.id)
    idle = [task for task in held if task.unit_state in NOT_LOST]
    let_go = _abandon(db, ledger, [task for task in idle if task.id not in known])
    live = [task for task in held if task.unit_state not in NOT_LOST]
    again = resend_lost(db, ledger, host, live, known, command)
    extended = extend_deadlines(db, ledger, live, command)
    gone = set(let_go)
    left = [task for task in held if task.id not in gone]
    given = give_tasks(db, ledger, host, left, len(again), reports.success, command)
    _remember(db, host, reports, len(given.tasks) - reports.left - len(let_go), command)
    ledger.write()
    return c.ExchangeResult(
        "ok",
        host.id,
        answers=reports.answers,
        tasks=(*again, *given.tasks),
        cancel=_not_awaited(command, held, reports),
        extended=extended,
        refusals=given.refusals,
        turned_away=given.turned_away,
        made_due=bool(reports.units),
        profiles=tuple(host.profiles.split()),
    )


def _described(host: host_sql.CallerRow, machine: c.MachineFacts) -> host_sql.CallerRow:
    return host._replace(
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        profiles=" ".join(machine.profiles),
        kind=machine.kind,
        features=" ".join(machine.features),
    )


def _abandon(db: Connection, ledger: Ledger, tasks: list[sql.HeldRow]) -> list[int]:
    """Tasks that nobody needs, and that the host was told to forget, are its no more."""
    if not tasks:
        return []
    for task in tasks:
        ledger.step("task", task.id, "in_progress", "aborted", NOT_LOST[task.unit_state])
    db.execute_many(sql.TASKS_ABANDONED, [(NOT_LOST[task.unit_state], task.id) for task in tasks])
    units = sorted({task.unit_id for task in tasks})
    db.execute(unit_sql.UNITS_WAKE, unit_ids=units, now=ledger.now)
    return [task.id for task in tasks]


def _not_awaited(command: c.Exchange, held: list[sql.HeldRow], reports: Reports) -> tuple[int, ...]:
    """Held tasks that need not be computed any more: given up, of a unit that ended without, or of
    one that was decided before the host began (a host that does not say has begun them all)."""
    begun = None if command.running is None else {task.task_id for task in command.running}
    wanted = {answer.task_id for answer in reports.answers}
    for task in held:
        if task.unit_state in DECIDED:
            if begun is None or task.id in begun:
                wanted.add(task.id)
        elif task.unit_state not in ENDED:
            wanted.add(task.id)
    return tuple(task_id for task_id in command.held if task_id not in wanted)


def _remember(
    db: Connection, host: host_sql.CallerRow, reports: Reports, more: int, command: c.Exchange
) -> None:
    db.execute(
        host_sql.HOST_SEEN,
        host_id=host.id,
        seq=max(host.seq, command.seq),
        last_request=command.request_id,
        last_body=command.body_hash,
        subnet=command.subnet,
        now=command.now,
        in_progress=more,
        success=reports.success,
        error=reports.error,
        tasks_max=reports.tasks_max,
    )
