"""What a benchmark is: a name, a bar, and a function that measures one figure."""

from collections.abc import Callable
from typing import Literal

import msgspec

from .machine import describe_machine


class Measured(msgspec.Struct):
    """One measurement: the figure, and whatever else the reader should see beside it."""

    figure: float
    detail: dict[str, object] = {}


class Figure(msgspec.Struct):
    """A published figure. ``better`` says on which side of the bar it must lie."""

    name: str
    what: str
    unit: str
    bar: float
    better: Literal["higher", "lower", "equal"]
    measure: Callable[["Options"], Measured]

    def holds(self, figure: float) -> bool:
        """Whether ``figure`` meets the bar."""
        if self.better == "equal":
            return figure == self.bar
        return figure >= self.bar if self.better == "higher" else figure <= self.bar


class Options(msgspec.Struct):
    """What the command line may change; a shorter run is for trying, not for publishing."""

    seconds: float = 60.0
    seed: int = 1


class Line(msgspec.Struct):
    """The last line that a run prints."""

    name: str
    figure: float
    unit: str
    bar: float
    holds: bool
    machine: dict[str, object]
    detail: dict[str, object]


def run(figure: Figure, options: Options) -> Line:
    """Measure one figure and describe the machine in the same run."""
    machine = describe_machine()
    measured = figure.measure(options)
    return Line(
        name=figure.name,
        figure=round(measured.figure, 4),
        unit=figure.unit,
        bar=figure.bar,
        holds=figure.holds(measured.figure),
        machine=machine,
        detail=measured.detail,
    )
