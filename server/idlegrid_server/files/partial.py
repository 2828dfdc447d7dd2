"""Uploads on their way: bytes appended at an offset, verified at the end, moved into the store.

What lies here is never served. A crash leaves a shorter file: the sender asks how far it is and
goes on from there.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path

from idlegrid_server.faults import reach

from .checkpoint import CheckpointFolder
from .content import (
    PIECE_BYTES,
    ContentStore,
    FileError,
    Readable,
    TooLarge,
    WrongHash,
    sync_folder,
    telling_full_disk,
)


class OffsetMismatch(FileError):  # noqa: N818 - what is the case is its name
    """The sender is at another place than the file; ``offset`` says where to go on."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the upload stands at byte {offset}; go on from there")
        self.offset = offset


class PartialUploads:
    """Half-sent files in ``folder``, by the upload's name (which the server chose)."""

    def __init__(self, folder: Path, content: ContentStore) -> None:
        self.folder = folder
        self.content = content

    def offset(self, name: str) -> int:
        """How many bytes are here."""
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, name: str, offset: int, stream: Readable, size: int) -> int:
        """Add what ``stream`` gives at ``offset``; returns where the upload stands then.

        The bytes are on the disk when this returns. Raises :class:`OffsetMismatch` if it stood
        elsewhere, :class:`TooLarge` if the file would pass ``size`` bytes (nothing of this stream
        is kept then), ``NoRoom``.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with telling_full_disk(), self._locked(name) as file:
            begin = file.seek(0, os.SEEK_END)
            if begin != offset:
                raise OffsetMismatch(begin)
            reach("files.upload.append.before")
            end = begin
            try:
                while piece := stream.read(PIECE_BYTES):
                    end += len(piece)
                    if end > size:
                        raise TooLarge(size)
                    file.write(piece)
            except TooLarge:
                file.truncate(begin)
                raise
            finally:
                file.flush()
                os.fsync(file.fileno())
            if begin == 0:
                sync_folder(self.folder)
            reach("files.upload.append.after")
            return end

    def finish(self, name: str, sha256: bytes, inline_max: int) -> bytes | None:
        """Verify the whole file. A small one's content is returned, a larger one's moved.

        Raises :class:`WrongHash`, and the bytes are thrown away. After a small one call
        :meth:`drop` once its row is durable.
        """
        with telling_full_disk(), self._locked(name) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size <= inline_max:
                data = file.read()
                found = hashlib.sha256(data).digest()
            else:
                data = None
                found = hashlib.file_digest(file, "sha256").digest()
            if found != sha256:
                self.drop(name)
                raise WrongHash(sha256, found)
            if data is None:
                self.content.adopt(self._path(name), sha256)
            return data

    def finish_checkpoint(
        self, name: str, task_id: int, sha256: bytes, folder: CheckpointFolder
    ) -> None:
        """Verify the whole file and move it to ``folder``; raises as :meth:`finish`."""
        with telling_full_disk(), self._locked(name) as file:
            found = hashlib.file_digest(file, "sha256").digest()
            if found != sha256:
                self.drop(name)
                raise WrongHash(sha256, found)
            folder.adopt(self._path(name), task_id, sha256)

    def drop(self, name: str) -> None:
        """Throw away what is here of an upload."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not name or not all(c.isalnum() or c in "_-" for c in name):
            raise ValueError(f"{name[:80]!r} cannot be the name of an upload")
        return self.folder / name

    @contextmanager
    def _locked(self, name: str) -> Iterator[BufferedRandom]:
        """The file, with nobody else writing to it; another request may have moved it meanwhile."""
        path = self._path(name)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _same(path, file):
                raise OffsetMismatch(self.offset(name))
            yield file


def _same(path: Path, file: BufferedRandom) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
