"""Makes the numbers of ``domain/forecast.py``: `python -m benchmarks.forecast_tuning`.

Takes batches of the tuning world alone (``batch_life.TUNING``), and prints what belongs in RATIO.
"""

import sys
from collections.abc import Iterable

import numpy as np

from idlegrid_server.domain.forecast import features, pace_measure

from .batch_life import TUNING, Moment, live

FIRST_SEED = 100_000
BATCHES = 400
ROUNDS = 200
NEAR = 1e-4  # residuals below this weigh no more: the fit would not settle
Matrix = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"


def quantile_fit(x: Matrix, y: Matrix, share: float) -> Matrix:
    """Coefficients of a quantile regression, by weighted least squares until they settle."""
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    for _ in range(ROUNDS):
        rest = y - x @ found
        weight = np.where(rest > 0, share, 1 - share) / np.maximum(np.abs(rest), NEAR)
        root = np.sqrt(weight)
        found = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    return found


def rows(moments: Iterable[Moment]) -> dict[bool, tuple[Matrix, Matrix]]:
    """Features and logarithms of ratios, before and after the last unit was begun."""
    found: dict[bool, tuple[list[tuple[float, ...]], list[float]]] = {
        True: ([], []),
        False: ([], []),
    }
    for moment in moments:
        measure = pace_measure(moment.seen)
        if measure is not None:
            x, y = found[moment.seen.fresh > 0]
            x.append(features(moment.seen, measure))
            y.append(float(np.log(max(1, moment.rest) / measure)))
    return {begun: (np.array(x), np.array(y)) for begun, (x, y) in found.items()}


def main() -> None:
    """Fit, and print the table."""
    batches = int(sys.argv[1]) if len(sys.argv) > 1 else BATCHES
    moments = [m for n in range(batches) for m in live(TUNING, FIRST_SEED + n)]
    for fresh, (x, y) in rows(moments).items():
        fits = [quantile_fit(x, y, share) for share in (0.5, 0.9)]
        lines = ["(" + ", ".join(f"{value:.4f}" for value in fit) + ")" for fit in fits]
        print(
            f"    {fresh}: (\n        {lines[0]},\n        {lines[1]},\n    ),  # {len(y)} moments"
        )
        for share, fit in zip((0.5, 0.9), fits, strict=True):
            print(f"    # {share:.0%} asked, {np.mean(y <= x @ fit):.1%} of its own moments kept")


if __name__ == "__main__":
    main()
