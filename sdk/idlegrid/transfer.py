"""Files to and from a project: uploads go on where they broke, downloads are checked by hash."""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from idlegrid_shared.manifest import ManifestEntry

from .api import AGAIN, Api, ApiError, pauses
from .fault import InputError

CHUNK_BYTES = 4 * 1024**2
OFFSET_HEADER = "Upload-Offset"
ANSWER_BYTES_MAX = 1024**2
#: After these nobody knows what became of a chunk; 409 says that the offset was another.
UNSURE = frozenset((0, 409, 429, 502, 503, 504))

OnBytes = Callable[[int], None]


class Upload(msgspec.Struct, frozen=True):
    """How far an upload is, as the server tells it."""

    upload: str = ""
    offset: int = 0
    done: bool = False


def hash_file(path: Path) -> ManifestEntry:
    """Name, SHA-256 and size of a file; raises :class:`InputError`."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return ManifestEntry(path.name, digest, file.tell())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def upload_file(
    api: Api, path: Path, entry: ManifestEntry | None = None, on_bytes: OnBytes | None = None
) -> ManifestEntry:
    """Bring ``path`` to the server unless it is there; return what it is.

    ``on_bytes`` hears how many bytes are there, more and more. Raises :class:`InputError` if the
    file cannot be read or changes meanwhile, :class:`ApiError` if the server refuses or cannot be
    reached for longer than the connection's patience.
    """
    entry = entry or hash_file(path)
    body = {"sha256": entry.sha256, "bytes": entry.bytes}
    state = api.post("uploads", body, Upload)
    try:
        with path.open("rb") as file:
            _send_all(api, path, file, entry, state, on_bytes)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if on_bytes is not None:
        on_bytes(entry.bytes)
    return entry


def _send_all(
    api: Api,
    path: Path,
    file: BinaryIO,
    entry: ManifestEntry,
    state: Upload,
    on_bytes: OnBytes | None,
) -> None:
    waits, until_s = pauses(), time.monotonic() + api.patience_s
    while not state.done:
        if on_bytes is not None:
            on_bytes(state.offset)
        file.seek(state.offset)
        data = file.read(min(CHUNK_BYTES, entry.bytes - state.offset))
        if not data and state.offset < entry.bytes:
            raise InputError(f"{path} became shorter while it was sent; send it again")
        try:
            state = _send(api, state, data)
            waits, until_s = pauses(), time.monotonic() + api.patience_s
        except ApiError as error:
            if error.code == "hash_mismatch":
                raise InputError(f"{path} changed while it was sent; send it again") from error
            if error.status not in UNSURE or time.monotonic() > until_s:
                raise
            # It may have arrived although no answer came: the server knows how far it is.
            time.sleep(next(waits))
            state = _named(api.get(f"uploads/{state.upload}", Upload), state)


def _send(api: Api, state: Upload, data: bytes) -> Upload:
    """Send one chunk, once; raises :class:`ApiError`."""
    headers = {OFFSET_HEADER: str(state.offset), "Content-Type": "application/octet-stream"}
    with api.open("PATCH", f"uploads/{state.upload}", data=data, headers=headers) as reply:
        answer = b"".join(api.pieces(reply, ANSWER_BYTES_MAX))
    try:
        return _named(msgspec.json.decode(answer, type=Upload), state)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(f"{api.url} answers an upload in a way not understood: {error}") from error


def _named(new: Upload, old: Upload) -> Upload:
    return msgspec.structs.replace(new, upload=old.upload)


def download_file(
    api: Api, path: str, entry: ManifestEntry, target: Path, on_bytes: OnBytes | None = None
) -> None:
    """Fetch what ``entry`` names to ``target``, which appears only when it is whole and right.

    Raises :class:`ApiError` when the bytes are not those of ``entry``, and :class:`InputError`
    when they cannot be written.
    """
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}")
    until_s = time.monotonic() + api.patience_s
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for pause_s in pauses():
            try:
                digest = _fetch(api, path, entry.bytes, temporary, on_bytes)
                break
            except ApiError as error:
                if error.status != 0 and error.status not in AGAIN:
                    raise
                if time.monotonic() + pause_s > until_s:
                    raise
            time.sleep(pause_s)
        if digest != entry.sha256:
            raise ApiError(f"{api.url} sent {entry.name!r} altered: its hash is not the one named")
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _fetch(api: Api, path: str, size: int, target: Path, on_bytes: OnBytes | None) -> str:
    digest = hashlib.sha256()
    have = 0
    headers = {"Accept": "application/octet-stream"}
    with api.open("GET", path, headers=headers) as reply, target.open("wb") as file:
        for piece in api.pieces(reply, size):
            digest.update(piece)
            file.write(piece)
            have += len(piece)
            if on_bytes is not None:
                on_bytes(have)
    if have < size:
        raise ApiError(f"the connection to {api.url} broke after {have} of {size} bytes")
    return digest.hexdigest()
