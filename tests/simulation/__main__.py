"""Run seeds: ``python -m tests.simulation --seeds N --start S --workers W``."""

import argparse
import sys

from .campaign import run_campaign


def main() -> int:
    """Run the seeds asked for; 1 if one of them broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--workers", type=int, default=1, help="processes that run them")
    parser.add_argument("--quiet", action="store_true", help="tell only what failed, and the end")
    parser.add_argument("--each", action="store_true", help="a line for each seed")
    args = parser.parse_args()
    if args.seeds < 1 or args.workers < 1:
        parser.error("--seeds and --workers must be at least 1")
    told = run_campaign(
        range(args.start, args.start + args.seeds),
        workers=args.workers,
        bar=not args.quiet and not args.each,
        each=args.each,
    )
    return 1 if told.failed else 0


if __name__ == "__main__":
    sys.exit(main())
