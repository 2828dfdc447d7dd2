"""``python -m tests.mutation [MODULE ...]``: exit code 0 when at least 85 % of the mutants die."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from .report import UNCHECKED, changes, read, table
from .workplace import PLACE, modules, prepare

BAR = 0.85
TOLD_EVERY_S = 15.0
MUTMUT = Path(sys.executable).parent / "mutmut"


def main() -> int:
    """Make the mutants, run the tests, tell what survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of domain/; all if none")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--again", action="store_true", help="the survivors only, after new tests")
    parser.add_argument("--report", action="store_true", help="tell what is known, run nothing")
    args = parser.parse_args()
    names = modules(args.modules)
    if not args.report:
        prepare(names)
        again = read(PLACE, names).missed if args.again else []
        code = _run(names, args.workers, again)
        if code:
            print((PLACE / "mutmut.log").read_text(errors="replace")[-3_000:], file=sys.stderr)
            return code
    report = read(PLACE, names)
    survivors = PLACE / "survivors.txt"
    survivors.write_text(changes(PLACE, report) + "\n", encoding="utf-8")
    print(table(report))
    print(f"What survived stands in {survivors}; docs/mutation.md judges it.")
    return 0 if report.share >= BAR and not report.total[UNCHECKED] else 1


def _run(names: list[str], workers: int, again: list[str]) -> int:
    began = time.monotonic()
    with (PLACE / "mutmut.log").open("wb") as log:
        running = subprocess.Popen(
            [MUTMUT, "run", "--max-children", str(workers), *again],
            cwd=PLACE,
            stdout=log,
            stderr=log,
        )
        try:
            while running.poll() is None:
                time.sleep(TOLD_EVERY_S)
                counts = read(PLACE, names).total
                done = counts.total() - counts[UNCHECKED]
                print(f"{time.monotonic() - began:.0f} s: {done} of {counts.total()}", flush=True)
        except KeyboardInterrupt:
            running.wait()
            print("Stopped; the next run goes on from here.")
            return 130
    return running.returncode


if __name__ == "__main__":
    sys.exit(main())
