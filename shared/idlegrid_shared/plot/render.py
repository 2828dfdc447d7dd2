"""Drawing a plot: from the files of an answer to SVG and PNG."""

from collections.abc import Mapping

import msgspec

from .chart import describe, read_chart
from .layout import NARROW, WIDE, lay_out
from .png import draw_png
from .spec import PlotSpec
from .svg import draw_svg


class RenderedPlot(msgspec.Struct, frozen=True):
    """A plot as SVG (light and dark) and PNG (light), with its finding in words.

    ``notes`` tell which level or mark the answer did not have.
    """

    svg: str
    png: bytes
    title: str
    description: str
    notes: tuple[str, ...]


def render(spec: PlotSpec, files: Mapping[str, bytes]) -> RenderedPlot:
    """Draw ``spec`` from an answer's files by name; the same input gives the same bytes.

    Raises :class:`PlotError` when its lines cannot be drawn.
    """
    chart = read_chart(spec, files)
    wide = lay_out(chart, WIDE)
    description = describe(chart)
    title = chart.title or chart.y_label or "Plot"
    svg = draw_svg(wide, lay_out(chart, NARROW), title, description)
    return RenderedPlot(svg, draw_png(wide), title, description, chart.notes)
