"""From all resamples to intervals: answer.json and curve.csv."""

import csv
import json

from model import ORIGIN, growth, read_series, swing, trend

import idlegrid_task as task

YEARS = (1960, 1980, 2000)


def interval(values):
    """The middle 95 of a hundred, interpolated between neighbours."""
    ordered = sorted(values)

    def quantile(share):
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    return [quantile(0.025), quantile(0.975)]


def read_fits():
    """(coefficients of the data, those of the resamples, units that failed)."""
    data, resamples, failed = None, [], 0
    with open(f"{task.INPUT}/units.jsonl") as file:
        for line in file:
            unit = json.loads(line)
            if unit["state"] != "assimilated":
                failed += 1
                continue
            with open(f"{task.INPUT}/units/{unit['index']:06d}/result.json") as result:
                part = json.load(result)
            fits = part["coefficients"]
            if part["first"] == 0:
                data, fits = fits[0], fits[1:]
            resamples += fits
    return data, resamples, failed


def main():
    data, resamples, failed = read_fits()
    if data is None or len(resamples) < 40:
        raise SystemExit("too few fits for an interval: at least the data and 40 resamples")

    def told(what, t):
        return {"is": what(data, t), "interval": interval([what(fit, t) for fit in resamples])}

    ratio = [swing(fit, 20.5) / swing(fit, -19.5) for fit in resamples]
    answer = {
        "resamples": len(resamples),
        "units_failed": failed,
        "growth_ppm_a_year": {str(year): told(growth, year - ORIGIN + 0.5) for year in YEARS},
        "swing_ppm": {str(year): told(swing, year - ORIGIN + 0.5) for year in YEARS},
        "swing_of_2000_by_1960": {
            "is": swing(data, 20.5) / swing(data, -19.5),
            "interval": interval(ratio),
        },
    }
    with open(f"{task.OUTPUT}/answer.json", "w") as file:
        json.dump(answer, file, indent=1)
        file.write("\n")
    times, _ = read_series()
    with open(f"{task.OUTPUT}/curve.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["year", "trend", "low", "high"])
        for step in range(100):
            t = times[0] + (times[-1] - times[0]) * step / 99
            low, high = interval([trend(fit, t) for fit in resamples])
            row = (ORIGIN + t, trend(data, t), low, high)
            writer.writerow([f"{value:.6f}" for value in row])


main()
