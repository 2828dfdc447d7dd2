"""Ed25519 keys in files: durable, readable by their owner alone, with a passphrase where wanted.

A file is JSON. Under a passphrase the seed is sealed by SecretBox (XSalsa20-Poly1305) with a key
that Argon2id (RFC 9106) derives; the cost parameters stand in the file, so that they may grow.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Literal

import msgspec
from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from .signing import public_hex

FORMAT: Literal["idlegrid-key/1"] = "idlegrid-key/1"
FILE_BYTES_MAX = 4096
# A stranger's file must not make us allocate without end while we derive its key.
DERIVE_OPS_MAX = 16
DERIVE_MEMORY_BYTES_MAX = 1024 * 1024 * 1024


class KeyFileError(ValueError):
    """A key file that cannot be read, written or opened; the message says which and what to do."""


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    salt: bytes
    ops: int
    memory_bytes: int
    box: bytes  # nonce and ciphertext of the seed


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    public: str
    format: Literal["idlegrid-key/1"]
    seed: bytes | None = None
    sealed: _Sealed | None = None


def write_private(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write ``data`` to ``path`` with mode 0600: all of it or nothing, and durable on return.

    The bytes go to a new file beside it, are fsynced, take the name, and the folder is fsynced.
    Raises :class:`KeyFileError` if ``path`` exists already and ``replace`` is not set, and
    ``OSError`` if the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(temporary, flags, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace or os.name == "nt":
            if not replace and path.exists():
                raise FileExistsError
            temporary.replace(path)
        else:
            os.link(temporary, path)  # unlike a rename, refuses a name that is taken
            temporary.unlink()
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already and was left as it is") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in ``folder`` durable. Windows needs no such step and has none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_key(
    path: Path, key: SigningKey, passphrase: str | None = None, *, replace: bool = False
) -> None:
    """Store ``key`` at ``path``, sealed if a ``passphrase`` is given. Never overwrites by itself.

    Raises :class:`KeyFileError` for an empty passphrase or a ``path`` that is taken, ``OSError``
    when the disk refuses.
    """
    write_private(path, _encode(key, passphrase), replace=replace)


def load_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """Read the key at ``path``; raises :class:`KeyFileError`.

    A file that other users of the machine may read is refused, as ssh does.
    """
    content = _read(path)
    if content.sealed is not None:
        if passphrase is None:
            raise KeyFileError(f"{path} is protected: give its passphrase")
        seed = _unseal(path, content.sealed, passphrase)
    elif content.seed is not None:
        seed = content.seed
    else:
        raise KeyFileError(f"{path} holds no key")
    if len(seed) != 32:
        raise KeyFileError(f"{path} holds {len(seed)} bytes of key instead of 32")
    key = SigningKey(seed)
    if public_hex(key) != content.public:
        raise KeyFileError(f"{path} is damaged: its two halves do not belong together")
    return key


def read_public(path: Path) -> str:
    """The public half (hex) as the file states it, without the passphrase."""
    return _read(path).public


def is_protected(path: Path) -> bool:
    """Whether a passphrase is needed to load the key; raises :class:`KeyFileError`."""
    return _read(path).sealed is not None


def _encode(key: SigningKey, passphrase: str | None) -> bytes:
    public = public_hex(key)
    if passphrase is None:
        content = _KeyFile(public=public, format=FORMAT, seed=bytes(key))
    elif not passphrase:
        raise KeyFileError("an empty passphrase protects nothing: give one, or none at all")
    else:
        salt = os.urandom(pwhash.argon2id.SALTBYTES)
        ops, memory = pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE
        box = SecretBox(_derive(passphrase, salt, ops, memory)).encrypt(bytes(key))
        sealed = _Sealed(salt=salt, ops=ops, memory_bytes=memory, box=bytes(box))
        content = _KeyFile(public=public, format=FORMAT, sealed=sealed)
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _derive(passphrase: str, salt: bytes, ops: int, memory_bytes: int) -> bytes:
    return pwhash.argon2id.kdf(
        SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=ops, memlimit=memory_bytes
    )


def _unseal(path: Path, sealed: _Sealed, passphrase: str) -> bytes:
    if not (
        1 <= sealed.ops <= DERIVE_OPS_MAX
        and pwhash.argon2id.MEMLIMIT_MIN <= sealed.memory_bytes <= DERIVE_MEMORY_BYTES_MAX
        and len(sealed.salt) == pwhash.argon2id.SALTBYTES
    ):
        raise KeyFileError(f"{path} asks for more work to open it than a key file may")
    try:
        derived = _derive(passphrase, sealed.salt, sealed.ops, sealed.memory_bytes)
        return SecretBox(derived).decrypt(sealed.box)
    except (CryptoError, ValueError) as error:
        raise KeyFileError(f"the passphrase does not open {path}") from error


def _read(path: Path) -> _KeyFile:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read key file {path}: {error.strerror}") from error
    if os.name != "nt" and stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(
            f"other users can read the key file {path}: run `chmod 600` on it, "
            "and make a new key if somebody may have copied it"
        )
    if len(data) > FILE_BYTES_MAX:
        raise KeyFileError(f"{path} is too long to be a key file")
    try:
        return msgspec.json.decode(data, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} is not a key file of Idlegrid: {error}") from error
