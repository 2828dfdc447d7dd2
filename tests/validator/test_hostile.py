"""Readers of strangers' bytes: whatever comes, there is a finding, symmetric and the same again."""

import io
import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.engine import check_some
from tests.fuzz.validator_target import FORMATS, RULES, TARGET

from .outputs import compare, look
from .test_formats import npy, npz

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
CELLS = st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), max_size=6)
SEEDS = {
    "json": b'{"a":{"x":[1,2.5,NaN]},"t":"word"}',
    "csv": b"a,b\n1,2\n3,4e5\n",
    "txt": b"x = 1.5, y = -2\n",
    "npy": npy(np.arange(6.0).reshape(2, 3)),
    "npz": npz(a=np.arange(4.0), b=np.ones(2, "i4")),
}


@given(data=st.data(), kind=st.sampled_from(FORMATS), n=st.integers(0, len(RULES) - 1))
@settings(max_examples=300)
def test_damaged_files_give_a_finding(data: st.DataObject, kind: str, n: int) -> None:
    seed = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(0, 6))):
        seed[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(seed)))
    for damaged in (bytes(seed), bytes(seed[:cut])):
        found = look(RULES[n], **{f"f__{kind}": damaged})
        assert found.outcome in ("good", "failed", "unreadable")
        assert found == look(RULES[n], **{f"f__{kind}": damaged})
        assert compare(RULES[n], f"f__{kind}", damaged, damaged).outcome == "agree"
        if compare(RULES[n], f"f__{kind}", damaged, SEEDS[kind]).outcome == "agree":
            assert found.outcome != "unreadable", "what cannot be read agrees with something"


def test_a_short_fuzz_is_clean() -> None:
    check_some(TARGET, examples=300, number=1)


@given(value=VALUES)
def test_any_document_agrees_with_itself_written_otherwise(value: object) -> None:
    one, other = json.dumps(value), json.dumps(value, indent=3, ensure_ascii=False)
    data = other.encode("utf-8", "replace")
    if json.loads(data.decode()) == value or value != value:
        assert compare(RULES[0], "f__json", one, data).outcome == "agree"


@given(rows=CELLS, row=st.integers(0, 5), off=st.floats(1e-3, 1e3))
def test_one_number_beyond_the_tolerance_is_always_seen(
    rows: list[list[float]], row: int, off: float
) -> None:
    """CSV, JSON, NPY and text alike: all within the tolerance agree, one beyond it does not."""
    rows = [[x if math.isfinite(x) and abs(x) < 1e6 else 1.0 for x in cells] for cells in rows]
    close = [[x + 1e-10 for x in cells] for cells in rows]
    outcomes = {True: "agree", False: "differ"}
    for changed, fine in ((close, True), (with_one_off(rows, row, off), not rows)):
        for name, write in WRITERS.items():
            found = compare(RULES[1], name, write(rows), write(changed)).outcome
            assert found == outcomes[fine], name


def with_one_off(rows: list[list[float]], row: int, off: float) -> list[list[float]]:
    return [
        [x + off * (n == row % max(1, len(rows)) and i == 1) for i, x in enumerate(cells)]
        for n, cells in enumerate(rows)
    ]


WRITERS = {
    "f__csv": lambda rows: "a,b\n" + "".join(f"{a!r},{b!r}\n" for a, b in rows),
    "f__txt": lambda rows: "".join(f"{a!r} of {b!r}\n" for a, b in rows),
    "f__json": lambda rows: json.dumps({"rows": rows}),
    "f__npy": lambda rows: npy(np.array(rows, dtype=float).reshape(len(rows), 2)),
    "f__npz": lambda rows: npz(x=np.array(rows, dtype=float).reshape(len(rows), 2)),
}


def test_notes_are_short_and_printable() -> None:
    key = "\x1b[31m" + "x" * 5_000
    found = compare(RULES[0], "f__json", json.dumps({key: 1}), json.dumps({key: 2}))
    assert found.outcome == "differ"
    assert found.note.isprintable()
    assert len(found.note) <= 300
    assert io.StringIO(found.note).read() == found.note
