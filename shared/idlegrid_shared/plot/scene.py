"""What stands on a drawing, in plain shapes; SVG and PNG draw the same scene."""

from typing import Literal

import msgspec

#: What a shape is for. A theme gives each its colour.
Role = Literal["ground", "grid", "base", "level", "first", "second", "third", "ink", "quiet"]
Anchor = Literal["start", "middle", "end"]
Place = tuple[float, float]


class Theme(msgspec.Struct, frozen=True):
    """One colour for each role, as ``#rrggbb``."""

    ground: str
    grid: str
    base: str
    level: str
    first: str
    second: str
    third: str
    ink: str
    quiet: str

    def colour(self, role: Role) -> str:
        """The colour of ``role``."""
        colour: str = getattr(self, role)
        return colour


LIGHT = Theme(
    ground="#f3f5f0",
    grid="#d6dbd2",
    base="#7b8781",
    level="#5b6862",
    first="#0b5a4e",
    second="#2a5fb4",
    third="#7a5a3a",
    ink="#15211d",
    quiet="#45524d",
)
DARK = Theme(
    ground="#0f1614",
    grid="#2a3632",
    base="#74837c",
    level="#94a29b",
    first="#6bd3b9",
    second="#86b2ff",
    third="#cfa67c",
    ink="#e8efeb",
    quiet="#b6c2bc",
)


class Curve(msgspec.Struct, frozen=True):
    """Points that a line joins; a single point is a dot as wide as the line."""

    points: tuple[Place, ...]
    role: Role
    width: float
    dash: tuple[float, ...] = ()


class Dot(msgspec.Struct, frozen=True):
    """A ring: filled with the ground, so that it stands out from its line."""

    x: float
    y: float
    radius: float
    role: Role
    width: float


class Words(msgspec.Struct, frozen=True):
    """One line of text; ``y`` is its baseline. A halo keeps it readable on lines."""

    x: float
    y: float
    text: str
    size: float
    role: Role
    anchor: Anchor = "start"
    bold: bool = False
    halo: bool = False


Shape = Curve | Dot | Words


class Scene(msgspec.Struct, frozen=True):
    """A drawing of ``width`` × ``height``; later shapes stand over earlier ones."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
