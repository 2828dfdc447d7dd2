"""A numpy app through a real server and a real client; run it by `make numpy-grid`.

It is no part of `make test`: client and server each compile the interpreter anew, minutes on one
processor with 2.5 GB of memory, before anything is computed.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from .stage import PythonStage, bundle_runtime

APP_TOML = """\
[app]
name = "spectra"
version = "1.0.0"
summary = "Eigenvalues of random matrices, in numpy"
runtime = "python"
python = "cpython-numpy"

[programs.spectrum]
folder = "src"
entry = "spectrum:run"
args = "json"
memory_bytes = 268_435_456
max_ops = 100_000_000_000
time_s = 120

[programs.mean]
script = "src/mean.py"
memory_bytes = 268_435_456
max_ops = 100_000_000_000
time_s = 120

[policy]
quorum = 1

[split]
program = "spectrum"
table = "units.csv"
args = ["{size}", "{seed}"]

[combine]
program = "mean"
"""
SPECTRUM = """\
import numpy as np

import idlegrid_task as task


def run(size, seed):
    noise = np.random.default_rng(seed).standard_normal((size, size))
    task.progress(0.5)
    return np.linalg.eigvalsh((noise + noise.T) / np.sqrt(8 * size))
"""
MEAN = """\
import json

import numpy as np

units = [json.loads(line) for line in open("/in/units.jsonl")]
rows = [np.load(f"/in/units/{u['index']:06d}/result.npy", allow_pickle=False) for u in units]
np.save("/out/mean.npy", np.mean(rows, axis=0), allow_pickle=False)
"""
SIZE, UNITS = 40, 6
#: Two compilations one after the other, on a machine that does other things as well.
TIME_S = 1500


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "app.toml").write_text(APP_TOML, "utf-8")
    (folder / "src/spectrum.py").write_text(SPECTRUM, "utf-8")
    (folder / "src/mean.py").write_text(MEAN, "utf-8")
    rows = "".join(f"{SIZE},{seed}\n" for seed in range(UNITS))
    (folder / "units.csv").write_text("size,seed\n" + rows, "utf-8")
    return folder


@pytest.fixture
def stage(numpy_runtime: None, tmp_path: Path) -> Iterator[PythonStage]:
    """A project that serves, with its scientist."""
    one = PythonStage(tmp_path / "stage")
    try:
        yield one
    finally:
        one.kill_all()


def spectrum_at_home(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((SIZE, SIZE))
    return np.linalg.eigvalsh((noise + noise.T) / np.sqrt(8 * SIZE))


@pytest.mark.timeout(TIME_S + 600)  # the first test of a checkout compiles numpy for itself, too
def test_the_answer_is_that_of_run_local_and_of_numpy_at_home(
    stage: PythonStage, app: Path
) -> None:
    local = stage.folder / "local"
    stage.scientist("run-local", str(app), "--out", str(local))
    stage.start_server()
    stage.allow_publisher("spectra")
    bundle = bundle_runtime("cpython-numpy", stage.folder)
    added = stage.server_command("runtime", "add", str(stage.project), str(bundle))
    assert added == "cpython-numpy 3.15.0 is here: apps with it can be published.\n"
    stage.scientist("app", "publish", str(app), "--yes")
    stage.add_client("ada")
    stage.scientist("batch", "submit", str(app), "--name", "spectra")
    whys = stage.complete("ada", TIME_S)
    assert any("is being compiled for this computer, once" in why for why in whys), whys
    stage.scientist("batch", "fetch", "spectra", "--out", str(stage.folder / "answer"))
    answer = (stage.folder / "answer/mean.npy").read_bytes()
    assert answer == (local / "mean.npy").read_bytes()
    mean = np.load(io.BytesIO(answer), allow_pickle=False)
    expected = np.mean([spectrum_at_home(seed) for seed in range(UNITS)], axis=0)
    assert mean == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert len(list((stage.folder / "ada/compiled").glob("*.cwasm"))) == 1
    runtimes = stage.status("ada")["runtimes"]
    assert runtimes == [{"name": "cpython-numpy 3.15.0", "state": "ready", "why": ""}]
    assert all(code == 0 for code in stage.stop().values())
