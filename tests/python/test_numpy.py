"""The runtime with numpy: arrays as results, equal bits, and nothing pickled."""

import io
import json

import numpy as np
import pytest

from .lab import PythonLab

pytestmark = pytest.mark.timeout(1200)  # the first test of a checkout compiles numpy
MORE = "memory_bytes = 268_435_456\nmax_ops = 100_000_000_000\ntime_s = 120"

SOURCE = """
import numpy as np

def array():
    return np.arange(6, dtype="f4").reshape(2, 3)

def mixed():
    row = np.arange(3)
    return {"mean": np.float64(1.5), "count": np.int64(3), "row": row, "ok": np.bool_(True)}

def objects():
    return np.array([1, "a", None], dtype=object)

def noise():
    return np.random.default_rng().standard_normal(4)

def nan():
    return -(np.array([np.inf, 0.0]) * np.array([0.0, np.nan]))
"""


@pytest.fixture
def run(numpy_lab: PythonLab):
    return lambda name, **more: numpy_lab.run(SOURCE, entry=f"main:{name}", more=MORE, **more)


def test_an_array_is_the_output_as_numpy_saves_it(run) -> None:
    expected = io.BytesIO()
    array = np.arange(6, dtype="f4").reshape(2, 3)
    np.save(expected, array, allow_pickle=False)
    assert run("array").files == {"result.npy": expected.getvalue()}


def test_numbers_of_numpy_are_numbers_in_json(run) -> None:
    told = json.loads(run("mixed").files["result.json"])
    assert told == {"mean": 1.5, "count": 3, "row": [0, 1, 2], "ok": True}


def test_an_array_of_objects_would_be_a_pickle_and_is_refused(run) -> None:
    outcome = run("objects").outcome
    assert (outcome.reason, outcome.exit_code) == ("exit_code", 2)
    assert "returned an array of objects: give it a plain dtype" in outcome.stderr


def test_entropy_is_the_work_units(run) -> None:
    one, again, other = (run("noise", seed=s) for s in (b"one", b"one", b"other"))
    assert one.files == again.files
    assert one.outcome.ops == again.outcome.ops
    assert one.files != other.files


def test_the_bits_of_nan_are_canonical(run) -> None:
    """Processors make NaNs of either sign; here one, before and after a change of sign."""
    array = np.load(io.BytesIO(run("nan").files["result.npy"]), allow_pickle=False)
    assert {bits.hex() for bits in (value.tobytes()[::-1] for value in array)} <= {
        *("7ff8000000000000", "fff8000000000000"),
    }
    assert np.isnan(array).all()


def test_it_reads_and_fits_as_at_home(numpy_lab: PythonLab) -> None:
    source = (
        "import numpy as np\nfrom scipy import optimize\nimport pandas as pd\n"
        "def f():\n"
        "    x = np.linspace(0, 4, 50)\n"
        "    (a, k), _ = optimize.curve_fit(lambda x, a, k: a * np.exp(-k * x), x,"
        " 3 * np.exp(-0.7 * x))\n"
        "    table = pd.DataFrame({'g': [1, 1, 2], 'v': [1.0, 3.0, 5.0]})\n"
        "    return [a, k, *table.groupby('g')['v'].mean()]\n"
    )
    ran = numpy_lab.run(source, entry="main:f", more=MORE)
    assert ran.outcome.reason == "ok", ran.outcome.stderr
    assert json.loads(ran.files["result.json"]) == pytest.approx([3, 0.7, 2, 5], rel=1e-6)
