"""Ed25519 signatures over domain-separated bytes: the only way that anything here is believed.

Every signature covers ``idlegrid/<kind>/1\\n`` before the body, so that a signed receipt can never
be passed off as a signed task. See docs/protocol.md for who signs what.
"""

import base64
import binascii
import hashlib
from typing import Literal, TypeVar

import msgspec
from nacl.bindings import crypto_sign, crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

Kind = Literal[
    "delegations", "release", "task", "receipt", "timestamp", "request", "rotation", "credit"
]

T = TypeVar("T")

KEY_BYTES = 32
SIGNATURE_BYTES = 64


class SignatureError(ValueError):
    """A signature, key or signed document that must not be believed; the message says why."""


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed document: the exact bytes, the signer's public key (hex) and the signature."""

    body: bytes
    key: str
    signature: bytes


def _message(kind: Kind, body: bytes) -> bytes:
    return b"idlegrid/" + kind.encode() + b"/1\n" + body


def new_key() -> SigningKey:
    """A fresh Ed25519 key from the system's entropy."""
    return SigningKey.generate()


def public_hex(key: SigningKey) -> str:
    """The public half of ``key`` in lower-case hex."""
    return bytes(key.verify_key).hex()


def fingerprint(public_key: str) -> str:
    """A key's fingerprint for people and links: the first 160 bits of its SHA-256, in hex."""
    return hashlib.sha256(decode_key(public_key)).hexdigest()[:40]


def decode_key(public_key: str) -> bytes:
    """The 32 bytes of a hex public key; raises :class:`SignatureError`."""
    try:
        raw = bytes.fromhex(public_key)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES or public_key != raw.hex():
        raise SignatureError(f"{public_key[:70]!r} is not an Ed25519 public key in lower-case hex")
    return raw


def sign_bytes(kind: Kind, body: bytes, key: SigningKey) -> bytes:
    """The 64-byte signature of ``body`` as a ``kind``."""
    # libsodium's secret key is seed and public key; the wrapper classes cost as much as signing.
    secret = bytes(key) + bytes(key.verify_key)
    return crypto_sign(_message(kind, body), secret)[:SIGNATURE_BYTES]


def verify_bytes(kind: Kind, body: bytes, signature: bytes, public_key: str) -> None:
    """Raise :class:`SignatureError` unless ``public_key`` signed ``body`` as a ``kind``."""
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"the {kind} signature has {len(signature)} bytes instead of 64")
    try:
        crypto_sign_open(signature + _message(kind, body), decode_key(public_key))
    except BadSignatureError as error:
        raise SignatureError(
            f"the {kind} signature does not match key {public_key[:16]}…: "
            "the content was altered, or another key signed it"
        ) from error


def sign_document(kind: Kind, document: msgspec.Struct, key: SigningKey) -> Signed:
    """Encode ``document`` as JSON and sign the bytes."""
    body = msgspec.json.encode(document)
    return Signed(body=body, key=public_hex(key), signature=sign_bytes(kind, body, key))


def open_document(kind: Kind, signed: Signed, document: type[T], *, key: str | None = None) -> T:
    """Verify ``signed`` (by ``key`` if given, else by the key it names) and decode its body.

    Raises :class:`SignatureError` when the key is not the wanted one, the signature fails, or the
    body is not a ``document``. A caller that passes no ``key`` must check ``signed.key`` itself.
    """
    if key is not None and signed.key != key:
        raise SignatureError(
            f"the {kind} is signed by key {signed.key[:16]}…, expected {key[:16]}…"
        )
    verify_bytes(kind, signed.body, signed.signature, signed.key)
    try:
        return msgspec.json.decode(signed.body, type=document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignatureError(f"the signed {kind} cannot be read: {error}") from error


def encode_token(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_token(text: str) -> bytes:
    """The inverse of :func:`encode_token`; raises :class:`SignatureError`."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise SignatureError(f"{text[:40]!r} is not URL-safe base64") from error


def request_body_to_sign(method: str, path: str, body: bytes, request_id: str) -> bytes:
    """What a device signs of a request: method, path with query, body hash, request id."""
    digest = hashlib.sha256(body).hexdigest()
    return f"{method.upper()}\n{path}\n{digest}\n{request_id}".encode()
