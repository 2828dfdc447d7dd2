"""API tokens: ``igt_`` and 256 random bits. Only their SHA-256 is ever stored."""

import hashlib
import secrets

PREFIX = "igt_"
RANDOM_BYTES = 32
SCOPES = ("batch:read", "batch:write", "app:write", "file:write", "host:read", "admin")


def new_token() -> str:
    """A fresh token for one owner's eyes."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def token_hash(token: str) -> bytes:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
