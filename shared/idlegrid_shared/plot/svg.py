"""A scene as SVG: text of our own making, light and dark, for a page and for a telephone.

Every shape has its light colour as a plain attribute; the style sheet only changes it in the dark,
and shows the narrow drawing in place of the wide one where the picture is small.
"""

from xml.sax.saxutils import escape, quoteattr

from .scene import DARK, LIGHT, Curve, Dot, Place, Scene, Shape, Words

FONT = "Atkinson Next, system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, sans-serif"
#: Below this width of the picture (CSS pixels) the narrow drawing is shown.
NARROW_BELOW = 600
CORNER = 12
HALO = 5.0
_BOLD = 640


def draw_svg(wide: Scene, narrow: Scene, title: str, description: str) -> str:
    """One SVG document with both drawings. Nothing in it is fetched or run."""
    size = f'width="{_n(wide.width)}" height="{_n(wide.height)}"'
    corner = f'width="{_n(wide.width)}" height="{_n(wide.height)}" rx="{CORNER}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="idlegrid-plot" {size} '
        f'viewBox="0 0 {_n(wide.width)} {_n(wide.height)}" role="img" '
        f"aria-label={quoteattr(description)} font-family={quoteattr(FONT)}>",
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(description)}</desc>",
        f"<style>{_style()}</style>",
        f'<rect class="f-ground" {corner} fill="{LIGHT.ground}"/>',
        '<g class="wide">',
        *(_shape(shape) for shape in wide.shapes),
        "</g>",
        # Hidden by an attribute, so that it stays hidden where style sheets are not allowed.
        f'<svg class="narrow" display="none" {size} '
        f'viewBox="0 0 {_n(narrow.width)} {_n(narrow.height)}">',
        *(_shape(shape) for shape in narrow.shapes),
        "</svg>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _style() -> str:
    root = ".idlegrid-plot"
    dark = "".join(
        f"{root} .s-{role}{{stroke:{colour}}}{root} .f-{role}{{fill:{colour}}}"
        for role in DARK.__struct_fields__
        if (colour := getattr(DARK, role))
    )
    return (
        f"{root}{{max-width:100%;height:auto}}"
        f"{root} text{{font-variant-numeric:tabular-nums}}"
        f"{root} .halo{{paint-order:stroke}}"
        f"@media (prefers-color-scheme:dark){{{dark}}}"
        f"@media (max-width:{NARROW_BELOW}px)"
        f"{{{root} .wide{{display:none}}{root} .narrow{{display:inline}}}}"
    )


def _shape(shape: Shape) -> str:
    if isinstance(shape, Words):
        return _words(shape)
    if isinstance(shape, Dot):
        return (
            f'<circle class="f-ground s-{shape.role}" cx="{_n(shape.x)}" cy="{_n(shape.y)}" '
            f'r="{_n(shape.radius)}" fill="{LIGHT.ground}" '
            f'stroke="{LIGHT.colour(shape.role)}" stroke-width="{_n(shape.width)}"/>'
        )
    return _curve(shape)


def _curve(curve: Curve) -> str:
    dash = f' stroke-dasharray="{" ".join(map(_n, curve.dash))}"' if curve.dash else ""
    cap = "" if curve.role in ("grid", "base") else ' stroke-linecap="round"'
    return (
        f'<path class="s-{curve.role}" d="{_path(curve.points)}" fill="none" '
        f'stroke="{LIGHT.colour(curve.role)}" stroke-width="{_n(curve.width)}"'
        f'{cap} stroke-linejoin="round"{dash}/>'
    )


def _path(points: tuple[Place, ...]) -> str:
    first, *rest = [f"{_n(x)} {_n(y)}" for x, y in points]
    return f"M{first}L" + " ".join(rest or [first])


def _words(words: Words) -> str:
    look = f'class="f-{words.role}" fill="{LIGHT.colour(words.role)}"'
    if words.halo:
        look = (
            f'class="f-{words.role} s-ground halo" fill="{LIGHT.colour(words.role)}" '
            f'stroke="{LIGHT.ground}" stroke-width="{_n(HALO)}" stroke-linejoin="round" '
            'paint-order="stroke"'
        )
    anchor = "" if words.anchor == "start" else f' text-anchor="{words.anchor}"'
    weight = f' font-weight="{_BOLD}"' if words.bold else ""
    return (
        f'<text {look} x="{_n(words.x)}" y="{_n(words.y)}" font-size="{_n(words.size)}"'
        f"{anchor}{weight}>{escape(words.text)}</text>"
    )


def _n(value: float) -> str:
    """A number with at most one digit after the point; a tenth of a pixel is not seen."""
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text
