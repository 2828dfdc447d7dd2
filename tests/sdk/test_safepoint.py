"""checkpoint = "auto" where a program comes to no host call: the build runs a unit, and refuses."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid import safepoint
from idlegrid.cli import run
from idlegrid.fault import BuildError
from idlegrid.grid import Grid
from idlegrid.keys import key_path, make_key

from .loopback import serve
from .project import Project

APP_TOML = """\
[app]
name = "steps"
version = "1"
checkpoint = "auto"

[programs.walk]
sources = ["src/walk.c"]
max_ops = 1_000_000_000_000

[split]
program = "walk"
table = "units.csv"
args = ["{quiet}", "{told}"]
"""
LONG = 1_000_000  # turns: a quarter of an hour and more
# So many turns without a host call, then so many with one each.
WALK_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include "idlegrid.h"
__attribute__((noinline)) static double turn(double x)
{
    for (int i = 0; i < 1000000; i++)
        x = x * 0.5 + (double)i;
    return x;
}
int main(int argc, char **argv)
{
    double x = 0;
    long quiet = strtol(argv[1], NULL, 10), told = strtol(argv[2], NULL, 10);
    idlegrid_safepoint();
    if (quiet < 0)
        return 7;
    for (long i = 0; i < quiet; i++)
        x = turn(x);
    for (long i = 0; i < told; i++) {
        x = turn(x);
        idlegrid_safepoint();
    }
    FILE *out = fopen(IDLEGRID_OUT "x", "w");
    fprintf(out, "%.17g\n", x);
    return fclose(out);
}
"""


@contextlib.contextmanager
def connected(project: Project) -> Iterator[Grid]:
    with serve(project) as server, Grid(server.url, "igt_x", patience_s=2.0) as grid:
        yield grid


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    (folder / "src").mkdir()
    (folder / "app.toml").write_text(APP_TOML)
    (folder / "src/walk.c").write_text(WALK_C)
    return folder


@pytest.fixture
def app(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the table into a copy of the app; tenths of seconds stand for minutes."""
    monkeypatch.setattr(safepoint, "GAP_S_MAX", 0.4)
    monkeypatch.setattr(safepoint, "TRIAL_S", 0.6)

    def make(*rows: str, toml: str = APP_TOML) -> Path:
        folder = tmp_path / "app"
        shutil.copytree(built, folder, dirs_exist_ok=True)
        (folder / "app.toml").write_text(toml)
        (folder / "units.csv").write_text("quiet,told\n" + "".join(f"{row}\n" for row in rows))
        return folder

    return make


@pytest.fixture
def build(capfdbinary):
    """Run `app build`: its exit code, and what it printed or said."""

    def call(folder: Path, *options: str) -> tuple[int, str]:
        code = run(("app", "build", str(folder), *options))
        captured = capfdbinary.readouterr()
        return code, captured.out.decode() + captured.err.decode()

    return call


def test_a_program_that_never_comes_to_a_host_call_is_refused_at_build(app, build) -> None:
    code, text = build(app(f"{LONG},0"))
    assert code == 2
    assert 'checkpoint = "auto" cannot work here: the first unit of walk went 0.' in text
    assert "without a host call" in text
    assert "idlegrid_safepoint()" in text
    assert 'checkpoint = "app"' in text
    assert '"none"' in text


def test_signing_and_submitting_refuse_it_too(app, tmp_path: Path) -> None:
    folder = app(f"{LONG},0")
    assert run(("app", "sign", str(folder))) == 2
    project = Project()
    make_key(key_path(), None)
    with connected(project) as grid, pytest.raises(BuildError, match="cannot work here"):
        grid.submit(folder)
    assert (project.releases, project.files) == ({}, {})


def test_another_kind_of_checkpoint_runs_nothing(app, build) -> None:
    for kind in ("app", "none"):
        toml = APP_TOML.replace('"auto"', f'"{kind}"')
        code, text = build(app(f"{LONG},0", toml=toml), "--json")
        assert (code, json.loads(text)["safepoints"]) == (0, None)


def test_a_long_unit_that_may_be_saved_is_run_for_a_while(app, build) -> None:
    code, text = build(app(f"0,{LONG}"), "--json")
    assert code == 0
    found = json.loads(text)["safepoints"]
    assert found["checked"]
    assert not found["whole"]
    assert 0 < found["gap_s"] < 0.4
    assert 0.6 < found["cpu_s"] < 5
    assert "of which 0." in found["text"]


def test_a_short_unit_is_run_to_its_end_and_only_once(
    app, build, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = app("20,20")
    code, text = build(folder)
    assert code == 0
    assert "of 0.4 (the whole of it, " in text
    monkeypatch.setattr(safepoint, "run_way", None)
    assert build(folder)[0] == 0, "it was run again although nothing had changed"
    with pytest.raises(TypeError):
        build(app("21,20"))


@pytest.mark.parametrize(
    ("rows", "toml", "words"),
    [
        ((), APP_TOML.replace('table = "units.csv"\n', ""), "names no table in [split]"),
        ((), APP_TOML, "no rows"),
        (("-1,0",), APP_TOML, "the first unit failed: the program ended with exit code 7"),
    ],
    ids=["no table", "no rows", "it fails"],
)
def test_where_no_unit_runs_the_build_says_so(app, build, rows, toml: str, words: str) -> None:
    code, text = build(app(*rows, toml=toml))
    assert code == 0
    assert 'checkpoint = "auto" was not checked: ' in text
    assert words in text
    assert "`idlegrid app test`" in text


def test_a_table_given_at_the_submission_is_looked_at(app, tmp_path: Path) -> None:
    folder = app(toml=APP_TOML.replace('table = "units.csv"\n', ""))
    table = tmp_path / "mine.csv"
    table.write_text(f"quiet,told\n{LONG},0\n")
    project = Project()
    make_key(key_path(), None)
    with connected(project) as grid, pytest.raises(BuildError, match="first unit of walk went"):
        grid.submit(folder, table)
