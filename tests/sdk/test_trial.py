"""``idlegrid app test``: differences are found, needs are told, limits are suggested."""

import functools
import json
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid.cli import run
from idlegrid.verdict import (
    MEMORY_STEP,
    OPS_ROOM,
    WayRun,
    find_faults,
    suggest_max_ops,
    suggest_memory_bytes,
)
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.limits import MEMORY_BYTES_MAX, OPS_MAX

APP_TOML = """\
[app]
name = "sum"
version = "1"
checkpoint = "auto"

[programs.sum]
sources = ["src/sum.c"]
max_ops = 2_000_000_000

[split]
program = "sum"
table = "units.csv"
args = ["{turns}", "{depth}"]
files = { "start.txt" = "{start}" }
"""

# Deep recursion is where engines differ: each has its own size of a call's frame.
SUM_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include "idlegrid.h"

static double weights[64];

__attribute__((noinline)) static double down(long depth, double a, double b, double c, double d,
                                             double e, double f, double g, double h)
{
    if (depth == 0)
        return a + b + c + d + e + f + g + h;
    double rest = down(depth - 1, b + 1, c * 2, d, e, f, g, h, a);
    return rest * a + b * c - d + e * f - g * h + weights[depth & 63];
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    double sum = 0;
    FILE *start = fopen(IDLEGRID_IN "start.txt", "r"), *out = fopen(IDLEGRID_OUT "sum.txt", "w");
    if (!start || !out || fscanf(start, "%lf", &sum) != 1)
        return 3;
    long turns = strtol(argv[1], NULL, 10);
    for (long i = 1; i <= turns; i++) {
        sum += 1.0 / (double)i;
        if (i % 100000 == 0)
            idlegrid_progress((double)i / (double)turns);
    }
    sum += down(strtol(argv[2], NULL, 10), 1, 2, 3, 4, 5, 6, 7, 8) * 0;
    fprintf(out, "%.17g\n", sum);
    return fclose(out);
}
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sum app")
    (folder / "src").mkdir()
    (folder / "app.toml").write_text(APP_TOML)
    (folder / "src/sum.c").write_text(SUM_C)
    (folder / "start.txt").write_text("1.5\n")
    return folder


@pytest.fixture
def try_units(app: Path, capfdbinary):
    """Write the table of units and try the app; its exit code, and what it wrote to stdout."""

    def call(rows: str, *options: str) -> tuple[int, str]:
        (app / "units.csv").write_text("turns,depth,start\n" + rows)
        code = run(("app", "test", str(app), *options))
        return code, capfdbinary.readouterr().out.decode()

    return call


def test_a_program_that_is_the_same_everywhere_passes_with_its_needs_told(try_units) -> None:
    code, text = try_units("3000000,1,start.txt\n200000,2,start.txt\n", "--units", "2", "--json")
    assert code == 0, text
    told = json.loads(text)
    assert [(run["unit"], run["way"]) for run in told["runs"]] == [
        (unit, way) for unit in (0, 1) for way in ("Cranelift", "Pulley") * 2
    ]
    assert told["faults"] == []
    ops = max(run["ops"] for run in told["runs"])
    assert told["needs"]["ops"] == ops > 3_000_000
    assert told["needs"]["suggested_max_ops"] >= OPS_ROOM * ops
    sums = [
        functools.reduce(lambda s, i: s + 1 / i, range(1, n + 1), 1.5) for n in (3000000, 200000)
    ]
    assert told["needs"]["output_bytes"] == max(len(f"{value:.17g}\n") for value in sums)
    assert told["native"]["why_not"] == ""
    assert told["native"]["ratio"] > 0.1
    assert told["checkpoint"]["mode"] == "auto"
    assert told["checkpoint"]["ops_ratio"] >= 1
    assert 0 < told["checkpoint"]["gap_ops"] < ops / 10, "30 calls divide the loop"


def test_a_difference_between_engines_is_found(try_units) -> None:
    """At this depth one engine is out of stack, and the other not."""
    code, text = try_units("10,7000,start.txt\n")
    assert code == 1
    assert "Not well: unit 0, run 2 (on Pulley) ended with ok, not stack_overflow" in text
    assert "not compared with a native build: the program failed" in text


def test_a_failing_program_is_told_once_with_what_it_said(app: Path, try_units) -> None:
    (app / "start.txt").write_text("no number\n")
    try:
        code, text = try_units("10,1,start.txt\n")
    finally:
        (app / "start.txt").write_text("1.5\n")
    assert code == 1
    assert "Not well: unit 0 failed: the program ended with exit code 3" in text
    assert text.count("Not well") == 1


def test_no_unit_at_all_is_wrong_use(try_units) -> None:
    code, _ = try_units("10,1,start.txt\n", "--units", "0")
    assert code == 2


def test_a_native_program_is_run_as_on_a_host_and_no_ops_are_made_up(
    app: Path, tmp_path: Path, capfdbinary
) -> None:
    folder = tmp_path / "native"
    shutil.copytree(app, folder, ignore=shutil.ignore_patterns("build"))
    text = APP_TOML.replace('checkpoint = "auto"', 'runtime = "native"')
    (folder / "app.toml").write_text(text)
    (folder / "units.csv").write_text("turns,depth,start\n10,1,start.txt\n")
    assert run(("app", "test", str(folder))) == 0
    told = capfdbinary.readouterr().out.decode()
    assert told.count("as on a host") == 2
    assert told.count("not counted outside the sandbox") == 2
    assert "other processors may differ" in told


def run_of(**fields: object) -> WayRun:
    entry = ManifestEntry("a", "0" * 64, 1)
    plain = WayRun(0, "Cranelift", "ok", "", "", 10, 0.1, 65536, (entry,))
    return msgspec.structs.replace(plain, **fields)


def test_equal_runs_have_no_fault() -> None:
    assert find_faults([run_of(), run_of(way="Pulley", cpu_s=9.0)]) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ops": 11}, "took 11 ops, not 10"),
        ({"outputs": ()}, "a is missing"),
        ({"outputs": (ManifestEntry("a", "1" * 64, 1),)}, "a has other bytes"),
        (
            {"outputs": (ManifestEntry("a", "0" * 64, 1), ManifestEntry("b", "0" * 64, 1))},
            "b is new",
        ),
        ({"reason": "trap", "message": "bad"}, "ended with trap, not ok: bad"),
    ],
)
def test_each_difference_is_named(fields: dict[str, object], words: str) -> None:
    (fault,) = find_faults([run_of(), run_of(), run_of(way="Pulley", **fields)])
    assert words in fault
    assert "run 3 (on Pulley)" in fault


@given(st.integers(0, 10**18))
def test_a_suggested_limit_of_ops_has_room_and_is_round(ops: int) -> None:
    limit = suggest_max_ops(ops)
    assert limit >= min(OPS_ROOM * ops, OPS_MAX)
    assert limit <= max(1, 2 * OPS_ROOM * ops)
    assert len(str(limit).rstrip("0")) == 1


@given(st.integers(65536, MEMORY_BYTES_MAX))
def test_a_suggested_limit_of_memory_has_room_and_can_be_given(memory: int) -> None:
    limit = suggest_memory_bytes(memory)
    assert memory <= limit <= MEMORY_BYTES_MAX
    assert limit % MEMORY_STEP == 0
