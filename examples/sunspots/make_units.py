"""Writes units.csv: bands × blocks of shuffles. `python make_units.py [BANDS BLOCKS SHUFFLES]`."""

import csv
import sys
from pathlib import Path

LOW, HIGH, FREQUENCIES, SEED = 0.005, 0.5, 4000, 1


def write(path: Path, bands: int = 8, blocks: int = 8, shuffles: int = 12_000) -> None:
    """``FREQUENCIES`` frequencies in ``bands``; shuffles 0 (the data) to ``shuffles`` in blocks."""
    each = -(-(shuffles + 1) // blocks)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("low", "high", "frequencies", "first_shuffle", "last_shuffle", "seed"))
        for block in range(blocks):
            for band in range(bands):
                low = LOW + (HIGH - LOW) * band / bands
                high = LOW + (HIGH - LOW) * (band + 1) / bands
                first, last = block * each, min(shuffles, (block + 1) * each - 1)
                table.writerow(
                    (f"{low:.9g}", f"{high:.9g}", FREQUENCIES // bands, first, last, SEED)
                )


if __name__ == "__main__":
    write(Path(__file__).with_name("units.csv"), *(int(word) for word in sys.argv[1:]))
