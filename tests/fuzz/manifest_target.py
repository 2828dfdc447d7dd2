"""The manifest reader: it takes canonical manifests and nothing else, and says so in its error."""

import json
import posixpath

from idlegrid_shared.manifest import (
    Manifest,
    ManifestEntry,
    ManifestError,
    make_manifest,
    manifest_bytes,
    parse_manifest,
)

from .source import Source, Target

# fmt: off
NAMES = [
    "a", "b", "a/b", "A", "..", ".", "", "/a", "a/", "a//b", "x:y", "a\\b", "\u00e9", "e\u0301",
    "n" * 255, "n" * 256, "a\n", "\ud800", "stdout", "a/../b", "b/c/d", "\x7f", "\U0001f600",
]
# fmt: on
DIGESTS = ["0" * 64, "f" * 64, "F" * 64, "0" * 63, "g" * 64, ""]
SIZES = [0, 1, -1, 2**63, 10**30, 7]


def run(data: bytes) -> None:
    """Half of all bytes are read as they are; the others choose entries for a likely manifest."""
    source = Source(data)
    if source.number(2):
        read(source.take(len(data)))
        return
    entries = []
    while source and len(entries) < 40:
        name = source.choice(NAMES) if source.number(4) else source.take(source.number(20)).hex()
        entries.append((name, source.choice(DIGESTS), source.choice(SIZES)))
    make(entries)
    plain = [{"name": n, "sha256": d, "bytes": b} for n, d, b in entries]
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=bool(source.number(2)))
    read(text.encode("utf-8", "surrogatepass"))


def make(entries: list[tuple[str, str, int]]) -> None:
    """What can be made can be read again, and is the same in any order."""
    made = [ManifestEntry(*entry) for entry in entries]
    try:
        manifest = make_manifest(made)
    except ManifestError:
        return
    check(manifest)
    if all(entry.bytes < 2**63 for entry in manifest):
        raw = manifest_bytes(made)
        assert raw == manifest_bytes(reversed(made))
        assert parse_manifest(raw) == manifest


def read(raw: bytes) -> None:
    """What is read is canonical: writing it gives the same bytes."""
    try:
        manifest = parse_manifest(raw)
    except ManifestError:
        return
    assert manifest_bytes(manifest) == raw, "two texts for one manifest"
    check(manifest)


def check(manifest: Manifest) -> None:
    """The rules, said once more and in another way."""
    names = [entry.name for entry in manifest]
    assert names == sorted(set(names)), "unsorted or doubled names"
    for entry in manifest:
        name = entry.name
        assert posixpath.normpath(name) == name, f"{name!r} is not normal"
        assert not name.startswith(("/", "..")) or name.startswith("..."), f"{name!r} leaves"
        assert not any(other.startswith(name + "/") for other in names), f"{name!r} is a folder too"
        assert 0 < len(name.encode()) <= 255
        assert bytes.fromhex(entry.sha256).hex() == entry.sha256
        assert len(entry.sha256) == 64
        assert entry.bytes >= 0


SEEDS = [
    b"\1" + manifest_bytes([ManifestEntry("a", "0" * 64, 1), ManifestEntry("b/c", "f" * 64, 0)]),
    b"\1[]",
    b"\0\1\0\0\0\1\1\0\1",
]
TARGET = Target("manifest", run, SEEDS)
