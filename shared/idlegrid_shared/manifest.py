"""Manifests: the canonical list of the files of a result. Their SHA-256 is what votes.

A manifest is a JSON array of ``{"name", "sha256", "bytes"}``, sorted by name (code points), written
without spaces. Two results agree bitwise exactly when their manifests have the same hash.
"""

import hashlib
from collections.abc import Iterable

import msgspec

NAME_BYTES_MAX = 255
FILES_MAX = 10_000


class ManifestError(ValueError):
    """A manifest, or a name in it, that breaks the rules; the message says which and why."""


class ManifestEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: its relative name, the lower-case hex SHA-256 of its content, its size in bytes."""

    name: str
    sha256: str
    bytes: int


Manifest = tuple[ManifestEntry, ...]


def check_name(name: str) -> str:
    """Return ``name`` if it is a plain relative path with ``/``; raise :class:`ManifestError`."""
    if not name or len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise ManifestError(f"file name {name[:40]!r} must have 1 to {NAME_BYTES_MAX} bytes")
    if any(ord(c) < 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise ManifestError(f"file name {name!r} has a control character")
    if "\\" in name or ":" in name:
        raise ManifestError(f"file name {name!r} has a backslash or a colon; use / between folders")
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ManifestError(f"file name {name!r} must be relative, without empty, . or .. parts")
    return name


def check_sha256(digest: str) -> str:
    """Return ``digest`` if it is a lower-case hex SHA-256; raise :class:`ManifestError`."""
    if len(digest) != 64 or any(c not in "0123456789abcdef" for c in digest):
        raise ManifestError(f"{digest[:70]!r} is not a SHA-256 in lower-case hex")
    return digest


def make_manifest(entries: Iterable[ManifestEntry]) -> Manifest:
    """Sort ``entries`` by name and check every rule; raise :class:`ManifestError`."""
    manifest = tuple(sorted(entries, key=lambda entry: entry.name))
    if len(manifest) > FILES_MAX:
        raise ManifestError(f"{len(manifest)} files are more than the limit of {FILES_MAX}")
    seen: set[str] = set()
    for entry in manifest:
        check_name(entry.name)
        check_sha256(entry.sha256)
        if entry.bytes < 0:
            raise ManifestError(f"{entry.name!r} has a negative size")
        if entry.name in seen:
            raise ManifestError(f"{entry.name!r} stands twice")
        seen.add(entry.name)
    for name in seen:
        folder = name.rpartition("/")[0]
        while folder:
            if folder in seen:
                raise ManifestError(f"{folder!r} is both a file and a folder")
            folder = folder.rpartition("/")[0]
    return manifest


def manifest_bytes(entries: Iterable[ManifestEntry]) -> bytes:
    """The canonical bytes of a manifest; raises :class:`ManifestError`."""
    return msgspec.json.encode(make_manifest(entries))


def manifest_hash(entries: Iterable[ManifestEntry]) -> str:
    """The SHA-256 (hex) of the canonical bytes: the value that replicas compare."""
    return hashlib.sha256(manifest_bytes(entries)).hexdigest()


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest and insist on its canonical form; raises :class:`ManifestError`."""
    try:
        entries = msgspec.json.decode(data, type=tuple[ManifestEntry, ...])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"not a manifest: {error}") from error
    if manifest_bytes(entries) != data:
        raise ManifestError("the manifest is not in canonical form (sorted, no spaces)")
    return entries
