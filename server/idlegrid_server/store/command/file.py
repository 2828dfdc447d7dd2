"""Commands about files and uploads. The bytes are durable before the command that names them."""

from typing import ClassVar, Literal

from .base import Command, Done, Result


class AddFile(Command[Done], frozen=True):
    """Name a durable file; ``data`` is its content if it lives in the database.

    ``account_id`` may use it from now on. A public file never becomes private again.
    """

    answers: ClassVar[type[Result]] = Done
    sha256: bytes
    size: int
    public: bool = False
    data: bytes | None = None
    account_id: int | None = None


class OpenUploadResult(Result, frozen=True):
    """``name`` is the upload's outside name (an older one if it was opened before)."""

    status: Literal["ok", "done", "refused"]
    name: str = ""
    reason: str = ""


class OpenUpload(Command[OpenUploadResult], frozen=True):
    """Make room for a file of an account, or of a task that ``host_id`` was given.

    Refused: a task of another host, or more than ``bytes_max`` bytes or ``count_max`` uploads open
    for this task or account.
    """

    answers: ClassVar[type[Result]] = OpenUploadResult
    name: str
    sha256: bytes
    size: int
    expires_at: int
    account_id: int | None = None
    task_id: int | None = None
    host_id: int | None = None
    count_max: int = 1_000
    bytes_max: int = 1 << 40
    checkpoint_ops: int | None = None  # it is no output but a checkpoint, made after so many ops


class FinishUpload(Command[Done], frozen=True):
    """The upload ``name`` is complete, verified and durable: it is a file now.

    Raises ``unknown_upload`` when there is none of that name (it expired).
    """

    answers: ClassVar[type[Result]] = Done
    name: str
    data: bytes | None = None


class DropExpiredUploadsResult(Result, frozen=True):
    """The names of uploads whose half-sent bytes can be removed."""

    names: tuple[str, ...]


class DropExpiredUploads(Command[DropExpiredUploadsResult], frozen=True):
    """Forget uploads that were not finished in time, and finished ones whose time is over."""

    answers: ClassVar[type[Result]] = DropExpiredUploadsResult
    limit: int = 500
