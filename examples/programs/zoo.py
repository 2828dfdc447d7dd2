"""The zoo: the real programs of the examples, with arguments for a test and for a measurement.

Tests and benchmarks that speak of "the programs" take them from here.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from idlegrid.app import App
from idlegrid.appfile import read_app

FOLDER = Path(__file__).parent
SEED = b"zoo"


class Program(msgspec.Struct, frozen=True):
    """One program with its arguments."""

    name: str
    folder: Path
    #: Well below a second.
    small: tuple[str, ...]
    #: About a second on a machine of 2025.
    large: tuple[str, ...]

    def app(self) -> App:
        """The app it belongs to, of which it is the program that units run."""
        return read_app(self.folder)


def _program(name: str, small: str, large: str, folder: Path | None = None) -> Program:
    return Program(name, folder or FOLDER / name, tuple(small.split()), tuple(large.split()))


PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        _program("planets", "20000 2", "2000000 4"),
        _program("globins", "alpha beta 300 1", "alpha beta 25000 1"),
        _program("option", "MSFT 20000 1", "MSFT 2500000 1"),
        _program("co2", "10 1", "1000 1"),
        _program("sort", "10 1", "700 1"),
        _program("airports", "8 0 20", "8 0 1500"),
        _program("plate", "65 500", "512 12000"),
        _program(
            "sunspots",
            "0.005 0.1 20 0 50 1",
            "0.005 0.1 600 0 1500 1",
            FOLDER.parent / "sunspots",
        ),
    )
}

#: Those in Python: no compiler makes them for this machine, and an interpreter comes first.
PYTHON_PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        _program("tumours", "5 5 80 1", "3 10 300 1"),
        _program("elnino", "20 1", "4000 1"),
    )
}
