"""Run seeds: ``python -m tests.simulation --seeds N --start S``."""

import argparse
import sys
import time

from .run import SeedFailed, run_seed


def main() -> int:
    """Run the seeds asked for; 1 if one of them broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--quiet", action="store_true", help="tell only what failed")
    args = parser.parse_args()
    failed = []
    for seed in range(args.start, args.start + args.seeds):
        began = time.monotonic()
        try:
            told = run_seed(seed)
        except SeedFailed as error:
            failed.append(seed)
            print(error, file=sys.stderr, flush=True)
            continue
        if not args.quiet:
            print(
                f"seed {seed}: {told.happened} events, {told.continued} continued, "
                f"in {told.virtual_s:.0f} virtual s "
                f"({time.monotonic() - began:.1f} s), {told.server_kills} server kills, "
                f"{told.client_kills} client kills, {told.receipts} receipts, "
                f"{', '.join(told.states)}",
                flush=True,
            )
    if failed:
        print(f"{len(failed)} of {args.seeds} seeds failed: {failed}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
