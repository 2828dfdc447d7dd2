"""A numeric app whose last digits differ from computer to computer, through a real server.

Published, computed by two clients, agreed by the tolerance of its validator; then looked at by
other rules, first without and then with consequences.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from examples.demo.stage import Stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native programs run on Linux only")

# Logistic growth by small steps. The clock plays the part of another processor's last digits.
GROW = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "idlegrid.h"
int main(int count, char **args) {
    struct timespec now;
    double rate = atof(args[1]), x = 0.01;
    clock_gettime(CLOCK_REALTIME, &now);
    double other = 1.0 + 1e-12 * (0.01 + now.tv_nsec % 100000 / 1e5);
    FILE *series = fopen(IDLEGRID_OUT "series.csv", "w");
    fprintf(series, "step,x\n");
    for (int step = 0; step < 200; step++) {
        x += 0.05 * rate * x * (1 - x);
        if (step % 20 == 0) fprintf(series, "%d,%.17g\n", step, x * other);
    }
    fclose(series);
    FILE *result = fopen(IDLEGRID_OUT "result.json", "w");
    fprintf(result, "{\"rate\": %g, \"last\": %.17g, \"when\": %ld}\n", rate, x * other,
            (long)now.tv_nsec);
    return fclose(result);
}
"""
APP = """
[app]
name = "growth"
version = "1.0.0"
runtime = "native"

[programs.grow]
sources = ["grow.c"]

[programs.grow.validator]
rel = 1e-9

[programs.grow.validator.files."result.json"]
fields.rate = { compare = "exact" }
fields.last = { min = 0, max = 1 }
fields.when = { compare = "ignore" }

[programs.grow.validator.files."series.csv"]
columns = ["step", "x"]
rows = 10
fields = { x = { order = "rising", finite = true } }

[split]
program = "grow"
table = "units.csv"
args = ["{rate}"]
"""
STRICT = """
[files."*.csv"]
[files."*.json"]
fields.when = { compare = "ignore" }
"""
TAME = """
rel = 1e-9
[files."*.csv"]
[files."result.json"]
fields.last = { max = 0.5 }
fields.when = { compare = "ignore" }
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    one = Stage(tmp_path / "stage")
    try:
        yield one
    finally:
        one.kill_all()


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = 150.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, f"waited in vain for {what}"
        time.sleep(0.3)


def write_app(folder: Path) -> Path:
    folder.mkdir()
    (folder / "grow.c").write_text(GROW)
    (folder / "app.toml").write_text(APP)
    (folder / "units.csv").write_text("rate\n0.1\n0.5\n1.0\n")
    return folder


def ask(stage: Stage, sql: str) -> list[tuple[object, ...]]:
    """What the server's database says."""
    with closing(sqlite3.connect(f"file:{stage.project}/project.db?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


@pytest.mark.timeout(900)
def test_results_that_differ_in_their_last_digits_agree(stage: Stage, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app")
    stage.start_server()
    stage.scientist("login", stage.url, "--token", stage.token)
    stage.scientist("keys", "init", "--no-passphrase")
    public = stage.scientist("keys", "show", "--public").strip()
    stage.server_command("publisher", "allow", str(stage.project), public, "--app", "growth")
    stage.scientist("batch", "submit", str(app), "--name", "growth", "--yes")
    for name in ("ada", "grace"):
        data = str(stage.folder / name)
        stage.command("idlegrid_client", "allow", "native", "--data", data, log=name)
        stage.add_client(name)

    def batch() -> dict[str, object]:
        found: dict[str, object] = stage.rest("batches?limit=1")["batches"][0]  # type: ignore
        assert found["state"] != "failed", found
        return found

    wait_until("the batch's end", lambda: batch()["state"] == "complete", 200)
    verdicts = ask(stage, "SELECT DISTINCT verdict FROM task WHERE state = 'success'")
    assert verdicts == [("valid",)]
    pairs = ask(stage, "SELECT agrees, COUNT(*) FROM comparison GROUP BY agrees")
    assert pairs == [(1, 3)], "the results were the same bytes, and nothing was shown"
    assert ask(stage, "SELECT COUNT(*) FROM output_check WHERE outcome = 'good'") == [(6,)]

    strict, tame = tmp_path / "strict.toml", tmp_path / "tame.toml"
    strict.write_text(STRICT)
    tame.write_text(TAME)
    before = batch()
    said = json.loads(
        stage.scientist("batch", "validate", "growth", "--rule", str(strict), "--dry-run", "--json")
    )
    assert said["report"]["changed"] == said["report"]["opened"] == 3
    note = said["report"]["examples"][0]["note"]
    assert note.startswith(("result.json: last: ", "series.csv: "))
    text = stage.scientist("batch", "validate", "growth", "--rule", str(tame), "--dry-run")
    assert "would need more computing" in text
    assert batch() == before, "a dry run changed the batch"

    same = tmp_path / "same.toml"
    same.write_text("rel = 1e-6\n" + STRICT)
    applied = stage.scientist("batch", "validate", "growth", "--rule", str(same), "--yes")
    assert "0 units are decided again" in applied
    wait_until("the second answer", lambda: batch()["revision"] == 2)
    assert batch()["state"] == "complete"
    out = stage.folder / "answer"
    stage.scientist("batch", "fetch", "growth", "--out", str(out))
    last = [json.loads(path.read_text())["last"] for path in sorted(out.rglob("result.json"))]
    assert len(last) == 3
    assert last == sorted(last)
    stage.stop()
    assert stage.left_running() == []
