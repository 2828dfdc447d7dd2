"""Uploads, the same for hosts and accounts: opened, appended to, verified, made a file."""

import secrets
from dataclasses import dataclass

from flask import Request

from idlegrid_server.files import NoRoom, OffsetMismatch, TooLarge, WrongHash
from idlegrid_server.files.content import Readable
from idlegrid_server.store.command import FinishUpload, KeepCheckpoint, OpenUpload, StoreError
from idlegrid_server.store.sql.file import UPLOAD_BY_NAME, UploadRow
from idlegrid_shared.manifest import ManifestError, check_sha256
from idlegrid_shared.wire import INLINE_BYTES_MAX, UploadOpen, UploadState

from .answer import store_refusal
from .problem import Refusal, malformed, not_found
from .services import Services

OFFSET_HEADER = "Upload-Offset"
NAME_BYTES = 18
NAME_CHARS_MAX = 64
US = 1_000_000
FULL_RETRY_S = 60


@dataclass(frozen=True)
class Owner:
    """Whose upload it is: an account's, or a task's that a host was given. And what it may be."""

    source: str  # for incidents
    bytes_max: int  # of one file
    total_max: int  # of all that are counted together
    count_max: int
    account_id: int | None = None
    task_id: int | None = None
    host_id: int | None = None


def open_upload(with_: Services, owner: Owner, wanted: UploadOpen) -> UploadState:
    """Make room, or find the room made before; raises a :class:`Refusal`."""
    try:
        digest = bytes.fromhex(check_sha256(wanted.sha256))
    except ManifestError as error:
        raise malformed(f"The hash is not good: {error}.") from error
    if wanted.bytes > owner.bytes_max:
        text = f"{wanted.bytes} bytes are announced, at most {owner.bytes_max} are allowed"
        with_.incidents.record("too_large", owner.source, f"upload: {text}")
        raise Refusal(413, "too_large", f"{text}.")
    now = with_.clock()
    try:
        opened = with_.store.execute(
            OpenUpload(
                now=now,
                name=secrets.token_urlsafe(NAME_BYTES),
                sha256=digest,
                size=wanted.bytes,
                expires_at=now + with_.config.limits.upload_life_s * US,
                account_id=owner.account_id,
                task_id=owner.task_id,
                host_id=owner.host_id,
                count_max=owner.count_max,
                bytes_max=owner.total_max,
                checkpoint_ops=wanted.checkpoint_ops,
            )
        )
    except StoreError as error:
        raise store_refusal(error) from error
    if opened.status == "refused":
        with_.incidents.record("upload_refused", owner.source, opened.reason)
        raise Refusal(409, "upload_refused", f"This upload is not taken: {opened.reason}.")
    if opened.status == "done":
        return UploadState(upload=opened.name, offset=wanted.bytes, bytes=wanted.bytes, done=True)
    return UploadState(
        upload=opened.name, offset=with_.uploads.offset(opened.name), bytes=wanted.bytes
    )


def find_upload(with_: Services, name: str) -> UploadRow:
    """The upload of that name; raises a 404 :class:`Refusal`."""
    row = None
    if len(name) <= NAME_CHARS_MAX:
        with with_.store.reading() as db:
            row = db.fetch_one(UPLOAD_BY_NAME, name=name)
    if row is None or row.expires_at <= with_.clock():
        raise not_found("upload")
    return row


def upload_state(with_: Services, row: UploadRow) -> UploadState:
    """How far an upload is."""
    offset = row.size if row.done else with_.uploads.offset(row.name)
    return UploadState(upload=row.name, offset=offset, bytes=row.size, done=bool(row.done))


def read_offset(asked: Request) -> int:
    """Where the sender means to go on; raises a 400 :class:`Refusal`."""
    text = asked.headers.get(OFFSET_HEADER, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise malformed(f"The header {OFFSET_HEADER} must hold the offset in bytes.")
    return int(text)


def append(
    with_: Services, row: UploadRow, offset: int, stream: Readable, source: str
) -> UploadState:
    """Add bytes; the last ones make it a file. Raises a :class:`Refusal`."""
    if row.done:
        return upload_state(with_, row)
    try:
        end = with_.uploads.append(row.name, offset, stream, row.size)
        if end < row.size:
            return UploadState(upload=row.name, offset=end, bytes=row.size)
        if row.checkpoint_ops is not None and row.task_id is not None:
            with_.uploads.finish_checkpoint(row.name, row.task_id, row.sha256, with_.checkpoints)
            return _keep_checkpoint(with_, row)
        data = with_.uploads.finish(row.name, row.sha256, INLINE_BYTES_MAX)
    except OffsetMismatch as error:
        raise Refusal(
            409,
            "wrong_offset",
            f"Not at this offset: {error}.",
            headers={OFFSET_HEADER: str(error.offset)},
        ) from error
    except TooLarge as error:
        with_.incidents.record("too_large", source, f"upload: {error}")
        raise Refusal(413, "too_large", f"The upload is not taken: {error}.") from error
    except WrongHash as error:
        with_.incidents.record("hash_mismatch", source, f"upload: {error}")
        raise Refusal(
            422, "hash_mismatch", f"The upload was thrown away: {error}. Send it again."
        ) from error
    except NoRoom as error:
        with_.incidents.record("disk_full", "server", str(error))
        raise Refusal(
            503,
            "disk_full",
            "The server's disk is full. What came so far is kept.",
            retry_after_s=FULL_RETRY_S,
        ) from error
    try:
        with_.store.execute(FinishUpload(now=with_.clock(), name=row.name, data=data))
    except StoreError as error:
        if error.code == "unknown_upload":
            raise not_found("upload") from error
        raise store_refusal(error) from error
    with_.uploads.drop(row.name)
    return UploadState(upload=row.name, offset=row.size, bytes=row.size, done=True)


def _keep_checkpoint(with_: Services, row: UploadRow) -> UploadState:
    try:
        kept = with_.store.execute(KeepCheckpoint(now=with_.clock(), upload=row.name))
    except StoreError as error:
        if error.code == "unknown_upload":
            raise not_found("upload") from error
        raise store_refusal(error) from error
    if kept.useless is not None:
        with_.checkpoints.remove(kept.useless.task_id, kept.useless.sha256)
    return UploadState(upload=row.name, offset=row.size, bytes=row.size, done=True)
