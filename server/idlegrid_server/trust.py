"""The root key and what it signed: who may publish, and which online key speaks for the project."""

import secrets
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.documents import Delegations, Publisher, open_delegations
from idlegrid_shared.keyfile import KeyFileError, is_protected, load_key, save_key, write_private
from idlegrid_shared.signing import (
    SignatureError,
    Signed,
    decode_key,
    fingerprint,
    new_key,
    public_hex,
    sign_document,
)

from .layout import Layout

PASSPHRASE_BYTES = 18
FILE_BYTES_MAX = 1024 * 1024


class TrustError(Exception):
    """A root key or delegations that cannot be used; the message says which and what to do."""


def make_root(layout: Layout, passphrase: str | None) -> SigningKey:
    """Make the root key, sealed. Without a ``passphrase`` a random one is filed beside it (lab)."""
    key = new_key()
    if passphrase is None:
        passphrase = secrets.token_urlsafe(PASSPHRASE_BYTES)
        write_private(layout.root_passphrase, passphrase.encode() + b"\n")
    save_key(layout.root_key, key, passphrase)
    write_private(layout.root_public, public_hex(key).encode() + b"\n")
    return key


def load_root(layout: Layout, passphrase: str | None) -> SigningKey:
    """Open the root key, with the lab's passphrase if none is given; raises :class:`TrustError`."""
    if not layout.root_key.exists():
        raise TrustError(
            f"the root key is not in {layout.root}: sign with it where it is kept "
            "(`idlegrid keys delegate`), then `idlegrid-server delegations DIR FILE`"
        )
    try:
        if passphrase is None and layout.root_passphrase.exists():
            passphrase = layout.root_passphrase.read_text("utf-8").strip()
        return load_key(layout.root_key, passphrase)
    except (KeyFileError, OSError) as error:
        raise TrustError(f"the root key cannot be used: {error}") from error


def root_needs_passphrase(layout: Layout) -> bool:
    """Whether a person must be asked before the root key can sign."""
    try:
        return (
            layout.root_key.exists()
            and not layout.root_passphrase.exists()
            and is_protected(layout.root_key)
        )
    except KeyFileError as error:
        raise TrustError(str(error)) from error


def first_delegations(project: str, root: SigningKey, online: str, now: int) -> Signed:
    """Serial 1: the online key, and nobody who may publish yet."""
    return sign_document(
        "delegations",
        Delegations(
            project=project,
            root=public_hex(root),
            serial=1,
            online=(online,),
            publishers=(),
            issued_at=now,
        ),
        root,
    )


def allow_publisher(
    current: Delegations, publisher: Publisher, root: SigningKey, now: int
) -> Signed:
    """Delegations with ``publisher`` allowed, in place of what its key was allowed before.

    Raises :class:`TrustError` if the key, a pattern or the root key is not right.
    """
    try:
        decode_key(publisher.key)
    except SignatureError as error:
        raise TrustError(str(error)) from error
    if public_hex(root) != current.root:
        raise TrustError("this root key is not the project's")
    for pattern in publisher.apps:
        if not pattern or len(pattern) > 100 or not pattern.isprintable():
            raise TrustError(f"{pattern[:100]!r} is not a name of an app")
    others = tuple(p for p in current.publishers if p.key != publisher.key)
    return sign_document(
        "delegations",
        msgspec.structs.replace(
            current,
            serial=current.serial + 1,
            publishers=(*others, publisher),
            issued_at=now,
        ),
        root,
    )


def read_delegations(signed: Signed, root_public: str, online: str) -> Delegations:
    """Check delegations for this server: by its root, naming its online key.

    Raises :class:`TrustError`.
    """
    try:
        document = open_delegations(signed, fingerprint(root_public))
    except SignatureError as error:
        raise TrustError(str(error)) from error
    if online not in document.online:
        raise TrustError(
            f"the delegations do not name this server's online key {online}: sign new ones with it"
        )
    return document


def read_signed(path: Path) -> Signed:
    """A signed document in a file; raises :class:`TrustError`."""
    try:
        data = path.read_bytes()[:FILE_BYTES_MAX]
        return msgspec.json.decode(data, type=Signed)
    except OSError as error:
        raise TrustError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrustError(f"{path} is no signed document: {error}") from error


def read_public(path: Path) -> str:
    """The public key (hex) in a file; raises :class:`TrustError`."""
    try:
        text = path.read_text("ascii", errors="replace").strip()
        decode_key(text)
    except OSError as error:
        raise TrustError(f"cannot read {path}: {error.strerror}") from error
    except SignatureError as error:
        raise TrustError(f"{path}: {error}") from error
    return text
