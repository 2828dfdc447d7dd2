"""``python -m tests.fuzz SECONDS [TARGET …]``: that long in all, shared among the targets."""

import argparse
import sys
from pathlib import Path

from .engine import feed, has_atheris
from .target import TARGETS

CORPUS = Path("build") / "fuzz"


def main() -> int:
    """0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("seconds", type=float, help="how long in all")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of: {', '.join(TARGETS)}")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    chosen = arguments.targets or list(TARGETS)
    each_s = arguments.seconds / len(chosen)
    how = "atheris" if has_atheris() else "hypothesis; atheris is not installed"
    print(f"{len(chosen)} targets, {each_s:.0f} s each, by {how}", flush=True)
    found = [name for name in chosen if not feed(TARGETS[name], each_s, CORPUS / name)]
    for name in chosen:
        print(f"{name}: {'FOUND SOMETHING, see above' if name in found else 'clean'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
