"""How a batch's units stand, in the eight states that the look of the project knows."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from idlegrid_server.store.sql.unit import TaskRow, UnitRow

Shown = Literal["valid", "check", "out", "late", "odd", "fail", "stop", "wait"]
#: In the order of the bar and the legend, each with its word and the colour of its part of the bar.
STATES: Mapping[Shown, tuple[str, str]] = {
    "valid": ("valid", "f-ok"),
    "check": ("returned, to check", "f-info"),
    "out": ("out, computing", "f-lamp"),
    "late": ("late, sent again", "f-late"),
    "odd": ("disagree", "f-odd"),
    "fail": ("failed", "f-bad"),
    "stop": ("cancelled", "f-off"),
    "wait": ("waiting", "t"),
}
_DECIDED: Mapping[str, Shown] = {
    "valid": "valid",
    "assimilated": "valid",
    "provisional": "check",
    "retired": "valid",
    "failed": "fail",
    "cancelled": "stop",
}


def shown_state(unit: UnitRow, tasks: Sequence[TaskRow]) -> Shown:
    """What a unit is shown as."""
    decided = _DECIDED.get(unit.state)
    if decided is not None:
        return decided
    states = {task.state for task in tasks}
    if any(task.verdict == "inconclusive" for task in tasks):
        return "odd"
    if "timed_out" in states:
        return "late"
    if "in_progress" in states:
        return "out"
    return "check" if "success" in states else "wait"


def shown_states(units: Sequence[UnitRow], tasks: Sequence[TaskRow]) -> list[Shown]:
    """All units' states, in their order."""
    by_unit: dict[int, list[TaskRow]] = {unit.id: [] for unit in units}
    for task in tasks:
        by_unit[task.unit_id].append(task)
    return [shown_state(unit, by_unit[unit.id]) for unit in units]


def count_states(states: Sequence[Shown]) -> dict[Shown, int]:
    """How many units are in each state; states without any are left out."""
    return {state: n for state in STATES if (n := sum(1 for s in states if s == state))}


class Segment(msgspec.Struct, frozen=True):
    """A part of the progress bar, in percent of its width."""

    colour: str
    x: str
    width: str


GAP = 0.15  # percent of the bar between two parts


def bar_segments(counts: Mapping[Shown, int], total: int) -> list[Segment]:
    """The parts of the bar, without what waits: that is the bar's ground."""
    segments = []
    at = 0.0
    for state, count in counts.items():
        if state == "wait" or not count:
            continue
        width = 100 * count / max(1, total)
        drawn = max(0.3, width - GAP)
        segments.append(Segment(STATES[state][1], f"{at:.2f}%", f"{drawn:.2f}%"))
        at += width
    return segments
