"""The readers of outputs: any bytes, in any format, by any rule, end in a finding."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.validator import (
    FieldRule,
    FileRule,
    Validator,
    check_output,
    compare_outputs,
)

from .source import Source, Target

FORMATS = ("json", "csv", "txt", "npy", "npz")
_NUMBERS = FieldRule(min=-10, max=10, finite=True, sum=6, sum_within=0.5, order="not_falling")
#: By pattern, so that no file is missing.
RULES = [
    Validator(files={"*": FileRule()}),
    Validator(files={"*": FileRule(abs=1e-9)}),
    Validator(rel=0.1, files={"*": FileRule(fields={"*": _NUMBERS})}),
    Validator(
        files={
            "*.json": FileRule(
                fields={"a/x": FieldRule(required=True, compare="ignore"), "a/*/y": _NUMBERS}
            ),
            "*.csv": FileRule(
                header=False, delimiter=";", skip=("#",), rows=2, fields={"1": _NUMBERS}
            ),
            "*": FileRule(compare="exact"),
        }
    ),
]


def run(data: bytes) -> None:
    """Two outputs of one file, by one rule."""
    source = Source(data)
    rule, kind = source.choice(RULES), source.choice(FORMATS)
    half = source.number(256)
    one = source.take(half)
    other = source.take(len(data))
    files = {hashlib.sha256(raw).hexdigest(): raw for raw in (one, other)}

    @contextmanager
    def open_file(entry: ManifestEntry) -> Iterator[BinaryIO]:
        yield io.BytesIO(files[entry.sha256])

    name = f"f.{kind}"
    a, b = (
        (ManifestEntry(name, hashlib.sha256(raw).hexdigest(), len(raw)),) for raw in (one, other)
    )
    findings = [check_output(rule, manifest, open_file) for manifest in (a, b)]
    assert all(found.outcome in ("good", "failed", "unreadable") for found in findings)
    there = compare_outputs(rule, a, b, open_file).outcome
    assert there == compare_outputs(rule, b, a, open_file).outcome, "not symmetric"
    assert compare_outputs(rule, a, a, open_file).outcome == "agree", "not reflexive"


SEEDS = [
    bytes([n, kind, 30]) + b'{"a":{"x":1,"k":{"y":[1,2]}}}'.ljust(30) + b'{"a": {"x": 2}}'
    for n in range(len(RULES))
    for kind in range(2)
] + [
    bytes([0, 3, 72])
    + b"\x93NUMPY\1\0\x3e\0{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }",
    bytes([2, 1, 9]) + b"a,b\n1,2.5\n" + b"a,b\n1,2.6\n",
]
TARGET = Target("validator", run, SEEDS)
