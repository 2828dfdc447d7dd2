"""A batch's spec as it was stored: what of it the pipeline reads. See docs/protocol.md.

The web has checked it when it came in, so other fields are not looked at here.
"""

from typing import Any

import msgspec


class StageSpec(msgspec.Struct, frozen=True):
    """A step of the batch."""

    args: tuple[str, ...] = ()


class AssignSpec(msgspec.Struct, frozen=True):
    """Whom the batch is for."""

    each: bool = False  # each of the hosts gets each unit


class BatchSpec(msgspec.Struct, frozen=True):
    """What a scientist submitted."""

    units: str  # SHA-256 (hex) of the table
    stages: tuple[StageSpec, ...] = ()
    plot: dict[str, Any] | None = None
    assign: AssignSpec | None = None
    canary: bool = True  # a few units go out first


def read_spec(text: str) -> BatchSpec:
    """The spec in a batch's row."""
    return msgspec.json.decode(text, type=BatchSpec)


def read_stage(text: str, index: int) -> StageSpec:
    """One step of the spec in a batch's row; an empty one if the spec does not mention it."""
    stages = read_spec(text).stages
    return stages[index] if index < len(stages) else StageSpec()
