"""Files by their content: the folder of immutable blobs, and uploads on their way into it."""

from .checkpoint import CheckpointFolder
from .content import ContentStore, FileError, NoRoom, Stored, TooLarge, WrongHash
from .partial import OffsetMismatch, PartialUploads

__all__ = [
    "CheckpointFolder",
    "ContentStore",
    "FileError",
    "NoRoom",
    "OffsetMismatch",
    "PartialUploads",
    "Stored",
    "TooLarge",
    "WrongHash",
]
