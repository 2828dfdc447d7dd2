"""A Python app through a real server and real clients: compiled once, agreed on, combined."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from examples.demo.process import StepError, wait_for
from examples.demo.stage import Stage
from idlegrid_shared.runtime.bundle import write_bundle
from idlegrid_shared.runtime.catalogue import known_runtimes

from .cache import CACHE

APP_TOML = """\
[app]
name = "py-squares"
version = "1.0.0"
summary = "Squares with noise, in Python"
runtime = "python"

[programs.square]
folder = "src"
entry = "square:run"
args = "json"

[programs.total]
script = "src/total.py"

[split]
program = "square"
table = "units.csv"
args = ["{n}"]

[combine]
program = "total"
"""
SQUARE = """\
import random

import idlegrid_task as task


def run(n):
    task.progress(0.5)
    return {"n": n, "square": n * n, "noise": random.random(), "set": list({"a", "b", "c"})}
"""
TOTAL = """\
import json

units = [json.loads(line) for line in open("/in/units.jsonl")]
rows = [json.load(open(f"/in/units/{u['index']:06d}/result.json")) for u in units]
with open("/out/answer.json", "w") as file:
    json.dump({"total": sum(row["square"] for row in rows), "rows": rows}, file)
"""
UNITS = 6


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "app.toml").write_text(APP_TOML, "utf-8")
    (folder / "src/square.py").write_text(SQUARE, "utf-8")
    (folder / "src/total.py").write_text(TOTAL, "utf-8")
    (folder / "units.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(UNITS)), "utf-8")
    return folder


class PythonStage(Stage):
    """A stage whose scientist has the runtime in the cache already."""

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return super().environment({"IDLEGRID_CACHE": str(CACHE), **(more or {})})


@pytest.fixture
def stage(runtime: None, tmp_path: Path) -> Iterator[Stage]:
    """A project that serves, with its scientist."""
    one = PythonStage(tmp_path / "stage")
    try:
        yield one
    finally:
        one.kill_all()


@pytest.fixture
def bundle(runtime: None, tmp_path: Path) -> Path:
    """The standard runtime as one file."""
    known = known_runtimes()["cpython"]
    files = {sha256: CACHE / "runtimes" / sha256 for sha256 in known.release.needs()}
    write_bundle(tmp_path / "cpython.runtime", known.signed, files, {})
    return tmp_path / "cpython.runtime"


def status(stage: Stage, name: str) -> dict[str, object]:
    said = stage.command(
        "idlegrid_client", "status", "--json", "--data", str(stage.folder / name), log="status"
    )
    found: dict[str, object] = json.loads(said)
    return found


def test_the_answer_is_that_of_run_local(stage: Stage, app: Path, bundle: Path) -> None:
    """A publisher is told what is missing; clients compile the interpreter once; bytes agree."""
    local = stage.folder / "local"
    stage.scientist("run-local", str(app), "--out", str(local))
    stage.start_server()
    stage.scientist("login", stage.url, "--token", stage.token)
    stage.scientist("keys", "init", "--no-passphrase")
    public = stage.scientist("keys", "show", "--public").strip()
    stage.server_command("publisher", "allow", str(stage.project), public, "--app", "py-squares")
    with pytest.raises(StepError, match="which this project does not have yet"):
        stage.scientist("app", "publish", str(app), "--yes")
    added = stage.server_command("runtime", "add", str(stage.project), str(bundle))
    assert added == "cpython 3.12.0 is here: apps with it can be published.\n"
    again = stage.server_command("runtime", "add", str(stage.project), str(bundle))
    assert again == "cpython 3.12.0 was here already.\n"
    assert "cpython" in stage.server_command("runtime", "list", str(stage.project))
    stage.scientist("app", "publish", str(app), "--yes")
    for name in ("ada", "grace"):
        stage.add_client(name)
    stage.scientist("batch", "submit", str(app), "--name", "squares")
    whys: set[str] = set()

    def complete() -> bool:
        whys.add(str(status(stage, "ada")["why"]))
        batch = stage.rest("batches?limit=1")["batches"][0]  # type: ignore[index]
        assert batch["state"] not in ("failed", "complete_with_failures"), batch
        return bool(batch["state"] == "complete")

    wait_for("the batch's end", complete, 240, stage.clients)
    stage.scientist("batch", "fetch", "squares", "--out", str(stage.folder / "answer"))
    answer = (stage.folder / "answer/answer.json").read_bytes()
    assert answer == (local / "answer.json").read_bytes()
    assert json.loads(answer)["total"] == sum(n * n for n in range(UNITS))
    assert any("is being compiled for this computer, once" in why for why in whys), whys
    compiled = list((stage.folder / "ada/compiled").glob("*.cwasm"))
    assert len(compiled) == 1, "one interpreter, one profile: compiled once"
    runtimes = status(stage, "ada")["runtimes"]
    assert runtimes == [{"name": "cpython 3.12.0", "state": "ready", "why": ""}]
    assert all(code == 0 for code in stage.stop().values())
