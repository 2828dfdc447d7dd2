"""tumours.py NEIGHBOURS FOLDS PATIENTS SEED: k nearest neighbours, cross-validated.

Each of the first PATIENTS, in an order shuffled by SEED, is judged by the majority of its nearest
NEIGHBOURS among the patients of the other folds, by the distance of standardised features. Writes
/out/votes.csv (patient, truth, malignant votes) and /out/summary.json.
"""

import csv
import json
import math
import random
import sys

import idlegrid_task as task


def read_patients(count):
    """(features, 1 if malignant) of each patient."""
    with open(f"{task.INPUT}/breast_cancer_wisconsin.csv", newline="") as file:
        rows = list(csv.reader(file))[1 : count + 1]
    # In the file, class 0 is malignant.
    return [[float(x) for x in row[:-1]] for row in rows], [1 - int(row[-1]) for row in rows]


def standardise(rows):
    """Each feature with mean 0 and variance 1. Not by `sum`, which old Pythons round otherwise."""
    columns = []
    for column in zip(*rows):
        mean = 0.0
        for value in column:
            mean += value / len(column)
        variance = 0.0
        for value in column:
            variance += (value - mean) * (value - mean) / len(column)
        width = math.sqrt(variance)
        columns.append([(value - mean) / width for value in column])
    return [list(row) for row in zip(*columns)]


def distance(one, other):
    """The square of Euclid's distance."""
    total = 0.0
    for a, b in zip(one, other):
        total += (a - b) * (a - b)
    return total


def main(neighbours, folds, patients, seed):
    features, truth = read_patients(patients)
    features = standardise(features)
    order = list(range(len(features)))
    random.Random(seed).shuffle(order)
    fold_of = {patient: place % folds for place, patient in enumerate(order)}
    votes = []
    for patient, row in enumerate(features):
        near = sorted(
            (distance(row, features[other]), other)
            for other in order
            if fold_of[other] != fold_of[patient]
        )[:neighbours]
        votes.append(sum(truth[other] for _, other in near))
        task.progress((patient + 1) / len(features))
    judged = [2 * count > neighbours for count in votes]
    right = sum(yes == bool(is_malignant) for yes, is_malignant in zip(judged, truth))
    missed = sum(not yes and is_malignant for yes, is_malignant in zip(judged, truth))
    with open(f"{task.OUTPUT}/votes.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["patient", "malignant", "votes"])
        writer.writerows(zip(range(len(votes)), truth, votes))
    with open(f"{task.OUTPUT}/summary.json", "w") as file:
        summary = {"neighbours": neighbours, "right": right / len(votes), "missed": missed}
        json.dump(summary, file)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: tumours.py NEIGHBOURS FOLDS PATIENTS SEED")
    main(*map(int, sys.argv[1:]))
