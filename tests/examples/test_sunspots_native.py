"""The sunspot programs compiled natively: the same numbers, and what they refuse.

Small searches of two bands, so that units can be lost and their outputs damaged between the steps.
"""

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from examples.sunspots import make_units, reference
from idlegrid.build import INCLUDE_FOLDER

FOLDER = Path(make_units.__file__).parent
DATA = FOLDER / "data/sunspots.csv"
SHUFFLES, FREQUENCIES = 19, 200
BANDS = (("0.05", "0.15"), ("0.15", "0.25"))  # the first has the 11 years
UNITS = [
    [*band, str(FREQUENCIES), first, last, "1"]
    for first, last in (("0", "9"), ("10", "19"))
    for band in BANDS
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("native programs")
    for name in ("periodogram", "peaks"):
        source = FOLDER / "src" / f"{name}.c"
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE_FOLDER}"]
        subprocess.run(["gcc", *flags, source, "-lm", "-o", folder / name], check=True)
    return folder


def run(program: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "out").mkdir(parents=True)
    return subprocess.run(
        [program, *args], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def compute(programs: Path, folder: Path, args: list[str], data: str | None = None):
    (folder / "in").mkdir(parents=True)
    text = DATA.read_text("utf-8") if data is None else data
    (folder / "in/sunspots.csv").write_text(text, "utf-8")
    return run(programs / "periodogram", folder, *args)


@pytest.fixture(scope="module")
def units(programs, tmp_path_factory) -> Path:
    """The outputs of all units, by index."""
    base = tmp_path_factory.mktemp("units")
    for index, args in enumerate(UNITS):
        assert compute(programs, base / f"{index}", args).returncode == 0
    return base


@pytest.fixture
def combine(programs, units, tmp_path):
    """Combine the units but for those that failed, after an accident to what is read."""

    def run_peaks(
        failed: tuple[int, ...] = (), accident: Callable[[Path], object] = lambda _: None
    ) -> subprocess.CompletedProcess[str]:
        seen = tmp_path / "in"
        for index in range(len(UNITS)):
            if index not in failed:
                shutil.copytree(units / f"{index}/out", seen / f"units/{index:06d}")
        lines = [
            {"index": i, "args": args, "state": "failed" if i in failed else "assimilated"}
            for i, args in enumerate(UNITS)
        ]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (seen / "units.jsonl").write_text(text, "utf-8")
        accident(seen / "units")
        return run(programs / "peaks", tmp_path)

    return run_peaks


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_native_code_finds_what_least_squares_finds(units) -> None:
    years, values = reference.read_data(DATA)
    columns = np.stack([reference.shuffled(values, 1, k) for k in range(SHUFFLES + 1)], axis=1)
    for index, (low, high, _, first, last, _) in enumerate(UNITS):
        band = reference.band(float(low), float(high), FREQUENCIES)
        expected = reference.powers(years, columns[:, int(first) : int(last) + 1], band)
        out = units / f"{index}/out"
        told = [float(row["power"]) for row in rows(out / "maxima.csv")]
        assert told == pytest.approx(expected.max(axis=0), rel=1e-9)
        if first == "0":
            told = [float(row["power"]) for row in rows(out / "powers.csv")]
            assert told == pytest.approx(expected[:, 0], rel=1e-9)


def test_whole_answer_misses_no_band(combine, tmp_path) -> None:
    assert combine().returncode == 0
    told = json.loads((tmp_path / "out/answer.json").read_bytes())
    assert (told["complete"], told["missing_bands"]) == (True, [])
    assert told["shuffles"] == SHUFFLES
    assert told["peaks"][0]["period_years"] == pytest.approx(11.0, abs=0.1)


def test_a_lost_band_of_the_data_is_named_and_left_open(combine, tmp_path) -> None:
    """Else another period stands on top, and nobody sees that the best one was never looked at."""
    assert combine(failed=(0,)).returncode == 0
    told = json.loads((tmp_path / "out/answer.json").read_bytes())
    assert told["complete"] is False
    assert told["missing_bands"] == [{"low": 0.05, "high": 0.15}]
    assert told["frequencies"] == FREQUENCIES
    table = rows(tmp_path / "out/periodogram.csv")
    assert [row["frequency"] for row in table if not row["power"]] == ["0.05"]
    assert len(table) == FREQUENCIES + 1


@pytest.mark.parametrize("line", [["0.05", "0.05"], ["half", "whole", "9", "0", "1", "1"], []])
def test_a_unit_that_failed_for_its_arguments_does_not_stop_the_rest(
    combine, tmp_path, line
) -> None:
    def spoil(folder: Path) -> None:
        path = folder.parent / "units.jsonl"
        whole = json.dumps(UNITS[3], separators=(",", ":"))
        args = [*line, *UNITS[3][2:]] if len(line) == 2 else line
        text = path.read_text("utf-8")
        head, _, tail = text.rpartition(whole)
        path.write_text(head + json.dumps(args, separators=(",", ":")) + tail, "utf-8")

    assert combine(failed=(3,), accident=spoil).returncode == 0
    told = json.loads((tmp_path / "out/answer.json").read_bytes())
    assert told["units"] == {"used": 3, "failed": 1}
    assert told["missing_bands"] == []


@pytest.mark.parametrize("place", ["after", "before"])
def test_the_edge_of_a_lost_band_is_no_peak(combine, tmp_path, place) -> None:
    """The powers rise towards the lost band; whether they fall again is not known."""
    lost, kept = (1, 0) if place == "after" else (0, 1)
    steps = range(FREQUENCIES) if place == "after" else reversed(range(FREQUENCIES))
    low = float(BANDS[kept][0])
    text = "frequency,power\n" + "".join(
        f"{low + i * 0.1 / FREQUENCIES:.17g},{0.1 + step / 1000:.17g}\n"
        for i, step in enumerate(steps)
    )
    combined = combine(
        failed=(lost,), accident=lambda u: (u / f"{kept:06d}/powers.csv").write_text(text, "utf-8")
    )
    assert combined.returncode == 0
    assert json.loads((tmp_path / "out/answer.json").read_bytes())["peaks"] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("maxima.csv", None),
        ("maxima.csv", "shuffle,power,frequency\n"),
        ("maxima.csv", "shuffle,power,frequency\n0,nan,0.1\n"),
        ("maxima.csv", "shuffle,power,frequency\n0,0.1,0.1\n0,0.1,0.1\n"),
        ("maxima.csv", "shuffle,power,frequency\n7,0.1,0.1\n"),
        ("powers.csv", None),
        ("powers.csv", "frequency,power\n"),
        ("powers.csv", "frequency,power\n0.06,nan\n"),
        ("powers.csv", "frequency,power\n0.06,much\n"),
        ("powers.csv", "frequency,power\n0.06,0.1\n"),
    ],
)
def test_damaged_outputs_are_refused_and_not_left_out_in_silence(combine, name, text) -> None:
    def damage(folder: Path) -> None:
        path = folder / "000000" / name
        path.unlink()
        if text is not None:
            path.write_text(text, "utf-8")

    result = combine(accident=damage)
    assert result.returncode == 2
    assert f"{name} is not what its arguments ask for" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("0.05abc 0.1 9 0 3 1", "0 < LOW < HIGH"),
        ("0.05 inf 9 0 3 1", "0 < LOW < HIGH"),
        ("0.05 0.1 9x 0 3 1", "1 to 1000000 frequencies"),
        ("0.05 0.1 9 -1 3 1", "0 <= FIRST <= LAST"),
        ("0.05 0.1 9 0 99999999999999999999 1", "0 <= FIRST <= LAST"),
        ("0.05 0.1 9 0 3 one", "SEED"),
        ("0.05 0.1 9 0 3 18446744073709551616", "SEED"),
        ("0.5 0.6 1 0 3 1", "half the sampling frequency"),
        ("0.00001 0.1 9 0 3 1", "far longer than the data"),
        ("0.05 0.1 9 0 3", "needs LOW HIGH"),
    ],
)
def test_arguments_that_are_not_wholly_good_are_refused(programs, tmp_path, args, message) -> None:
    result = compute(programs, tmp_path, args.split())
    assert result.returncode == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    "line", ["1703,23junk", "1703,", ",23", "1703", "1703,nan", "inf,23", "1703,23" + "0" * 300]
)
def test_a_malformed_table_is_refused(programs, tmp_path, line) -> None:
    lines = DATA.read_text("utf-8").splitlines()
    lines[4] = line
    result = compute(programs, tmp_path, UNITS[0], "\n".join(lines) + "\n")
    assert result.returncode == 2
    assert "YEAR,VALUE" in result.stderr


def test_the_table_in_the_folder_is_the_one_that_is_made_unasked(tmp_path) -> None:
    make_units.write(tmp_path / "units.csv")
    assert (tmp_path / "units.csv").read_bytes() == (FOLDER / "units.csv").read_bytes()
