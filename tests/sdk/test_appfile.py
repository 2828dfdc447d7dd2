"""app.toml is read strictly: every mistake is told with its file, section, key and a remedy."""

import re

import pytest

from idlegrid.app import OnFailure
from idlegrid.appfile import parse_on_failure, read_app
from idlegrid.fault import AppFileError
from idlegrid.limit import DEFAULT_LIMITS
from idlegrid_shared.documents import Policy

from .tiny_app import APP_TOML, write_app


def test_a_good_file_is_read_whole(tmp_path) -> None:
    toml = APP_TOML + 'placement = "server"\ninputs = ["src/form.h"]\n[policy]\nquorum = 3\n'
    app = read_app(write_app(tmp_path / "app", [1], toml))
    assert (app.name, app.version, app.summary) == ("tiny", "1.0.0", "Squares, and their sum")
    assert app.programs["square"].limits.max_ops == 50_000_000
    assert app.programs["total"].limits == DEFAULT_LIMITS
    assert app.policy == Policy(quorum=3, replicas=3)
    assert app.split.args == ("{n}",)
    assert app.combine is not None
    assert (app.combine.program, app.combine.placement) == ("total", "server")
    assert app.combine.inputs == {"form.h": app.folder / "src/form.h"}
    assert app.plot is None


def test_the_file_itself_may_be_named(tmp_path) -> None:
    folder = write_app(tmp_path / "app", [1])
    assert read_app(folder / "app.toml") == read_app(folder)


# (what to replace, by what, what the error must say)
MISTAKES = [
    ('name = "tiny"', "", r"\[app\] name: is missing; write for example name ="),
    ('name = "tiny"', 'name = "Tiny App"', r"\[app\] name: 'Tiny App' must be .*lower-case"),
    ('name = "tiny"', "name = 5", r"\[app\] name: must be text in quotes, not 5"),
    ('version = "1.0.0"', "version = 1.0", r"\[app\] version: must be text in quotes, not 1.0"),
    ("summary", "sumary", r"\[app\] sumary: is not known here; did you mean summary\?"),
    ("[app]", "[ap]", r"\[ap\] is not known here; possible are: \[app\], \[programs\]"),
    ("max_ops = 50_000_000", "max_ops = 0", r"\[programs.square\] max_ops is 0; it must be from 1"),
    ("max_ops = 50_000_000", "max_ops = true", r"max_ops: must be a whole number, not True"),
    ("max_ops = 50_000_000", 'max_ops = "1"', r"max_ops: must be a whole number, not '1'"),
    ("max_ops", "maxops", r"\[programs.square\] maxops: .*did you mean max_ops\?"),
    (
        '["src/square.c"]',
        '["src/none.c"]',
        r"\[programs.square\] sources: there is no file 'src/no",
    ),
    ('["src/square.c"]', '["../square.c"]', r"sources: .*must be relative.*name a file inside"),
    ('["src/square.c"]', '["/etc/passwd"]', r"sources: .*must be relative"),
    ('["src/square.c"]', '["src/form.h"]', r"sources: 'src/form.h' is no C or C\+\+ file"),
    ('["src/square.c"]', "[]", r"\[programs.square\] sources: is empty"),
    ('["src/square.c"]', '"src/square.c"', r"sources: must be a list, not 'src/square.c'"),
    ('["src/square.c"]', "[1]", r"sources: every member must be text in quotes, but 1 is not"),
    ('sources = ["src/total.c"]', "", r"\[programs.total\] sources: give either sources"),
    ('sources = ["src/total.c"]', 'module = "t.wasm"', r"module: there is no file 't.wasm'"),
    ("[programs.total]", "[programs.Total]", r"\[programs.Total\]: a program's name"),
    ('program = "square"', 'program = "cube"', r"\[split\] program: there is no \[programs.cube\]"),
    ('table = "units.csv"', 'table = "u.csv"', r"\[split\] table: there is no file 'u.csv'"),
    ('args = ["{n}"]', 'argz = ["{n}"]', r"\[split\] argz: .*did you mean args\?"),
    ('args = ["{n}"]', 'on_failure = "ignore"', r"on_failure: 'ignore' must be \"stop\""),
    ('args = ["{n}"]', 'inputs = {"../x" = "units.csv"}', r"\[split\] inputs: file name '\.\./x'"),
    ('args = ["{n}"]', "inputs = 5", r"\[split\] inputs: must be pairs of names and text"),
    ('args = ["{n}"]', 'inputs = ["units.csv", "units.csv"]', r"two files would be seen as /in/un"),
    (
        'args = ["{n}"]',
        'inputs = ["units.csv"]\nfiles = {"units.csv" = "{n}"}',
        r"\[split\] files: 'units.csv' also stands in inputs",
    ),
    (
        'program = "total"',
        'program = "total"\nplacement = "moon"',
        r"\[combine\] placement: 'moon'",
    ),
    ("[combine]", "[policy]\nquorum = 0\n[combine]", r"\[policy\] quorum = 0 must lie between"),
    ("[combine]", "[policy]\nquorums = 2\n[combine]", r"\[policy\] quorums: .*did you mean quorum"),
    ("[combine]", '[plot]\nfile = "a.csv"\n[combine]', r"\[plot\] .*missing required field `x`"),
    (
        "[combine]",
        '[plot]\nfile = "a.csv"\nx = "t"\nlines = [{y = 3}]\n[combine]',
        r"app.toml: \[plot\] .*Expected `str`, got `int` - at `lines\[0\].y`",
    ),
    ("[combine]", "[[combine]]", r"\[combine\] must be a section"),
    ("[combine]", "[combine", r"app.toml is not valid TOML: .*line 18"),
]


@pytest.mark.parametrize(
    ("old", "new", "says"), MISTAKES, ids=[new or old for old, new, _ in MISTAKES]
)
def test_each_mistake_is_told_in_words(tmp_path, old, new, says) -> None:
    assert old in APP_TOML
    folder = write_app(tmp_path / "app", [1], APP_TOML.replace(old, new, 1))
    with pytest.raises(AppFileError) as caught:
        read_app(folder)
    assert re.search(says, str(caught.value)), str(caught.value)
    assert "app.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_file_is_no_app(tmp_path) -> None:
    with pytest.raises(AppFileError, match=r"is not an app: it has no app.toml"):
        read_app(tmp_path)


def test_a_file_that_is_no_text_is_refused(tmp_path) -> None:
    (tmp_path / "app.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(AppFileError, match="not UTF-8"):
        read_app(tmp_path)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("stop", OnFailure("stop")),
        ("skip", OnFailure("skip")),
        ("skip 10", OnFailure("skip", max_units=10)),
        ("skip 5%", OnFailure("skip", max_share=0.05)),
        ("skip 101%", None),
        ("skip -1", None),
        ("Skip", None),
    ],
)
def test_the_ways_to_bear_failures(text, policy) -> None:
    assert parse_on_failure(text) == policy


def test_what_a_failure_policy_allows() -> None:
    assert OnFailure("stop").allows(0, 10)
    assert not OnFailure("stop").allows(1, 10)
    assert OnFailure("skip").allows(9, 10)
    assert not OnFailure("skip").allows(10, 10), "there is nothing left to answer with"
    assert OnFailure("skip", max_units=2).allows(2, 10)
    assert not OnFailure("skip", max_units=2).allows(3, 10)
    assert OnFailure("skip", max_share=0.2).allows(2, 10)
    assert not OnFailure("skip", max_share=0.2).allows(3, 10)
