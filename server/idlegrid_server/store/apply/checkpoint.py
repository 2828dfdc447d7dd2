"""Checkpoints that hosts leave: the newest of each task is kept until its unit is decided."""

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import checkpoint as sql
from idlegrid_server.store.sql import file as file_sql
from idlegrid_server.store.sql import unit as unit_sql


def keep(db: Connection, command: c.KeepCheckpoint) -> c.KeepCheckpointResult:
    """Let an uploaded checkpoint take the place of an older one."""
    upload = db.fetch_one(file_sql.UPLOAD_BY_NAME_LOCKED, name=command.upload)
    if upload is None or upload.task_id is None or upload.checkpoint_ops is None:
        raise c.StoreRefused("unknown_upload", "there is no such upload; it may have expired")
    before = db.fetch_one(sql.CHECKPOINT_OF_TASK, task_id=upload.task_id)
    if upload.done:
        here = before is not None and before.sha256 == upload.sha256
        return c.KeepCheckpointResult(kept=here)
    db.execute(file_sql.UPLOAD_FINISH, upload_id=upload.id)
    tasks = db.fetch_all(unit_sql.TASKS_BY_ID, task_ids=[upload.task_id])
    ended = not tasks or tasks[0].state != "in_progress"
    if ended or (before is not None and before.ops > upload.checkpoint_ops):
        same = before is not None and before.sha256 == upload.sha256
        useless = None if same else c.CheckpointFile(upload.task_id, upload.sha256)
        return c.KeepCheckpointResult(kept=same, useless=useless)
    db.execute(
        sql.CHECKPOINT_KEEP,
        task_id=upload.task_id,
        unit_id=tasks[0].unit_id,
        sha256=upload.sha256,
        bytes=upload.size,
        ops=upload.checkpoint_ops,
        now=command.now,
    )
    older = before is not None and before.sha256 != upload.sha256
    useless = c.CheckpointFile(upload.task_id, before.sha256) if before and older else None
    return c.KeepCheckpointResult(kept=True, useless=useless)


def drop_idle(db: Connection, command: c.DropIdleCheckpoints) -> c.DropIdleCheckpointsResult:
    """Forget what nobody will continue."""
    rows = db.fetch_all(sql.CHECKPOINTS_IDLE, limit=command.limit)
    if rows:
        db.execute(sql.CHECKPOINTS_DELETE, task_ids=[row.task_id for row in rows])
    return c.DropIdleCheckpointsResult(
        tuple(c.CheckpointFile(row.task_id, row.sha256) for row in rows)
    )
