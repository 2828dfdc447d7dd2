"""The programs of the zoo against independent computations: numpy, formulas, or plain Python."""

import csv
import heapq
import itertools
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from examples.programs import zoo
from idlegrid.build import build_app
from idlegrid.local_unit import Step, run_step
from idlegrid.native import build_native
from idlegrid.place import cache_folder

MASK = 2**64 - 1
GRAVITY = 0.01720209895**2

Run = Callable[..., Path]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(table: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in table])


def randoms(seed: int):
    """xorshift64*, written down again (Vigna 2016)."""
    while True:
        seed ^= seed >> 12
        seed ^= seed << 25 & MASK
        seed ^= seed >> 27
        yield seed * 0x2545F4914F6CDD1D & MASK


@pytest.fixture(scope="module")
def run(own_folders, tmp_path_factory) -> Run:
    """Run a program of the zoo in the sandbox; the folder of its outputs."""

    def run_program(name: str, *args: object) -> Path:
        app = zoo.PROGRAMS[name].app()
        step = Step(
            program=app.split.program,
            args=tuple(str(arg) for arg in args),
            inputs=app.split.inputs,
            seed=zoo.SEED,
            output_dir=tmp_path_factory.mktemp(name) / "out",
        )
        outcome = run_step(app, build_app(app), step, cache_folder() / "modules", Event())
        assert outcome.reason == "ok", outcome.message + outcome.stderr
        return step.output_dir

    return run_program


def data(name: str, file: str) -> Path:
    return zoo.FOLDER / name / "data" / file


# --- planets


def accelerations(mass: np.ndarray, at: np.ndarray) -> np.ndarray:
    between = at[None, :, :] - at[:, None, :]
    distance = np.sqrt((between**2).sum(axis=2))
    np.fill_diagonal(distance, np.inf)
    return GRAVITY * (mass[None, :, None] * between / distance[:, :, None] ** 3).sum(axis=1)


def test_planets_move_as_newton_says(run: Run) -> None:
    days, per_day = 400, 2
    table = rows(data("planets", "planets.csv"))
    mass = column(table, "mass")
    at = np.stack([column(table, axis) for axis in "xyz"], axis=1)
    speed = np.stack([column(table, "v" + axis) for axis in "xyz"], axis=1)
    at -= (mass[:, None] * at).sum(axis=0) / mass.sum()
    speed -= (mass[:, None] * speed).sum(axis=0) / mass.sum()
    # Runge and Kutta's method of fourth order, another than the program's.
    h = 1.0
    for _ in range(days):
        k1, l1 = speed, accelerations(mass, at)
        k2, l2 = speed + h / 2 * l1, accelerations(mass, at + h / 2 * k1)
        k3, l3 = speed + h / 2 * l2, accelerations(mass, at + h / 2 * k2)
        k4, l4 = speed + h * l3, accelerations(mass, at + h * k3)
        at = at + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        speed = speed + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
    told = rows(run("planets", days, per_day) / "orbits.csv")
    assert [row["name"] for row in told] == [row["name"] for row in table]
    for axis in range(3):
        assert column(told, "xyz"[axis]) == pytest.approx(at[:, axis], rel=1e-6, abs=1e-6)


def test_planets_keep_their_energy(run: Run) -> None:
    """Their year is some 4,300 days long: over a hundred of them, all but nothing is lost."""
    energy = column(rows(run("planets", 400_000, 1) / "energy.csv"), "energy")
    assert energy == pytest.approx(energy[0], rel=1e-6)
    assert len(energy) == 101


# --- globins


def local_score(first: str, second: str, scores: dict[str, dict[str, int]]) -> int:
    """Smith and Waterman as they wrote it: gaps of every length are tried."""
    best = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    cost = 10 + np.arange(1, max(len(first), len(second)) + 1)
    for i, a in enumerate(first, 1):
        for j, b in enumerate(second, 1):
            best[i, j] = max(
                0,
                best[i - 1, j - 1] + scores[a][b],
                (best[:i, j][::-1] - cost[:i]).max(),
                (best[i, :j][::-1] - cost[:j]).max(),
            )
    return int(best.max())


