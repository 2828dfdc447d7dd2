"""`python -m benchmarks list` names the figures and their bars; `run NAME` measures one."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import msgspec

from .figure import Figure, Options, run

MODULES = (
    "brake",
    "checkpoint",
    "exchange",
    "forecast",
    "million",
    "moved",
    "queries",
    "same",
    "speed",
    "tail",
    "trust",
    "worker",
)
FIGURES: dict[str, Figure] = {
    figure.name: figure
    for module in MODULES
    for figure in import_module(f".{module}", __package__).FIGURES
}


def main() -> int:
    """Exit code 0 when the bar holds, 1 when it does not, 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the figures and their bars")
    one = commands.add_parser("run", help="measure one figure")
    one.add_argument("name", choices=sorted(FIGURES))
    one.add_argument("--seconds", type=float, default=60.0, help="60 for a figure to publish")
    one.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    if words.command == "list":
        for figure in FIGURES.values():
            sign = {"higher": "≥", "lower": "≤", "equal": "="}[figure.better]
            print(f"{figure.name:<22} {sign} {figure.bar:g} {figure.unit:<14} {figure.what}")
        return 0
    Path("build").mkdir(exist_ok=True)
    line = run(FIGURES[words.name], Options(seconds=words.seconds, seed=words.seed))
    print(msgspec.json.encode(line).decode())
    return 0 if line.holds else 1


if __name__ == "__main__":
    sys.exit(main())
