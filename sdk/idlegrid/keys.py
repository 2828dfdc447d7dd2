"""The scientist's publisher key, and a project's root key where it is kept offline."""

import os
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.documents import Delegations, Publisher
from idlegrid_shared.keyfile import KeyFileError, is_protected, load_key, read_public, save_key
from idlegrid_shared.signing import (
    SignatureError,
    Signed,
    decode_key,
    new_key,
    open_document,
    public_hex,
    sign_document,
)

from .fault import InputError, SigningKeyError
from .place import config_folder

PASSPHRASE_VARIABLE = "IDLEGRID_PASSPHRASE"  # noqa: S105 (a name)
PATTERN_CHARACTERS_MAX = 100
DELEGATIONS_BYTES_MAX = 1024 * 1024


def key_path(*, root: bool = False) -> Path:
    """Where the key lies in the user's configuration."""
    return config_folder() / "keys" / ("root.key" if root else "publisher.key")


def make_key(path: Path, passphrase: str | None) -> str:
    """Make a key at ``path`` and return its public half; raises :class:`SigningKeyError`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = new_key()
    try:
        save_key(path, key, passphrase)
    except KeyFileError as error:
        raise SigningKeyError(str(error)) from error
    return public_hex(key)


def public_key(path: Path) -> str:
    """The public half of the key at ``path``; needs no passphrase."""
    _check_there(path)
    try:
        return read_public(path)
    except KeyFileError as error:
        raise SigningKeyError(str(error)) from error


def needs_passphrase(path: Path) -> bool:
    """Whether a passphrase must be asked for; one in the environment is enough."""
    _check_there(path)
    try:
        return is_protected(path) and not os.environ.get(PASSPHRASE_VARIABLE)
    except KeyFileError as error:
        raise SigningKeyError(str(error)) from error


def open_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """The key at ``path``, with the environment's passphrase if none is given."""
    _check_there(path)
    try:
        return load_key(path, passphrase or os.environ.get(PASSPHRASE_VARIABLE) or None)
    except KeyFileError as error:
        raise SigningKeyError(str(error)) from error


def _check_there(path: Path) -> None:
    if not path.exists():
        flag = " --root" if path.name == "root.key" else ""
        raise SigningKeyError(
            f"there is no key at {path}: make one with `idlegrid keys init{flag}`"
        )


def delegate(
    root: SigningKey,
    *,
    issued_at: int,
    before: Signed | None = None,
    project: str | None = None,
    online: tuple[str, ...] = (),
    publisher: Publisher | None = None,
) -> Signed:
    """New delegations: those ``before`` with what is given added or replaced, serial one higher.

    ``issued_at`` is µs UTC. Without ``before``, ``project`` and an ``online`` key are needed.
    Raises :class:`InputError` for anything missing or malformed, and for foreign delegations.
    """
    base = _base(root, before, project)
    for key in (*online, *((publisher.key,) if publisher else ())):
        _check_key(key)
    if publisher is not None:
        _check_patterns(publisher)
    publishers = base.publishers
    if publisher is not None:
        others = tuple(known for known in base.publishers if known.key != publisher.key)
        publishers = (*others, publisher)
    new = msgspec.structs.replace(
        base,
        project=project or base.project,
        serial=base.serial + 1,
        online=online or base.online,
        publishers=publishers,
        issued_at=issued_at,
    )
    if not new.online:
        raise InputError(
            "name the server's online key with --online: "
            "without it nothing that the server says is believed"
        )
    return sign_document("delegations", new, root)


def _base(root: SigningKey, before: Signed | None, project: str | None) -> Delegations:
    if before is None:
        if not project:
            raise InputError("name the project with --project: these are its first delegations")
        return Delegations(
            project=project,
            root=public_hex(root),
            serial=0,
            online=(),
            publishers=(),
            issued_at=0,
        )
    try:
        return open_document("delegations", before, Delegations, key=public_hex(root))
    except SignatureError as error:
        raise InputError(f"these delegations are not of this root key: {error}") from error


def _check_key(key: str) -> None:
    try:
        decode_key(key)
    except SignatureError as error:
        raise InputError(str(error)) from error


def _check_patterns(publisher: Publisher) -> None:
    if not publisher.apps:
        raise InputError("name at least one app that the key may publish, with --app")
    for pattern in publisher.apps:
        if not 0 < len(pattern) <= PATTERN_CHARACTERS_MAX or not pattern.isprintable():
            raise InputError(f"{pattern[:PATTERN_CHARACTERS_MAX]!r} is no name of an app")


def read_delegations(path: Path) -> Signed:
    """Signed delegations in a file; raises :class:`InputError`."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(DELEGATIONS_BYTES_MAX), type=Signed)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no signed delegations: {error}") from error
