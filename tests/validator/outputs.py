"""Outputs in memory, for tests of validators."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from idlegrid_shared.manifest import Manifest, ManifestEntry, make_manifest
from idlegrid_shared.validator import (
    Finding,
    Validator,
    check_output,
    compare_outputs,
    parse_validator,
)


class Outputs:
    """Files by their hash."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, **files: bytes | str) -> Manifest:
        """One output; ``__`` in a name stands for the dot."""
        entries = []
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            digest = hashlib.sha256(data).hexdigest()
            self.files[digest] = data
            entries.append(ManifestEntry(name.replace("__", "."), digest, len(data)))
        return make_manifest(entries)

    @contextmanager
    def open(self, entry: ManifestEntry) -> Iterator[BinaryIO]:
        """As the server opens them."""
        yield io.BytesIO(self.files[entry.sha256])


def rule(**keys: object) -> Validator:
    """A validator as app.toml would tell it; ``__`` in a file's name stands for the dot."""
    files = {name.replace("__", "."): own for name, own in keys.pop("files", {}).items()}  # type: ignore[attr-defined]
    return parse_validator(msgspec.json.encode({**keys, "files": files}))


def look(validator: Validator, **files: bytes | str) -> Finding:
    """What comes out for one output."""
    outputs = Outputs()
    return check_output(validator, outputs.add(**files), outputs.open)


def compare(validator: Validator, name: str, a: bytes | str, b: bytes | str) -> Finding:
    """What comes out for two outputs of one file; the same the other way round."""
    outputs = Outputs()
    one, other = outputs.add(**{name: a}), outputs.add(**{name: b})
    found = compare_outputs(validator, one, other, outputs.open)
    back = compare_outputs(validator, other, one, outputs.open)
    assert back.outcome == found.outcome, "not symmetric"
    return found