def test_globins_score_as_smith_and_waterman_say(run: Run) -> None:
    lines = data("globins", "globins.txt").read_text("utf-8").splitlines()
    proteins = dict(line.split() for line in lines)
    letters, *table = data("globins", "blosum62.txt").read_text("utf-8").splitlines()
    scores = {
        row.split()[0]: dict(zip(letters.split(), map(int, row.split()[1:]), strict=True))
        for row in table
    }
    assert all(scores[a][b] == scores[b][a] for a in scores for b in scores)
    out = run("globins", "alpha", "beta", 2, 7)
    order, draw = list(proteins["beta"]), randoms(7)
    expected = [local_score(proteins["alpha"], proteins["beta"], scores)]
    for _ in range(2):
        for i in range(len(order) - 1, 0, -1):
            j = next(draw) % (i + 1)
            order[i], order[j] = order[j], order[i]
        expected.append(local_score(proteins["alpha"], "".join(order), scores))
    assert list(column(rows(out / "scores.csv"), "score")) == expected

    top, bottom = (out / "alignment.txt").read_text("utf-8").splitlines()
    assert top.replace("-", "") in proteins["alpha"]
    assert bottom.replace("-", "") in proteins["beta"]
    gaps = sum(
        10 + len(g)
        for s in (top, bottom)
        for g in "".join(c if c == "-" else " " for c in s).split()
    )
    pairs = sum(scores[a][b] for a, b in zip(top, bottom, strict=True) if "-" not in (a, b))
    assert pairs - gaps == expected[0], "the alignment is worth what it is said to be"


def test_globins_are_relatives_and_shuffled_ones_are_not(run: Run) -> None:
    scores = column(rows(run("globins", "alpha", "myoglobin", 200, 1) / "scores.csv"), "score")
    assert scores[0] > 1.5 * scores[1:].max()


# --- option


