"""Tables become work units row by row; a wrong row is named by its line and column."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid import table as table_module
from idlegrid.appfile import read_app
from idlegrid.fault import TableError
from idlegrid.table import UnitTable, write_units
from idlegrid.template import Template, TemplateError

from .tiny_app import APP_TOML, write_app


def app_with(tmp_path, split: str):
    toml = APP_TOML.replace('args = ["{n}"]', split)
    return read_app(write_app(tmp_path / "app", [1], toml))


def args_of(app, path) -> list[tuple[str, ...]]:
    return [unit.args for unit in UnitTable(app, path).units()]


def test_one_row_one_unit_from_csv(tmp_path) -> None:
    app = app_with(tmp_path, 'args = ["--from={a}", "{b}{b}", "{{x}}"]')
    path = tmp_path / "t.csv"
    path.write_bytes('\ufeffa,b\r\n1,"x, y"\r\n\r\n2,é\r\n'.encode())
    assert args_of(app, path) == [("--from=1", "x, yx, y", "{x}"), ("--from=2", "éé", "{x}")]


def test_one_row_one_unit_from_json_lines_with_numbers_as_written(tmp_path) -> None:
    app = app_with(tmp_path, 'args = ["{a}", "{b}"]')
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1.10, "b": "x"}\n\n{"b": true, "a": 1e400, "c": 0}\n')
    assert args_of(app, path) == [("1.10", "x"), ("1e400", "true")]


# (file name, content, what the error must say)
WRONG = [
    ("t.csv", "a\n1\n", r"t.csv, line 2: there is no column 'n'.*there are: a"),
    ("t.csv", "n,m\n1,2\n3\n", r"line 3: 1 columns, but the header has 2; column 2, 'm', is miss"),
    ("t.csv", "n\n1\n\n2,z\n", r"line 4: 2 columns, but the header has 1; .*column 2, 'z'"),
    ("t.csv", "n,n\n1,2\n", r"line 1: the header names column 'n' twice"),
    ("t.csv", "n,,m\n", r"line 1: column 2 of the header has no name"),
    ("t.csv", 'n\n"1" x\n', r"line 2: not valid CSV"),
    ("t.csv", 'n\n"1', r"line 2: not valid CSV: unexpected end"),
    ("t.csv", "", r"t.csv: no rows"),
    ("t.csv", "n\n", r"t.csv: no rows"),
    ("t.csv", b"n\n\xff\n", r"not UTF-8"),
    ("t.csv", "n\na\0b\n", r"line 2: (an argument holds a zero|not valid CSV: line contains NUL)"),
    (
        "t.csv",
        "n\n" + "9" * 200_000,
        r"line 2: (arguments of \d+ bytes|not valid CSV: field larger)",
    ),
    ("t.jsonl", '{"n": 1}\n[1]\n', r"t.jsonl, line 2: must be a JSON object"),
    ("t.jsonl", '{"n": 1}\n{"n": \n', r"line 2: must be a JSON object"),
    ("t.jsonl", '{"n": null}\n', r"line 1, column 'n': must be text, a number.*not null"),
    ("t.jsonl", '{"n": [1]}\n', r"line 1, column 'n': must be text, a number"),
    ("t.jsonl", '{"n": "\\u0000"}\n', r"line 1: an argument holds a zero character"),
    ("t.jsonl", '{"n": "\\ud800"}\n', r"line 1"),
    ("t.jsonl", "\n\n", r"t.jsonl: no rows"),
    ("t.txt", "n\n1\n", r"a table is a .csv file with a header, or a .jsonl file"),
]


@pytest.mark.parametrize(("name", "content", "says"), WRONG)
def test_a_wrong_row_is_named(tmp_path, name, content, says) -> None:
    app = read_app(write_app(tmp_path / "app", [1]))
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TableError) as caught:
        args_of(app, path)
    assert re.search(says, str(caught.value)), str(caught.value)


def test_a_missing_table_is_told(tmp_path) -> None:
    app = read_app(write_app(tmp_path / "app", [1], APP_TOML.replace('table = "units.csv"', "")))
    with pytest.raises(TableError, match="names no table"):
        UnitTable(app)
    with pytest.raises(TableError, match="cannot read the table"):
        args_of(app, tmp_path / "none.csv")


def test_more_rows_than_the_limit_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(table_module, "UNITS_MAX", 3)
    app = read_app(write_app(tmp_path / "app", [1, 2, 3, 4]))
    with pytest.raises(TableError, match="more than 3 rows"):
        args_of(app, None)


def test_files_of_single_units_are_named_by_hash(tmp_path) -> None:
    app = app_with(tmp_path, 'args = []\nfiles = {"in/data.txt" = "data/{n}.txt"}')
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.txt").write_text("one")
    (tmp_path / "t.csv").write_text("n\n1\n1\n")
    table = UnitTable(app, tmp_path / "t.csv")
    assert write_units(table, tmp_path / "units.jsonl") == 2
    digest = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    lines = (tmp_path / "units.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"args": [], "inputs": [{"name": "in/data.txt", "sha256": digest, "bytes": 3}]}
    ] * 2
    assert table.files.by_hash == {digest: tmp_path / "data/1.txt"}
    (tmp_path / "t.csv").write_text("n\n1\n2\n")
    with pytest.raises(
        TableError, match=r"line 3: cannot read the file 'data/2.txt' for /in/in/da"
    ):
        args_of(app, tmp_path / "t.csv")


@given(values=st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_a_template_gives_back_what_stands_in_its_columns(values) -> None:
    plain = {k: v for k, v in values.items() if "{" not in k and "}" not in k}
    text = "".join(f"<{{{name}}}>" for name in plain)
    assert Template(text).fill(plain) == "".join(f"<{value}>" for value in plain.values())


@given(text=st.text())
def test_doubled_braces_stand_for_themselves(text) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert Template(doubled).fill({}) == text


@pytest.mark.parametrize("text", ["{a", "a}", "{a{b}}", "{{a}"])
def test_a_lonely_brace_is_refused(text) -> None:
    with pytest.raises(TemplateError, match="without its partner"):
        Template(text).fill({"a": "", "b": ""})


def test_rows_whose_answer_is_known_name_it(tmp_path) -> None:
    app = app_with(tmp_path, 'args = ["{n}"]\nknown = "{answer}"')
    path = tmp_path / "t.csv"
    path.write_text(f"n,answer\n1,{'ab' * 32}\n2,\n")
    table = UnitTable(app, path)
    assert write_units(table, tmp_path / "units.jsonl") == 2
    lines = [json.loads(line) for line in (tmp_path / "units.jsonl").read_text().splitlines()]
    assert lines == [{"args": ["1"], "known": "ab" * 32}, {"args": ["2"]}]
    path.write_text("n,answer\n1,42\n")
    with pytest.raises(TableError, match="line 2: '42' is no SHA-256 of a manifest"):
        args_of(app, path)
