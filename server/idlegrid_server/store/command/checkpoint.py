"""Commands about checkpoints that hosts leave. The bytes are durable before a row names them."""

from typing import ClassVar

from .base import Command, Result


class CheckpointFile(Result, frozen=True):
    """The file of a checkpoint, as the folder names it."""

    task_id: int
    sha256: bytes


class KeepCheckpointResult(Result, frozen=True):
    """``useless``: the file that can be removed now, the older one or this one if it came late."""

    kept: bool
    useless: CheckpointFile | None = None


class KeepCheckpoint(Command[KeepCheckpointResult], frozen=True):
    """The upload ``upload`` is complete: it is its task's newest checkpoint, unless one further on
    is here, or its task has ended meanwhile.

    Raises ``unknown_upload`` when there is none of that name (it expired).
    """

    answers: ClassVar[type[Result]] = KeepCheckpointResult
    upload: str


class DropIdleCheckpointsResult(Result, frozen=True):
    """The files that can be removed now."""

    files: tuple[CheckpointFile, ...]


class DropIdleCheckpoints(Command[DropIdleCheckpointsResult], frozen=True):
    """Forget checkpoints of units that are decided."""

    answers: ClassVar[type[Result]] = DropIdleCheckpointsResult
    limit: int = 500
