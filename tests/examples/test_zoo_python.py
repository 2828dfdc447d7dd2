"""The zoo's Python programs: the sandbox gives what numpy, or the same program at home, gives."""

import csv
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import idlegrid_task
from examples.programs import zoo
from idlegrid.build import build_app
from idlegrid.local_unit import Step, run_step
from idlegrid_shared.sandbox.job import Outcome
from tests.python.cache import MODULES, prepared


def run(name: str, out: Path) -> Outcome:
    program = zoo.PYTHON_PROGRAMS[name]
    app = program.app()
    step = Step(app.split.program, program.small, app.split.inputs, zoo.SEED, out)
    outcome = run_step(app, build_app(app), step, MODULES, threading.Event())
    assert outcome.reason == "ok", outcome.message + outcome.stderr
    return outcome


@pytest.fixture(scope="module")
def tumours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with prepared("cpython"):
        run("tumours", out := tmp_path_factory.mktemp("tumours") / "out")
        return out


def test_neighbours_vote_as_numpy_finds_them(tumours: Path) -> None:
    neighbours, folds, patients, seed = map(int, zoo.PYTHON_PROGRAMS["tumours"].small)
    table = np.loadtxt(
        zoo.FOLDER / "tumours/data/breast_cancer_wisconsin.csv", delimiter=",", skiprows=1
    )[:patients]
    features, truth = table[:, :-1], 1 - table[:, -1]
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    away = ((features[:, None, :] - features[None, :, :]) ** 2).sum(axis=2)
    import random

    order = list(range(patients))
    random.Random(seed).shuffle(order)
    fold = np.empty(patients, int)
    fold[order] = np.arange(patients) % folds
    away[fold[:, None] == fold[None, :]] = np.inf
    votes = truth[np.argsort(away, axis=1)[:, :neighbours]].sum(axis=1)
    with (tumours / "votes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["votes"]) for row in rows] == votes.astype(int).tolist()
    told = json.loads((tumours / "summary.json").read_text())
    assert told["right"] == np.mean((2 * votes > neighbours) == (truth == 1))
    assert told["right"] > 0.9


def test_the_same_script_at_home_writes_the_same_bytes(tumours: Path, tmp_path: Path) -> None:
    """With `idlegrid_task` telling progress into a file."""
    program = zoo.PYTHON_PROGRAMS["tumours"]
    environment = os.environ | {
        "IDLEGRID_INPUT": str(program.folder / "data"),
        "IDLEGRID_OUTPUT": str(tmp_path),
        "IDLEGRID_PROGRESS": str(tmp_path / "progress"),
        "PYTHONPATH": str(Path(idlegrid_task.__file__).parent),
    }
    script = program.folder / "src/tumours.py"
    subprocess.run([sys.executable, script, *program.small], env=environment, check=True)
    for name in ("votes.csv", "summary.json"):
        assert (tmp_path / name).read_bytes() == (tumours / name).read_bytes()
    assert (tmp_path / "progress").read_text() == "1.000000"


@pytest.mark.timeout(1200)  # the first time it compiles numpy
def test_patterns_of_the_year_are_those_of_numpy_at_home(tmp_path: Path) -> None:
    with prepared("cpython-numpy"):
        one, two = run("elnino", tmp_path / "one"), run("elnino", tmp_path / "two")
    assert (one.ops, one.outputs) == (two.ops, two.outputs)
    shares = np.load(tmp_path / "one/result.npy", allow_pickle=False)
    samples, seed = map(int, zoo.PYTHON_PROGRAMS["elnino"].small)
    table = np.loadtxt(zoo.FOLDER / "elnino/data/el_nino_sst.csv", delimiter=",", skiprows=1)[:, 1:]
    years = table - table.mean(axis=0)
    rng = np.random.default_rng(seed)
    expected = []
    for sample in range(samples + 1):
        drawn = years if sample == 0 else years[rng.integers(0, len(years), len(years))]
        values = np.linalg.eigvalsh(np.cov(drawn.T, bias=True))[::-1]
        expected.append(values[:3] / values.sum())
    assert shares == pytest.approx(np.array(expected), rel=1e-9)
    assert shares[0, 0] > 2 / 3