def normal_share(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def option_value(now: float, drift: float, variance: float, interest: float) -> float:
    """The discounted mean of max(P - now, 0) where log(P / now) is normal."""
    deviation = math.sqrt(variance)
    mean = now * math.exp(drift + variance / 2)
    high = (drift + variance) / deviation
    return math.exp(-interest) * (mean * normal_share(high) - now * normal_share(high - deviation))


def test_options_are_worth_what_the_formulas_say(run: Run) -> None:
    """Black and Scholes 1973 for the price after a year, Kemna and Vorst 1990 for the mean."""
    prices = np.array(
        [
            float(row["price"])
            for row in rows(data("option", "stocks.csv"))
            if row["symbol"] == "IBM"
        ]
    )
    month = np.log(prices[1:] / prices[:-1]).var(ddof=1)
    drift, now = 0.03 / 12 - month / 2, float(prices[-1])
    european = option_value(now, 12 * drift, 12 * month, 0.03)
    months = np.arange(1, 13)
    spread = month * sum(min(a, b) for a in months for b in months) / 144
    geometric = option_value(now, drift * months.mean(), spread, 0.03)
    told = {row["kind"]: row for row in rows(run("option", "IBM", 200_000, 3) / "value.csv")}
    for kind, value in (("european", european), ("geometric", geometric)):
        away = (float(told[kind]["value"]) - value) / float(told[kind]["error"])
        assert abs(away) < 4, f"{kind}: {told[kind]} is {away:.1f} errors off {value}"
    values = [float(told[kind]["value"]) for kind in ("geometric", "arithmetic", "european")]
    assert values == sorted(values)


# --- co2


def detrended_co2() -> np.ndarray:
    table = rows(data("co2", "mauna_loa_co2.csv"))
    values = np.array([float(row["co2"] or "nan") for row in table])
    weeks, known = np.arange(len(values)), ~np.isnan(values)
    values = np.interp(weeks, weeks[known], values[known])
    return values - np.polyval(np.polyfit(weeks / 1000, values, 2), weeks / 1000)


def test_co2_has_the_spectrum_that_numpy_finds(run: Run) -> None:
    series = detrended_co2()
    power = np.abs(np.fft.rfft(series * np.hanning(len(series)), 16384)) ** 2 / len(series)
    table = rows(run("co2", 20, 1) / "spectrum.csv")
    told = column(table, "power")
    assert told == pytest.approx(power[1:8192], rel=1e-6, abs=1e-9 * power.max())
    frequency = column(table, "frequency")
    assert frequency[told.argmax()] == pytest.approx(1, abs=0.01), "plants live by the year"


def test_co2_is_held_against_noise_with_its_own_memory(run: Run) -> None:
    """The mean power of such noise has a formula (Torrence and Compo 1998, equation 16)."""
    series = detrended_co2()
    variance = (series**2).mean()
    memory = (series[1:] * series[:-1]).sum() / len(series) / variance
    out = run("co2", 300, 1)
    angle = 2 * np.pi * np.arange(1, 8192) / 16384
    theory = variance * (1 - memory**2) / (1 + memory**2 - 2 * memory * np.cos(angle))
    theory *= (np.hanning(len(series)) ** 2).mean()
    told = column(rows(out / "spectrum.csv"), "noise")
    # Above the lowest frequencies, which the window smears.
    bands = (told[100:8100] / theory[100:8100]).reshape(-1, 200).mean(axis=1)
    assert bands == pytest.approx(1, abs=0.1)
    ratios = column(rows(out / "highest.csv"), "ratio")
    assert ratios[0] > 100 > 25 > ratios[1:].max()


# --- sort


def test_sort_puts_every_hour_in_its_place(run: Run) -> None:
    years, draw = 9, randoms(5)  # more than one run, and the last not full
    normals = [
        math.floor(float(row["temp"]) * 10 + 0.5)
        for row in rows(data("sort", "seattle_temperature_hourly.csv"))
    ]
    hours = []
    for year, (hour, normal) in itertools.product(range(years), enumerate(normals)):
        bits = next(draw)
        change = sum((bits >> 6 * i) & 63 for i in range(4)) + 2 - 128
        hours.append((normal + change, year, hour))
    hours.sort()
    code = 14695981039346656037
    for tenths, year, hour in hours:
        code = (code ^ tenths & 0xFFFFFFFF) * 1099511628211 & MASK
        code = (code ^ (year << 32 | hour)) * 1099511628211 & MASK
    out = run("sort", years, 5)
    assert (out / "order.txt").read_text("utf-8") == f"{len(hours)} {code:016x}\n"
    assert sorted(path.name for path in out.iterdir()) == ["order.txt", "quantiles.csv"]
    for told in rows(out / "quantiles.csv"):
        rank = (len(hours) - 1) * round(float(told["share"]) * 1000) // 1000
        tenths, year, hour = hours[rank]
        expected = (f"{tenths / 10:.1f}", str(year), str(hour))
        assert (told["temperature"], told["year"], told["hour"]) == expected


# --- airports


def test_airports_are_joined_to_their_nearest_and_the_ways_are_shortest(run: Run) -> None:
    table = rows(data("airports", "us_airports.csv"))
    codes = [row["iata"] for row in table]
    latitude = np.radians(column(table, "latitude"))
    longitude = np.radians(column(table, "longitude"))
    # The haversine formula; the program goes by chords.
    part = np.sin((latitude[:, None] - latitude) / 2) ** 2
    part += (
        np.cos(latitude)[:, None]
        * np.cos(latitude)
        * (np.sin((longitude[:, None] - longitude) / 2) ** 2)
    )
    km = 2 * 6371 * np.arcsin(np.sqrt(part))
    np.fill_diagonal(km, np.inf)
    out = run("airports", 4, 100, 3)
    joined = rows(out / "joined.csv")
    assert [row["from"] for row in joined] == [code for code in codes for _ in range(4)]
    assert column(joined, "kilometres") == pytest.approx(
        np.sort(km, axis=1)[:, :4].ravel(), rel=1e-6, abs=1e-4
    )
    number = {code: index for index, code in enumerate(codes)}
    graph: list[list[tuple[int, float]]] = [[] for _ in codes]
    for row in joined:
        a, b = number[row["from"]], number[row["to"]]
        graph[a].append((b, float(row["kilometres"])))
        graph[b].append((a, float(row["kilometres"])))
    for source, told in zip(range(100, 103), rows(out / "ways.csv"), strict=True):
        ways, heap = {source: 0.0}, [(0.0, source)]
        while heap:
            way, here = heapq.heappop(heap)
            if way > ways[here]:
                continue
            for to, length in graph[here]:
                if way + length < ways.get(to, math.inf):
                    ways[to] = way + length
                    heapq.heappush(heap, (ways[to], to))
        farthest = max(ways, key=lambda to: ways[to])
        assert (told["from"], told["farthest"]) == (codes[source], codes[farthest])
        assert int(told["reached"]) == len(ways)
        assert float(told["kilometres"]) == pytest.approx(ways[farthest], rel=1e-9)


# --- plate


def test_plate_is_the_mean_of_its_neighbours(run: Run) -> None:
    """The same rounds in numpy, in single precision and the same order: equal to the last bit."""
    size, rounds = 70, 300
    table = rows(data("plate", "el_nino_sst.csv"))
    place = np.arange(size) / (size - 1)
    years = len(table)
    edges = []
    for month, order in (("JAN", 1), ("APR", 1), ("JUL", -1), ("OCT", -1)):
        values = column(table, month).astype(np.float32).astype(np.float64)
        at = (place if order == 1 else 1 - place) * (years - 1)
        low = np.minimum(at.astype(int), years - 2)
        step = values[low + 1].astype(np.float32) - values[low].astype(np.float32)
        edges.append((values[low] + (at - low) * step).astype(np.float32))
    plate = np.empty((size, size), dtype=np.float32)
    plate[1:-1, 1:-1] = np.float32(
        sum(float(edge[i]) / (4 * size) for i in range(size) for edge in edges)
    )
    plate[0], plate[:, -1], plate[-1] = edges[0], edges[1], edges[2]
    plate[:, 0] = edges[3]
    for _ in range(rounds):
        middle = (plate[1:-1, :-2] + plate[1:-1, 2:]) + (plate[:-2, 1:-1] + plate[2:, 1:-1])
        plate[1:-1, 1:-1] = middle * np.float32(0.25)
    for row in rows(run("plate", size, rounds) / "plate.csv"):
        expected = plate[int(row["y"]), int(row["x"])]
        assert np.float32(row["temperature"]) == expected


# --- all


@pytest.fixture(scope="module", params=zoo.PROGRAMS)
def native(request, tmp_path_factory) -> tuple[zoo.Program, Path]:
    """A native build of each program, and the folder to run it in."""
    program = zoo.PROGRAMS[request.param]
    return program, build_native(program.app(), tmp_path_factory.mktemp("native"))


def test_a_native_build_tells_nearly_the_same(native, run: Run) -> None:
    """A scientist can debug at home. Sine and cosine differ in their last bits there."""
    program, folder = native
    subprocess.run([folder / "program", *program.small], cwd=folder, check=True, timeout=60)
    boxed = run(program.name, *program.small)
    names = sorted(path.name for path in boxed.iterdir())
    assert sorted(path.name for path in (folder / "out").iterdir()) == names != []
    for name in names:
        words = [
            (place / name).read_text("utf-8").replace(",", " ").split()
            for place in (boxed, folder / "out")
        ]
        assert len(words[0]) == len(words[1])
        for told, at_home in zip(*words, strict=True):
            assert told == at_home or float(told) == pytest.approx(
                float(at_home), rel=1e-6, abs=1e-9
            ), name


def test_wrong_arguments_are_refused_in_words(native) -> None:
    program, folder = native
    done = subprocess.run(
        [folder / "program", "x"], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(program.app().split.program + ": ")
