"""State files that survive a power cut: whole and checked, or not there.

A file is written beside its place, fsynced, renamed, and its folder is fsynced. Its content carries
a checksum, so that a rotten or truncated file is recognised and never believed.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec

from idlegrid_shared.keyfile import sync_folder

from .faults import reach

T = TypeVar("T")

STATE_BYTES_MAX = 64 * 1024 * 1024  # the largest is a stored request with its reports


class DamagedError(OSError):
    """A state file that is there but cannot be believed; the message says which and why."""


class _Envelope(msgspec.Struct):
    check: str
    content: msgspec.Raw


def _checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def write_state(path: Path, document: object, what: str) -> None:
    """Write ``document`` to ``path``, durably and all at once. ``what`` names the fault points.

    Raises ``OSError`` when the disk refuses; the old content then stands as it was.
    """
    content = msgspec.json.encode(document)
    envelope = _Envelope(check=_checksum(content), content=msgspec.Raw(content))
    write_bytes(path, msgspec.json.encode(envelope) + b"\n", what)


def write_bytes(path: Path, data: bytes, what: str) -> None:
    """Write raw bytes with the same care."""
    reach(f"{what}.before")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        reach(f"{what}.written")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    reach(f"{what}.renamed")
    sync_folder(path.parent)
    reach(f"{what}.after")


def read_state(path: Path, kind: type[T]) -> T | None:
    """The document at ``path``; None if there is none. Raises :class:`DamagedError`."""
    try:
        with path.open("rb") as file:
            data = file.read(STATE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > STATE_BYTES_MAX:
        raise DamagedError(f"{path} is too large to be a state file")
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        if _checksum(bytes(envelope.content)) != envelope.check:
            raise DamagedError(f"{path} is damaged: its checksum is wrong")
        return msgspec.json.decode(envelope.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path} is damaged: {error}") from error


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size of a file; raises ``OSError``."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def sync_file(path: Path) -> None:
    """Make a file's bytes durable; raises ``OSError``."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
