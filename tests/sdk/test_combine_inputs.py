"""What a combine step sees, whatever the units were: the same mapping, once, in order."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.combine import (
    CombineError,
    UnitRow,
    answer_entries,
    combine_inputs,
    output_name,
    unit_folder,
)
from idlegrid_shared.manifest import ManifestEntry, make_manifest
from idlegrid_shared.sandbox.job import INPUT_FILES_MAX

NAMES = st.text("abcdefgh.-_é", min_size=1, max_size=12).filter(lambda s: s.strip(".") != "")
ROWS = st.lists(
    st.tuples(
        st.lists(st.text(max_size=8), max_size=3),
        st.sampled_from(["assimilated", "failed", "cancelled"]),
        st.sets(NAMES, max_size=3),
    ),
    max_size=20,
)


def units_of(rows: list[tuple[list[str], str, set[str]]]) -> list[UnitRow]:
    return [UnitRow(i, tuple(args), state) for i, (args, state, _) in enumerate(rows)]


@given(rows=ROWS, shared=st.sets(NAMES, max_size=3))
def test_every_output_of_an_assimilated_unit_is_there_and_nothing_else(rows, shared) -> None:
    shared -= {"units"}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = combine_inputs(
            units_of(rows),
            lambda unit: {name: Path(f"/out/{unit.index}/{name}") for name in rows[unit.index][2]},
            {name: Path("/shared") / name for name in shared},
            folder,
        )
        wanted = {"units.jsonl": folder / "units.jsonl"}
        wanted |= {name: Path("/shared") / name for name in shared}
        for index, (_, state, names) in enumerate(rows):
            if state == "assimilated":
                wanted |= {
                    f"units/{index:06d}/{name}": Path(f"/out/{index}/{name}") for name in names
                }
        assert found == wanted
        assert list(found) == sorted(found)
        # Split at \n alone: str.splitlines would also split at U+2028 inside a string.
        lines = (folder / "units.jsonl").read_bytes().split(b"\n")[:-1]
        assert [json.loads(line) for line in lines] == [
            {"index": i, "args": args, "state": state} for i, (args, state, _) in enumerate(rows)
        ]


@given(rows=ROWS)
def test_the_same_units_give_the_same_bytes_in_any_folder(rows) -> None:
    texts = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as place:
            combine_inputs(units_of(rows), lambda unit: {}, {}, Path(place))
            texts.append((Path(place) / "units.jsonl").read_bytes())
    assert texts[0] == texts[1]


def test_a_line_is_written_exactly_so(tmp_path) -> None:
    """The combine programs of scientists read these bytes: a change of form breaks them."""
    units = [UnitRow(0, ("1", "a b"), "assimilated"), UnitRow(3, (), "failed")]
    combine_inputs(units, lambda unit: {}, {}, tmp_path)
    assert (tmp_path / "units.jsonl").read_bytes() == (
        b'{"index":0,"args":["1","a b"],"state":"assimilated"}\n'
        b'{"index":3,"args":[],"state":"failed"}\n'
    )


def test_units_out_of_order_are_refused(tmp_path) -> None:
    units = [UnitRow(1, (), "failed"), UnitRow(1, (), "failed")]
    with pytest.raises(CombineError, match="unit 1 comes after unit 1"):
        combine_inputs(units, lambda unit: {}, {}, tmp_path)


@pytest.mark.parametrize("name", ["units.jsonl", "units/x", "units", "../x", "a\\b", ""])
def test_a_shared_input_may_not_take_the_place_of_the_units(tmp_path, name) -> None:
    with pytest.raises(CombineError, match="shared input"):
        combine_inputs([], lambda unit: {}, {name: Path("/x")}, tmp_path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../b", "x" * 250])
def test_an_output_with_a_bad_name_is_refused(tmp_path, name) -> None:
    with pytest.raises(CombineError, match="unit 7"):
        combine_inputs(
            [UnitRow(7, (), "assimilated")], lambda unit: {name: Path("/x")}, {}, tmp_path
        )


def test_more_files_than_the_sandbox_takes_are_refused_with_advice(tmp_path) -> None:
    outputs = {f"f{n}": Path("/x") for n in range(INPUT_FILES_MAX // 2 + 1)}
    units = [UnitRow(i, (), "assimilated") for i in range(2)]
    with pytest.raises(CombineError, match=r"unit 1 there are \d+ files.*write fewer files"):
        combine_inputs(units, lambda unit: outputs, {}, tmp_path)


def test_indexes_beyond_a_million_keep_their_digits() -> None:
    assert unit_folder(42) == "units/000042"
    assert unit_folder(4_999_999) == "units/4999999"
    with pytest.raises(CombineError, match="never negative"):
        unit_folder(-1)
    assert output_name(5, "a/b") == "units/000005/a/b"


def test_an_answer_without_a_combine_step_lists_all_outputs() -> None:
    entry = ManifestEntry("r.csv", "a" * 64, 5)
    listed = make_manifest(answer_entries([(1, [entry]), (0, [entry])]))
    assert [e.name for e in listed] == ["units/000000/r.csv", "units/000001/r.csv"]
