"""A client is killed in mid-task and its volunteer leaves; another goes on from its checkpoint.

Everything is real: the server, two clients, the wire, the checkpoint of a running program.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .bad_lab import BadLab, until

DEADLINE_S = 600
STEPS = 3_000_000_000  # of the long unit: some seconds of computing

APP_TOML = f"""\
[app]
name = "tiny"
version = "1.0.0"
summary = "A long sum of a pseudo-random series"
checkpoint = "auto"
migrate = true

[programs.sum]
sources = ["src/sum.c"]
max_ops = 1_000_000_000_000

[policy]
quorum = 1
replicas = 1
deadline_s = {DEADLINE_S}

[split]
program = "sum"
table = "units.csv"
args = ["{{steps}}"]
"""
SUM_C = r"""
#include <idlegrid.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    unsigned long long steps = strtoull(argv[1], 0, 10), state = 1, sum = 0;
    FILE *out = fopen("/out/sum", "w");
    fprintf(out, "after %llu steps: ", steps);
    for (unsigned long long i = 0; i < steps; i++) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        sum += state >> 33;
        if (i % 1000000 == 0) idlegrid_progress((double) i / steps);
    }
    fprintf(out, "%llu\n", sum);
    return fclose(out);
}
"""


class MigrationLab(BadLab):
    """The lab without clients of its own."""

    def start_client(self, name: str) -> subprocess.Popen[bytes]:
        """One that checkpoints every second."""
        with (self.folder / f"{name}.log").open("wb") as log:
            client = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.integration.hasty_client"),
                    *("run", "--cores", "1", "--data", str(self.folder / name)),
                ],
                cwd=Path(__file__).parents[2],
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self.clients.append(client)
        return client

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """A look into the database."""
        with closing(sqlite3.connect(self.layout.database, timeout=10)) as db:
            return db.execute(text).fetchall()

    def submit(self, name: str, steps: list[int]) -> str:
        """A batch of one unit for each of ``steps``."""
        table = self.folder / "app" / "units.csv"
        table.write_text("steps\n" + "".join(f"{n}\n" for n in steps))
        words = ("batch", "submit", "app", "--name", name, "--yes")
        self.good("idlegrid", *words)
        return name


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[MigrationLab]:
    lab = MigrationLab(tmp_path)
    app = tmp_path / "app"
    (app / "src").mkdir(parents=True)
    (app / "app.toml").write_text(APP_TOML)
    (app / "src/sum.c").write_text(SUM_C)
    try:
        lab.server.ready()
        token = (lab.project / "secrets/admin.token").read_text().strip()
        lab.good("idlegrid", "login", lab.url, "--token", token)
        lab.good("idlegrid", "keys", "init")
        key = lab.good("idlegrid", "keys", "show", "--public").out.strip()
        lab.good("idlegrid_server", "publisher", "allow", lab.project, key, "--app", "tiny")
        for name in ("first", "second"):
            words = ("attach", lab.join_link, "--data", name, "--yes")
            lab.good("idlegrid_client", *words)
        yield lab
    finally:
        lab.close()


def test_what_one_left_another_finishes(lab: MigrationLab) -> None:
    first = lab.start_client("first")
    proving = lab.submit("proving", [1000, 1001, 1002])
    lab.good("idlegrid", "batch", "watch", proving)
    # A quorum of one proves nobody, so an admin vouches for it.
    hosts = json.loads(lab.good("idlegrid_server", "host", "list", lab.project, "--json").out)
    (known,) = (host["id"] for host in hosts if host["valid"] == 3)
    lab.good("idlegrid_server", "host", "house", lab.project, known)

    long = lab.submit("long", [STEPS])
    until(
        "a checkpoint at the server",
        lambda: lab.rows("SELECT ops FROM checkpoint WHERE ops > 1000000"),
    )
    ((left_ops,),) = lab.rows("SELECT ops FROM checkpoint")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    lab.good("idlegrid_client", "detach", "--data", "first")
    assert lab.rows("SELECT state FROM task WHERE reason = 'project_left'") == [("aborted",)]
    lab.start_client("second")
    lab.good("idlegrid", "batch", "watch", long)

    done = lab.rows(
        "SELECT t.ops, t.host_id, a.host_id FROM task t JOIN task a ON a.id = t.resumed_from"
        " WHERE t.verdict = 'valid'"
    )
    assert len(done) == 1, "the result does not carry both hosts"
    ((ops, finisher, maker),) = done
    assert finisher != maker
    lab.good("idlegrid", "batch", "fetch", long, "--out", "fetched")
    lab.good("idlegrid", "run-local", "app", "--out", "local")
    fetched = {p.name: p.read_bytes() for p in (lab.folder / "fetched").rglob("sum*")}
    local = {p.name: p.read_bytes() for p in (lab.folder / "local").rglob("sum*")}
    assert fetched
    assert set(fetched.values()) == set(local.values())
    assert left_ops < ops
    log = (lab.folder / "second" / "log.jsonl").read_text()
    assert "checkpoint_lost" not in log, log
    assert "Everything adds up" in lab.good("idlegrid_server", "recount", lab.project).out
