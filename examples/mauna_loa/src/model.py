"""The model: a trend of third degree, and a year and half a year whose size grows with time.

    co2(t) = a0 + a1 t + a2 t² + a3 t³ + (b1 + b2 t) cos 2πt + (c1 + c2 t) sin 2πt
             + d1 cos 4πt + d2 sin 4πt,      t in years since 1980

fitted by least squares. Plain Python: the matrix of the normal equations depends on the dates
alone, so it is factored once (Cholesky), and each further fit is one pass over the data.
"""

import csv
import datetime
import math

import idlegrid_task as task

ORIGIN = 1980.0
TERMS = 10


def read_series():
    """(years since 1980, ppm) of every week with a measurement."""
    times, values = [], []
    with open(f"{task.INPUT}/mauna_loa_co2.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["co2"]:
                date = datetime.date.fromisoformat(row["date"])
                start = datetime.date(date.year, 1, 1)
                days = (datetime.date(date.year + 1, 1, 1) - start).days
                times.append(date.year - ORIGIN + (date - start).days / days)
                values.append(float(row["co2"]))
    return times, values


def terms(t):
    """What the coefficients are multiplied by at time ``t``."""
    year, half = 2 * math.pi * t, 4 * math.pi * t
    cos, sin = math.cos(year), math.sin(year)
    return (
        *(1.0, t, t * t, t * t * t),
        *(cos, t * cos, sin, t * sin),
        *(math.cos(half), math.sin(half)),
    )


def trend(coefficients, t):
    """The model without its seasons."""
    a0, a1, a2, a3 = coefficients[:4]
    return a0 + t * (a1 + t * (a2 + t * a3))


def growth(coefficients, t):
    """How fast the trend grows, ppm a year."""
    _, a1, a2, a3 = coefficients[:4]
    return a1 + t * (2 * a2 + t * 3 * a3)


def swing(coefficients, t):
    """From the lowest to the highest point of the year around ``t``, ppm."""
    seasons = []
    for week in range(52):
        row = terms(math.floor(t) + week / 52)
        b = coefficients
        cos, sin = row[4], row[6]
        seasons.append(
            (b[4] + b[5] * t) * cos + (b[6] + b[7] * t) * sin + b[8] * row[8] + b[9] * row[9]
        )
    return max(seasons) - min(seasons)


class Fit:
    """Least squares for one set of dates."""

    def __init__(self, times):
        self.rows = [terms(t) for t in times]
        normal = [[0.0] * TERMS for _ in range(TERMS)]
        for row in self.rows:
            for i in range(TERMS):
                for j in range(i + 1):
                    normal[i][j] += row[i] * row[j]
        self.lower = cholesky(normal)

    def coefficients(self, values):
        """Those that leave the least of ``values`` over."""
        right = [0.0] * TERMS
        for row, value in zip(self.rows, values):
            for i in range(TERMS):
                right[i] += row[i] * value
        return solve(self.lower, right)

    def curve(self, coefficients):
        """The model at every date."""
        found = []
        for row in self.rows:
            total = 0.0
            for term, coefficient in zip(row, coefficients):
                total += term * coefficient
            found.append(total)
        return found


def cholesky(matrix):
    """The lower triangle whose square is the symmetric ``matrix`` (given by its lower half)."""
    size = len(matrix)
    lower = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i][j]
            for k in range(j):
                total -= lower[i][k] * lower[j][k]
            lower[i][j] = math.sqrt(total) if i == j else total / lower[j][j]
    return lower


def solve(lower, right):
    """x of L Lᵀ x = right."""
    size = len(right)
    y = [0.0] * size
    for i in range(size):
        total = right[i]
        for k in range(i):
            total -= lower[i][k] * y[k]
        y[i] = total / lower[i][i]
    x = [0.0] * size
    for i in reversed(range(size)):
        total = y[i]
        for k in range(i + 1, size):
            total -= lower[k][i] * x[k]
        x[i] = total / lower[i][i]
    return x
