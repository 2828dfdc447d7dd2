"""Adds up the counts of all units into /out/answer.json.

/in/units.jsonl has one line per unit, in order; the outputs of unit N lie in /in/units/N (six
digits). A unit that failed has none.
"""

import json
import os

import idlegrid_task as task


def main() -> None:
    """Read every unit's count."""
    with open(f"{task.INPUT}/units.jsonl") as file:
        units = [json.loads(line) for line in file]
    total = missing = 0
    for index in range(len(units)):
        path = f"{task.INPUT}/units/{index:06}/count"
        if not os.path.exists(path):
            missing += 1
            continue
        with open(path) as file:
            total += int(file.read())
    with open(f"{task.OUTPUT}/answer.json", "w") as out:
        json.dump({"primes": total, "units": len(units), "missing": missing}, out)
        out.write("\n")


main()
