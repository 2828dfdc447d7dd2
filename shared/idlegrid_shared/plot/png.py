"""A scene as PNG, in the light theme: drawn at twice its size by Pillow, with its own font."""

import functools
import io
import itertools
import re
import unicodedata

from PIL import Image, ImageDraw, ImageFont

from .fault import PlotError
from .scene import LIGHT, Curve, Dot, Place, Scene, Words

#: The picture has this many pixels for each unit, for screens of fine resolution.
SCALE = 2
#: It is drawn this much finer still, and then made smaller: that smooths the lines.
FINER = 2
HALO = 2.5  # units
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
_RAISED = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "x",
    "µ": "u",
    "μ": "u",
    "ß": "ss",
    "≤": "<=",
    "≥": ">=",
}


def draw_png(scene: Scene) -> bytes:
    """The picture; raises :class:`PlotError` where Pillow was built without FreeType."""
    factor = SCALE * FINER
    size = (round(scene.width * factor), round(scene.height * factor))
    image = Image.new("RGB", size, LIGHT.ground)
    draw = ImageDraw.Draw(image)
    for shape in scene.shapes:
        if isinstance(shape, Curve):
            _curve(draw, shape, factor)
        elif isinstance(shape, Dot):
            _dot(draw, shape, factor)
    image = image.reduce(FINER)
    # Text is smooth by itself, and sharper when it is not made smaller.
    draw = ImageDraw.Draw(image)
    for shape in scene.shapes:
        if isinstance(shape, Words):
            _words(draw, shape)
    file = io.BytesIO()
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def _curve(draw: ImageDraw.ImageDraw, curve: Curve, factor: float) -> None:
    colour = LIGHT.colour(curve.role)
    width = max(1, round(curve.width * factor))
    points = [(x * factor, y * factor) for x, y in curve.points]
    dashes = _dashed(points, [d * factor for d in curve.dash]) if curve.dash else [points]
    radius = width / 2
    round_ends = curve.role not in ("grid", "base")
    for dash in dashes:
        if len(dash) > 1:
            draw.line(dash, fill=colour, width=width, joint="curve")
        for x, y in (dash[0], dash[-1]) if round_ends else ():
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _dashed(points: list[Place], dash: list[float]) -> list[list[Place]]:
    """The strokes of a line that is drawn for ``dash[0]``, left out for ``dash[1]``, and so on."""
    found: list[list[Place]] = [[points[0]]]
    phase, left = 0, dash[0]
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        length = ((next_x - x) ** 2 + (next_y - y) ** 2) ** 0.5
        done = 0.0
        while length - done > left:
            done += left
            here = (x + (next_x - x) * done / length, y + (next_y - y) * done / length)
            if phase == 0:
                found[-1].append(here)
            else:
                found.append([here])
            phase = 1 - phase
            left = dash[phase]
        left -= length - done
        if phase == 0:
            found[-1].append((next_x, next_y))
    return found


def _dot(draw: ImageDraw.ImageDraw, dot: Dot, factor: float) -> None:
    for radius, colour in (
        (dot.radius + dot.width / 2, LIGHT.colour(dot.role)),
        (dot.radius - dot.width / 2, LIGHT.ground),
    ):
        box = (dot.x - radius, dot.y - radius, dot.x + radius, dot.y + radius)
        draw.ellipse([value * factor for value in box], fill=colour)


def _words(draw: ImageDraw.ImageDraw, words: Words) -> None:
    font = _font(words.size * SCALE)
    at = (words.x * SCALE, words.y * SCALE)
    text = _drawable(words.text)
    anchor, colour = _ANCHORS[words.anchor], LIGHT.colour(words.role)
    if words.halo:
        draw.text(
            at,
            text,
            LIGHT.ground,
            font,
            anchor,
            stroke_width=HALO * SCALE,
            stroke_fill=LIGHT.ground,
        )
    # The font has one weight; a stroke of its own colour makes it bold.
    bold = words.size * SCALE * 0.018 if words.bold else 0
    draw.text(at, text, colour, font, anchor, stroke_width=bold, stroke_fill=colour)


@functools.lru_cache(maxsize=16)
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise PlotError("Pillow was built without FreeType, so it cannot write on a PNG")
    return font


def _drawable(text: str) -> str:
    """``text`` in characters that the font has: without accents where it lacks them."""
    raised = _RAISED.sub(lambda m: "^" + unicodedata.normalize("NFKD", m[0]), text)
    return "".join(_character(char) for char in raised)


@functools.lru_cache(maxsize=1024)
def _character(char: str) -> str:
    if _has(char):
        return char
    plain = _PLAIN.get(char) or "".join(
        c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c)
    )
    return "".join(_PLAIN.get(c, c) if _has(_PLAIN.get(c, c)[0]) else "?" for c in plain)


def _has(char: str) -> bool:
    """Whether the font has ``char``, and not only a box in its place."""
    font = _font(32.0)
    return bytes(font.getmask(char)) != bytes(font.getmask("\uffff"))
