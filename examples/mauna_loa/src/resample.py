"""Resample number FIRST to LAST: number 0 is the data themselves.

What the model leaves over is no white noise: an El Niño lasts for a year. So it is drawn in blocks
of BLOCK weeks (Künsch 1989), put onto the fitted curve, and fitted again.
"""

import random

from model import Fit, read_series

import idlegrid_task as task


def run(first, last, block_weeks):
    """The coefficients of each resample."""
    times, values = read_series()
    fit = Fit(times)
    best = fit.coefficients(values)
    curve = fit.curve(best)
    left = [value - at for value, at in zip(values, curve)]
    found = []
    for number in range(first, last + 1):
        if number == 0:
            found.append(best)
            continue
        # Of the number alone: however the units are cut, resample 17 is always the same.
        rng = random.Random(f"mauna loa {number}")
        drawn = []
        while len(drawn) < len(left):
            start = rng.randrange(len(left) - block_weeks + 1)
            drawn += left[start : start + block_weeks]
        found.append(fit.coefficients([at + rest for at, rest in zip(curve, drawn)]))
        task.progress((number + 1 - first) / (last + 1 - first))
        task.safepoint()
    return {"first": first, "coefficients": found}
