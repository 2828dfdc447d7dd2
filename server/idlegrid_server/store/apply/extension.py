"""Deadlines that move because a host tells how far its tasks are."""

from idlegrid_server.domain.extension import Runner, extend
from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import exchange as sql


def extend_deadlines(
    db: Connection, ledger: Ledger, held: list[sql.HeldRow], command: c.Exchange
) -> tuple[c.Extended, ...]:
    """Give longer to what advances and would just miss its deadline; no statement if nothing is."""
    told = {task.task_id: task.progress for task in command.running or () if task.progress > 0}
    found = []
    for task in held:
        if task.id not in told:
            continue
        runner = Runner(
            task.id, task.sent_at, task.deadline_at, task.extended, task.told_ppm, task.longest_at
        )
        extension = extend(runner, told[task.id], command.now)
        if extension is not None:
            found.append(extension)
    if not found:
        return ()
    db.execute_many(
        sql.TASKS_EXTENDED,
        [(e.deadline_at, e.longest_at, e.told_ppm, e.task_id) for e in found],
    )
    for extension in found:
        detail = {"deadline_at": extension.deadline_at, "progress_ppm": extension.told_ppm}
        ledger.note("task", extension.task_id, "in_progress", "extended", detail)
    return tuple(c.Extended(e.task_id, e.deadline_at) for e in found)
