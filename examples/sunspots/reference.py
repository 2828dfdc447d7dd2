"""The sunspot answer computed a second time, another way: least squares instead of sums.

For each frequency a sine, a cosine and a constant are fitted to the values by weighted least
squares, ``numpy.linalg.lstsq``; the power is the share of the variance that the fit explains. That
is what the generalised Lomb-Scargle periodogram means, without its formulas. The shuffles follow
from the published generator, written down again in Python.

``python reference.py FOLDER`` checks the periodogram in an answer's folder.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
WORD = (1 << 64) - 1


def read_data(path: Path) -> tuple[Array, Array]:
    """Years and sunspot numbers of the table."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    table = np.array([[float(cell) for cell in row] for row in rows if row])
    return table[:, 0], table[:, 1]


def random_words(state: int, count: int) -> list[int]:
    """``count`` words of splitmix64 from ``state`` (Steele, Lea, Flood 2014)."""
    words = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & WORD
        word = state
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
        words.append(word ^ (word >> 31))
    return words


def shuffled(values: Array, seed: int, number: int) -> Array:
    """The values in the order of shuffle ``number``; 0 is the order they have."""
    order = list(values)
    if number:
        words = random_words((seed * 0xD1342543DE82EF95 + number) & WORD, len(order) - 1)
        for last, word in zip(range(len(order) - 1, 0, -1), words, strict=True):
            other = word % (last + 1)
            order[last], order[other] = order[other], order[last]
    return np.array(order)


def powers(years: Array, columns: Array, frequencies: Array) -> Array:
    """Powers by frequency (rows) of each column of values.

    The sum of squares that the fit explains, over that which the mean leaves. All weights are
    equal, so they cancel.
    """
    years = years - years[0]
    columns = columns - columns.mean(axis=0)
    left_by_mean = (columns**2).sum(axis=0)
    found = np.empty((len(frequencies), columns.shape[1]))
    for row, frequency in enumerate(frequencies):
        angle = 2 * np.pi * frequency * years
        model = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], axis=1)
        fit, *_ = np.linalg.lstsq(model, columns, rcond=None)
        found[row] = ((model @ fit) ** 2).sum(axis=0) / left_by_mean
    return found


def band(low: float, high: float, frequencies: int) -> Array:
    """The frequencies of one band, in cycles per year; ``high`` belongs to the next."""
    return low + np.arange(frequencies) * (high - low) / frequencies


def false_alarm(maxima: Array, power: float) -> float:
    """How often chance makes a highest peak of ``power`` or more, counting the data as one case."""
    return float((1 + (maxima >= power).sum()) / (1 + len(maxima)))


def check(folder: Path) -> float:
    """The largest difference between an answer's periodogram and least squares."""
    years, values = read_data(Path(__file__).with_name("data") / "sunspots.csv")
    with (folder / "periodogram.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["power"]]
    frequencies = np.array([float(row["frequency"]) for row in rows])
    told = np.array([float(row["power"]) for row in rows])
    return float(np.abs(told - powers(years, values[:, None], frequencies)[:, 0]).max())


if __name__ == "__main__":
    difference = check(Path(sys.argv[1]))
    print(f"largest difference of any power: {difference:.1e}")
    sys.exit(difference > 1e-9)
