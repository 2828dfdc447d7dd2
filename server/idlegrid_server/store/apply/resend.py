"""Tasks that a host has in progress here and knows nothing of: they are sent again."""

from idlegrid_server.domain.estimate import Spread, Sums, spread_of
from idlegrid_server.domain.model import TaskSnapshot
from idlegrid_server.domain.resend import find_lost
from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import checkpoint as checkpoint_sql
from idlegrid_server.store.sql import exchange as sql
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import queue as queue_sql

SECOND = 1_000_000


def resend_lost(
    db: Connection,
    ledger: Ledger,
    host: host_sql.CallerRow,
    held: list[sql.HeldRow],
    known: set[int],
    command: c.Exchange,
) -> tuple[c.Assignment, ...]:
    """Offer what the host has in progress here and knows nothing of."""
    if all(task.id in known for task in held):
        return ()
    snapshots = [
        TaskSnapshot(
            id=task.id,
            n=0,
            state="in_progress",
            host_id=host.id,
            sent_at=task.sent_at,
            deadline_at=task.deadline_at,
        )
        for task in held
    ]
    lost = find_lost(snapshots, known, (), command.now, len(held))
    if not lost:
        return ()
    units = {task.id: task.unit_id for task in held}
    before = {task.id: task.deadline_at for task in held}
    later = [(r.deadline_at, r.task_id) for r in lost if r.deadline_at != before[r.task_id]]
    db.execute_many(sql.TASK_RESENT, later)
    given = {
        row.id: row
        for row in db.fetch_all(sql.GIVEN_AGAIN, unit_ids=[units[r.task_id] for r in lost])
    }
    for resend in lost:
        ledger.note("task", resend.task_id, "in_progress", "sent again")
    resumed = _resumed(db, {task.id: task.resumed_from for task in held if task.resumed_from})
    return tuple(
        assignment(
            r.task_id,
            given[units[r.task_id]],
            r.deadline_at - command.now,
            ops_of(given[units[r.task_id]]),
            resent=True,
            resume=resumed.get(r.task_id),
        )
        for r in lost
    )


def _resumed(db: Connection, sources: dict[int, int]) -> dict[int, c.Resume]:
    """The checkpoints that tasks, by id, were given to continue from, as far as they are here."""
    if not sources:
        return {}
    rows = db.fetch_all(checkpoint_sql.CHECKPOINTS_OF_TASKS, task_ids=sorted(sources.values()))
    found = {row.task_id: c.Resume(row.task_id, row.sha256, row.size, row.ops) for row in rows}
    return {task: found[source] for task, source in sources.items() if source in found}


def assignment(
    task_id: int,
    unit: sql.GivenRow | sql.AgainRow,
    left: int,
    ops: Spread | None,
    *,
    resent: bool = False,
    resume: c.Resume | None = None,
) -> c.Assignment:
    return c.Assignment(
        task_id=task_id,
        unit_id=unit.id,
        stage_id=unit.stage_id,
        batch_id=unit.batch_id,
        index=unit.idx,
        args=unit.args,
        inputs=unit.inputs,
        deadline_s=max(1, left // SECOND),
        ops_estimate=0 if ops is None else round(ops.median),
        resent=resent,
        resume=resume,
    )


def ops_of(row: queue_sql.QueueRow | sql.AgainRow) -> Spread | None:
    """What tasks of a stage take, as far as is known."""
    return spread_of(Sums(row.ops_weight, row.ops_total, row.ops_square))
