"""The principal patterns of the year in sea-surface temperatures, and how sure they are."""

import csv

import numpy as np

import idlegrid_task as task

PATTERNS = 3


def read_anomalies():
    """Years by months, without the mean of each month."""
    with open(f"{task.INPUT}/el_nino_sst.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    table = np.array([[float(x) for x in row[1:]] for row in rows])
    return table - table.mean(axis=0)


def run(samples, seed):
    """An array of ``samples`` + 1 rows: the share of the variance that each of the three strongest
    patterns explains, in the data and in years drawn with replacement."""
    years = read_anomalies()
    rng = np.random.default_rng(seed)
    shares = np.empty((samples + 1, PATTERNS))
    for sample in range(samples + 1):
        drawn = years if sample == 0 else years[rng.integers(0, len(years), len(years))]
        drawn = drawn - drawn.mean(axis=0)
        power = np.linalg.svd(drawn, compute_uv=False) ** 2
        shares[sample] = power[:PATTERNS] / power.sum()
        if sample % 50 == 0:
            task.progress(sample / (samples + 1))
    return shares
