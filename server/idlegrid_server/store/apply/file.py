"""Files and uploads."""

from collections.abc import Iterable, Sequence

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import checkpoint as checkpoint_sql
from idlegrid_server.store.sql import file as sql
from idlegrid_server.store.sql import unit as unit_sql


def store_files(db: Connection, files: Iterable[c.FileIn], now: int) -> None:
    """Name the files that came with their content; the others have rows already."""
    rows = [(f.sha256, f.size, 0, f.data, now) for f in files if f.data is not None]
    db.execute_many(sql.FILE_INSERT, rows)


def require_files(db: Connection, hashes: Sequence[bytes]) -> None:
    """Raise ``missing_files`` unless each of ``hashes`` has a row."""
    if not hashes:
        return
    known = set(db.fetch_all(sql.FILES_KNOWN, hashes=list(hashes)))
    missing = [digest for digest in hashes if digest not in known]
    if missing:
        raise c.StoreRefused(
            "missing_files",
            f"{len(missing)} files are not stored, the first is {missing[0].hex()}; store them "
            "before the command that names them",
        )


def add(db: Connection, command: c.AddFile) -> c.Done:
    """A durable file."""
    row = (command.sha256, command.size, int(command.public), command.data, command.now)
    changed = db.execute_many(sql.FILE_INSERT, [row])
    if command.public and not changed:
        changed = db.execute(sql.FILE_PUBLISH, hashes=[command.sha256])
    if command.account_id is not None:
        changed += db.execute(
            sql.ACCOUNT_FILE_INSERT,
            account_id=command.account_id,
            sha256=command.sha256,
            now=command.now,
        )
    return c.Done(changed > 0)


def _refuse(reason: str) -> c.OpenUploadResult:
    return c.OpenUploadResult("refused", reason=reason)


def open_upload(db: Connection, command: c.OpenUpload) -> c.OpenUploadResult:
    """Make room, or find the room made before."""
    if (command.task_id is None) == (command.account_id is None):
        raise c.StoreRefused("upload_owner", "an upload belongs to a task or to an account")
    if command.task_id is not None:
        tasks = db.fetch_all(unit_sql.TASKS_BY_ID, task_ids=[command.task_id])
        if not tasks or tasks[0].host_id is None or tasks[0].host_id != command.host_id:
            return _refuse("the task is not this host's")
        if command.checkpoint_ops is not None:
            if tasks[0].state != "in_progress":
                return _refuse(f"nobody needs a checkpoint of the task (it is {tasks[0].state})")
            migrates, proven = db.fetch_one(
                checkpoint_sql.TASK_MIGRATES, task_id=command.task_id
            ) or (False, False)
            if not migrates:
                return _refuse("the app does not let its tasks be continued on another computer")
            if not proven:
                return _refuse("others only continue what a computer with proven results left")
        if tasks[0].state not in ("in_progress", "timed_out", "lost"):
            return _refuse(f"the task's result is not awaited any more (it is {tasks[0].state})")
        known = db.fetch_one(sql.UPLOAD_OF_TASK, task_id=command.task_id, sha256=command.sha256)
        count = (
            sql.UPLOADS_OPEN_OF_TASK
            if command.checkpoint_ops is None
            else checkpoint_sql.CHECKPOINT_UPLOADS_OPEN
        )
        counted = db.fetch_one(count, task_id=command.task_id)
    else:
        known = db.fetch_one(
            sql.UPLOAD_OF_ACCOUNT, account_id=command.account_id, sha256=command.sha256
        )
        counted = db.fetch_one(sql.UPLOADS_OPEN_OF_ACCOUNT, account_id=command.account_id)
    if known is not None:
        if known.size != command.size:
            return _refuse(f"it was opened before with {known.size} bytes, not {command.size}")
        if (known.checkpoint_ops is None) != (command.checkpoint_ops is None):
            return _refuse("the same bytes cannot be an output and a checkpoint of one task")
        return c.OpenUploadResult("done" if known.done else "ok", known.name)
    opened, size = counted or (0, 0)
    if opened + 1 > command.count_max:
        return _refuse(f"{opened} uploads are open already; the limit is {command.count_max}")
    if size + command.size > command.bytes_max:
        return _refuse(
            f"with {command.size} bytes more, the limit of {command.bytes_max} is passed"
        )
    db.insert(
        sql.UPLOAD_INSERT,
        name=command.name,
        account_id=command.account_id,
        task_id=command.task_id,
        sha256=command.sha256,
        bytes=command.size,
        checkpoint_ops=command.checkpoint_ops,
        now=command.now,
        expires_at=command.expires_at,
    )
    return c.OpenUploadResult("ok", command.name)


def finish_upload(db: Connection, command: c.FinishUpload) -> c.Done:
    """The upload is a file now."""
    upload = db.fetch_one(sql.UPLOAD_BY_NAME_LOCKED, name=command.name)
    if upload is None:
        raise c.StoreRefused("unknown_upload", "there is no such upload; it may have expired")
    if upload.done:
        return c.Done(changed=False)
    db.execute_many(sql.FILE_INSERT, [(upload.sha256, upload.size, 0, command.data, command.now)])
    if upload.account_id is not None:
        db.execute(
            sql.ACCOUNT_FILE_INSERT,
            account_id=upload.account_id,
            sha256=upload.sha256,
            now=command.now,
        )
    db.execute(sql.UPLOAD_FINISH, upload_id=upload.id)
    return c.Done()


def drop_expired_uploads(
    db: Connection, command: c.DropExpiredUploads
) -> c.DropExpiredUploadsResult:
    """Forget uploads whose time is over."""
    rows = db.fetch_all(sql.UPLOADS_EXPIRED, now=command.now, limit=command.limit)
    db.execute(sql.UPLOADS_DELETE, upload_ids=[row.id for row in rows])
    return c.DropExpiredUploadsResult(tuple(row.name for row in rows if not row.done))
