"""The content-addressed folder: ``files/ab/cd/<sha256>``, each file immutable once it is there.

A file takes its name only when all of it is on the disk and has the hash that the name says: first
the bytes are synced, then the name is given, then the folder is synced. So a name that can be seen
is whole, and a row that names it may be committed.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from idlegrid_server.faults import reach

PIECE_BYTES = 1024 * 1024
DRAFTS = "drafts"  # half-written files of this process or of one that died
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class FileError(Exception):
    """A file that is not taken or cannot be given; the message says which and why."""


class WrongHash(FileError):  # noqa: N818 - what is the case is its name
    """The bytes do not have the hash that they were announced with."""

    def __init__(self, wanted: bytes, found: bytes) -> None:
        super().__init__(
            f"the bytes have the SHA-256 {found.hex()}, not {wanted.hex()} as announced"
        )


class TooLarge(FileError):  # noqa: N818 - what is the case is its name
    """More bytes came than were allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than the {limit} bytes came that were allowed")
        self.limit = limit


class NoRoom(FileError):  # noqa: N818 - what is the case is its name
    """The disk is full."""

    def __init__(self) -> None:
        super().__init__("the server's disk is full; try again later")


@dataclass(frozen=True)
class Stored:
    """A file as it was taken: its hash, and its size in bytes."""

    sha256: bytes
    size: int


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""
        ...


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Turn the system's words for a full disk into :class:`NoRoom`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise NoRoom from error
        raise


class ContentStore:
    """Blobs by SHA-256 in ``folder``. Safe for many processes and threads at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: bytes) -> Path:
        """Where a file's bytes lie, or would."""
        name = sha256.hex()
        return self.folder / name[:2] / name[2:4] / name

    def open(self, sha256: bytes) -> BinaryIO:
        """The content, readable from any place on; raises ``FileNotFoundError``."""
        return self.path(sha256).open("rb")

    def read_range(self, sha256: bytes, start: int, size: int) -> bytes:
        """At most ``size`` bytes from ``start`` on; raises ``FileNotFoundError``."""
        with self.open(sha256) as file:
            file.seek(start)
            return file.read(size)

    def put(self, stream: Readable, sha256: bytes | None, limit: int) -> Stored:
        """Take what ``stream`` gives, make it durable, and name it by its hash.

        Raises :class:`WrongHash` if that is not ``sha256`` (None: any will do), :class:`TooLarge`
        above ``limit`` bytes, :class:`NoRoom`; nothing is left behind then.
        """
        draft = self._draft()
        try:
            with telling_full_disk():
                with draft.open("xb") as file:
                    reach("files.write.before")
                    digest, size = _copy(stream, file, limit)
                    reach("files.write.after")
                    file.flush()
                    os.fsync(file.fileno())
                    reach("files.sync.after")
                if sha256 is not None and digest != sha256:
                    raise WrongHash(sha256, digest)
                self._name(draft, digest)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        return Stored(digest, size)

    def store(self, source: Path, sha256: bytes) -> None:
        """Copy ``source`` in and make it durable; a file that is there stays as it is.

        Raises as :meth:`put`.
        """
        if self.path(sha256).exists():
            return
        with source.open("rb") as stream:
            self.put(stream, sha256, source.stat().st_size)

    def adopt(self, synced: Path, sha256: bytes) -> None:
        """Give ``synced`` its name here. It must lie on this disk, be synced and have that hash."""
        with telling_full_disk():
            self._name(synced, sha256)

    def drop_old_drafts(self, before_s: float) -> int:
        """Remove drafts last written before ``before_s`` (s since the epoch): their writer died.

        Returns how many there were.
        """
        count = 0
        for draft in (self.folder / DRAFTS).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if draft.stat().st_mtime < before_s:
                    draft.unlink()
                    count += 1
        return count

    def free_bytes(self) -> int:
        """Free bytes on the disk that the folder lies on."""
        return shutil.disk_usage(self.folder).free

    def _draft(self) -> Path:
        drafts = self.folder / DRAFTS
        drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
        return drafts / secrets.token_hex(16)

    def _name(self, draft: Path, sha256: bytes) -> None:
        final = self.path(sha256)
        made = _make_folders(final.parent, self.folder)
        draft.replace(final)
        reach("files.rename.after")
        sync_folder(final.parent)
        for folder in made:
            sync_folder(folder.parent)
        reach("files.folder_sync.after")


def _make_folders(folder: Path, top: Path) -> list[Path]:
    """Make ``folder`` and what it lies in below ``top``; returns those made, innermost first."""
    made = []
    for place in (folder, folder.parent):
        if place == top or place.is_dir():
            break
        made.append(place)
    for place in reversed(made):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made


def _copy(stream: Readable, file: BinaryIO, limit: int) -> tuple[bytes, int]:
    digest = hashlib.sha256()
    size = 0
    while piece := stream.read(PIECE_BYTES):
        size += len(piece)
        if size > limit:
            raise TooLarge(limit)
        digest.update(piece)
        file.write(piece)
    return digest.digest(), size


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
