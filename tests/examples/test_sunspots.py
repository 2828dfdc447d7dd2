"""The sunspot example through run-local, against an independent least-squares computation.

A small search: 4 bands of 300 frequencies, 99 shuffles in 2 blocks.
"""

import csv
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from examples.sunspots import make_units, reference
from idlegrid.appfile import read_app
from idlegrid.fault import BatchFailedError
from idlegrid.local import run_local

FOLDER = Path(make_units.__file__).parent
BANDS, BLOCKS, SHUFFLES, FREQUENCIES = 4, 2, 99, 1200
HEADER = "low,high,frequencies,first_shuffle,last_shuffle,seed\n"


@pytest.fixture(scope="module")
def folder(own_folders, tmp_path_factory) -> Path:
    """A copy of the example with a small table."""
    copy = tmp_path_factory.mktemp("sun spots") / "app"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("build", "__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_units, "FREQUENCIES", FREQUENCIES)
        make_units.write(copy / "units.csv", BANDS, BLOCKS, SHUFFLES)
    return copy


@pytest.fixture(scope="module")
def answer(folder) -> Path:
    out = folder.parent / "answer"
    assert run_local(read_app(folder), out, jobs=2).notes == ()
    return out


@pytest.fixture(scope="module")
def outputs(folder) -> Path:
    """The outputs of every unit, uncombined: the same app without its combine step."""
    path = folder / "app.toml"
    whole = path.read_text("utf-8")
    path.write_text(whole.partition("[combine]")[0], "utf-8")
    out = folder.parent / "outputs"
    try:
        run_local(read_app(folder), out, jobs=2)
    finally:
        path.write_text(whole, "utf-8")
    return out / "units"


@pytest.fixture(scope="module")
def expected():
    """Frequencies, powers of the data, and the highest power of each shuffle and band."""
    years, values = reference.read_data(FOLDER / "data/sunspots.csv")
    columns = np.stack([reference.shuffled(values, make_units.SEED, k) for k in range(100)], axis=1)
    edges = np.linspace(make_units.LOW, make_units.HIGH, BANDS + 1)
    bands = [
        reference.band(low, high, FREQUENCIES // BANDS) for low, high in itertools.pairwise(edges)
    ]
    powers = [reference.powers(years, columns, band) for band in bands]
    return (
        np.concatenate(bands),
        np.concatenate([power[:, 0] for power in powers]),
        np.stack([power.max(axis=0) for power in powers]),
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_periodogram_is_the_variance_that_a_fitted_sine_explains(answer, expected) -> None:
    frequencies, powers, _ = expected
    told = rows(answer / "periodogram.csv")
    assert [float(row["frequency"]) for row in told] == pytest.approx(frequencies, rel=1e-9)
    assert [float(row["period_years"]) for row in told] == pytest.approx(1 / frequencies, rel=1e-9)
    assert [float(row["power"]) for row in told] == pytest.approx(powers, rel=1e-9)


def test_every_shuffle_has_the_maximum_that_least_squares_finds(outputs, expected) -> None:
    _, _, maxima = expected
    seen = 0
    for index, unit in enumerate(sorted(outputs.iterdir())):
        for row in rows(unit / "maxima.csv"):
            highest = maxima[index % BANDS, int(row["shuffle"])]
            assert float(row["power"]) == pytest.approx(highest, rel=1e-9)
            seen += 1
    assert seen == BANDS * (SHUFFLES + 1)


def test_chances_and_thresholds_follow_from_the_shuffles(answer, expected) -> None:
    _, _, maxima = expected
    highest = maxima.max(axis=0)[1:]
    told = json.loads((answer / "answer.json").read_bytes())
    assert told["shuffles"] == SHUFFLES
    for peak in told["peaks"]:
        chance = reference.false_alarm(highest, peak["power"])
        assert peak["false_alarm_probability"] == pytest.approx(chance, rel=1e-9)
    growing = np.sort(highest)
    assert told["thresholds"] == {
        "p10": {"probability": 0.1, "power": pytest.approx(growing[-10], rel=1e-9)},
        "p01": {"probability": 0.01, "power": pytest.approx(growing[-1], rel=1e-9)},
    }, "99 shuffles can speak of one chance in a hundred, not in a thousand"


def test_the_eleven_year_cycle_is_on_top(answer) -> None:
    told = json.loads((answer / "answer.json").read_bytes())
    assert told["peaks"][0]["period_years"] == pytest.approx(11.0, abs=0.1)
    assert told["peaks"][0]["false_alarm_probability"] == pytest.approx(0.01)
    assert told["units"] == {"used": BANDS * BLOCKS, "failed": 0}
    assert told["complete"] is True
    assert "11.0 years" in (answer / "plot.svg").read_text("utf-8")


def test_two_runs_give_the_same_bytes(folder, answer) -> None:
    again = folder.parent / "again"
    run_local(read_app(folder), again, jobs=1)
    names = sorted(path.name for path in answer.iterdir())
    assert names == ["answer.json", "periodogram.csv", "plot.png", "plot.svg"]
    for name in names:
        assert (again / name).read_bytes() == (answer / name).read_bytes(), name


def test_a_missing_unit_is_told_and_its_shuffles_do_not_count(folder, answer, tmp_path) -> None:
    lines = (folder / "units.csv").read_text("utf-8").splitlines(keepends=True)
    low, _, rest = lines[7].split(",", 2)  # the third band of the second block
    lines[7] = f"{low},{low},{rest}"  # an empty band, which the program refuses
    table = tmp_path / "units.csv"
    table.write_text("".join(lines), "utf-8")
    path = folder / "app.toml"
    whole = path.read_text("utf-8")
    path.write_text(whole.replace("[combine]", 'on_failure = "skip"\n\n[combine]'), "utf-8")
    try:
        result = run_local(read_app(folder), tmp_path / "out", table=table, jobs=2)
    finally:
        path.write_text(whole, "utf-8")
    assert [unit.index for unit in result.skipped] == [6]
    told = json.loads((tmp_path / "out/answer.json").read_bytes())
    assert told["units"] == {"used": 7, "failed": 1}
    assert told["complete"] is False
    assert told["shuffles"] == 49, "only the first block has all bands"
    assert told["peaks"][0]["false_alarm_probability"] == pytest.approx(1 / 50)
    whole_answer = (answer / "periodogram.csv").read_bytes()
    assert (tmp_path / "out/periodogram.csv").read_bytes() == whole_answer
    # 49 shuffles are too few for the level "1 % by chance": the plot is drawn without it.
    assert len(result.notes) == 1
    assert "thresholds.p01.power" in result.notes[0]
    assert "1 % by chance" not in (tmp_path / "out/plot.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,0.5,10,0,0,1", "0 < LOW < HIGH"),
        ("0.4,0.3,10,0,0,1", "0 < LOW < HIGH"),
        ("0.1,0.5,0,0,0,1", "1 to 1000000 frequencies"),
        ("0.1,nan,10,0,0,1", "0 < LOW < HIGH"),
        ("0.1,0.5,10,3,2,1", "0 <= FIRST <= LAST"),
        ("0.1,0.5,10,0,65536,1", "at most 65536"),
    ],
)
def test_bad_arguments_end_with_exit_code_2_and_say_why(folder, tmp_path, row, message) -> None:
    table = tmp_path / "units.csv"
    table.write_text(HEADER + row + "\n", "utf-8")
    with pytest.raises(BatchFailedError, match="exit code 2") as caught:
        run_local(read_app(folder), tmp_path / "out", table=table, jobs=1)
    assert message in caught.value.detail
