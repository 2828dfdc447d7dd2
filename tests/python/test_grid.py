"""A Python app through a real server and real clients: compiled once, agreed on, combined."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.process import StepError

from .stage import PythonStage, bundle_runtime

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


@pytest.fixture
def stage(runtime: None, tmp_path: Path) -> Iterator[PythonStage]:
    """A project that serves, with its scientist."""
    one = PythonStage(tmp_path / "stage")
    try:
        yield one
    finally:
        one.kill_all()


def test_the_answer_is_that_of_run_local(stage: PythonStage, app: Path) -> None:
    """A publisher is told what is missing; clients compile the interpreter once; bytes agree."""
    local = stage.folder / "local"
    stage.scientist("run-local", str(app), "--out", str(local))
    stage.start_server()
    stage.allow_publisher("py-squares")
    with pytest.raises(StepError, match="which this project does not have yet"):
        stage.scientist("app", "publish", str(app), "--yes")
    bundle = bundle_runtime("cpython", stage.folder)
    added = stage.server_command("runtime", "add", str(stage.project), str(bundle))
    assert added == "cpython 3.12.0 is here: apps with it can be published.\n"
    again = stage.server_command("runtime", "add", str(stage.project), str(bundle))
    assert again == "cpython 3.12.0 was here already.\n"
    assert "cpython" in stage.server_command("runtime", "list", str(stage.project))
    stage.scientist("app", "publish", str(app), "--yes")
    for name in ("ada", "grace"):
        stage.add_client(name)
    stage.scientist("batch", "submit", str(app), "--name", "squares")
    whys = stage.complete("ada", 240)
    stage.scientist("batch", "fetch", "squares", "--out", str(stage.folder / "answer"))
    answer = (stage.folder / "answer/answer.json").read_bytes()
    assert answer == (local / "answer.json").read_bytes()
    assert json.loads(answer)["total"] == sum(n * n for n in range(UNITS))
    assert any("is being compiled for this computer, once" in why for why in whys), whys
    compiled = list((stage.folder / "ada/compiled").glob("*.cwasm"))
    assert len(compiled) == 1, "one interpreter, one profile: compiled once"
    runtimes = stage.status("ada")["runtimes"]
    assert runtimes == [{"name": "cpython 3.12.0", "state": "ready", "why": ""}]
    assert all(code == 0 for code in stage.stop().values())
