"""The Mauna Loa example through run-local, against numpy's least squares."""

import csv
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from idlegrid.appfile import read_app
from idlegrid.local import run_local
from tests.python.cache import prepared

FOLDER = Path(__file__).parents[2] / "examples/mauna_loa"
UNITS, EACH, BLOCK = 3, 15, 104


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the example with a small table."""
    copy = tmp_path_factory.mktemp("mauna loa") / "app"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("build", "__pycache__"))
    rows = "".join(f"{n * EACH},{n * EACH + EACH - 1},{BLOCK}\n" for n in range(UNITS))
    (copy / "units.csv").write_text("first,last,block_weeks\n" + rows, "utf-8")
    with prepared("cpython"):
        yield copy


@pytest.fixture(scope="module")
def answer(app: Path) -> Path:
    out = app.parent / "answer"
    assert run_local(read_app(app), out, jobs=2).notes == ()
    return out


def series() -> tuple[np.ndarray, np.ndarray]:
    with (FOLDER / "data/mauna_loa_co2.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["co2"]]
    days = np.array([f"{r['date'][:4]}-{r['date'][4:6]}-{r['date'][6:]}" for r in rows], "M8[D]")
    years = days.astype("M8[Y]")
    length = ((years + 1).astype("M8[D]") - years.astype("M8[D]")).astype(float)
    within = (days - years.astype("M8[D]")).astype(float) / length
    times = years.astype(int) + 1970 - 1980.0 + within
    return times, np.array([float(row["co2"]) for row in rows])


def design(t: np.ndarray) -> np.ndarray:
    year, half = 2 * np.pi * t, 4 * np.pi * t
    cos, sin = np.cos(year), np.sin(year)
    columns = (t**0, t, t**2, t**3, cos, t * cos, sin, t * sin, np.cos(half), np.sin(half))
    return np.stack(columns, axis=1)


@pytest.fixture(scope="module")
def fits() -> np.ndarray:
    """The coefficients of the data and of each resample, by numpy."""
    times, values = series()
    matrix = design(times)

    def fit(y: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(matrix, y, rcond=None)[0]

    best = fit(values)
    left = values - matrix @ best
    found = [best]
    for number in range(1, UNITS * EACH):
        rng = random.Random(f"mauna loa {number}")
        drawn: list[float] = []
        while len(drawn) < len(left):
            start = rng.randrange(len(left) - BLOCK + 1)
            drawn += left[start : start + BLOCK].tolist()
        found.append(fit(matrix @ best + np.array(drawn[: len(left)])))
    return np.array(found)


def test_growth_and_its_interval_are_those_of_least_squares(answer: Path, fits) -> None:
    told = json.loads((answer / "answer.json").read_text())
    assert told["resamples"] == UNITS * EACH - 1
    for year in (1960, 1980, 2000):
        t = year - 1980 + 0.5
        growth = fits[:, 1] + 2 * t * fits[:, 2] + 3 * t * t * fits[:, 3]
        entry = told["growth_ppm_a_year"][str(year)]
        assert entry["is"] == pytest.approx(growth[0], rel=1e-6)
        assert entry["interval"] == pytest.approx(np.percentile(growth[1:], [2.5, 97.5]), rel=1e-6)


def test_the_swing_has_grown(answer: Path, fits) -> None:
    told = json.loads((answer / "answer.json").read_text())
    t = 20.5
    weeks = design(np.floor(t) + np.arange(52) / 52)
    b = fits[0]
    season = (b[4] + b[5] * t) * weeks[:, 4] + (b[6] + b[7] * t) * weeks[:, 6]
    season += b[8] * weeks[:, 8] + b[9] * weeks[:, 9]
    assert told["swing_ppm"]["2000"]["is"] == pytest.approx(np.ptp(season), rel=1e-6)
    ratio = told["swing_of_2000_by_1960"]
    assert 1.1 < ratio["is"] < 1.2
    assert ratio["interval"][0] > 1.0


def test_the_curve_is_drawn(answer: Path) -> None:
    with (answer / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    assert all(float(r["low"]) < float(r["trend"]) < float(r["high"]) for r in rows)
    assert "Carbon dioxide at Mauna Loa" in (answer / "plot.svg").read_text("utf-8")


def test_however_the_units_are_cut_the_bytes_are_the_same(app: Path, answer: Path) -> None:
    last = UNITS * EACH - 1
    table = app.parent / "otherwise.csv"
    table.write_text(f"first,last,block_weeks\n0,6,{BLOCK}\n7,{last},{BLOCK}\n", "utf-8")
    run_local(read_app(app), app.parent / "again", table=table, jobs=1)
    for name in ("answer.json", "curve.csv", "plot.svg"):
        assert (app.parent / "again" / name).read_bytes() == (answer / name).read_bytes()
