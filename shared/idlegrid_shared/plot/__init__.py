"""Plots of answers: declared in ``app.toml``, drawn the same on the server and by ``run-local``.

``render(parse_plot(table), files)`` draws an answer's files as SVG and PNG. The files come from
strangers' programs: they are read within limits, and everything written on the plot is escaped.
"""

from .fault import PlotError
from .limits import JSON_BYTES_MAX, TABLE_BYTES_MAX
from .render import RenderedPlot, render
from .spec import PlotSpec, parse_plot, plot_files

__all__ = [
    "PlotSpec",
    "PlotError",
    "parse_plot",
    "plot_files",
    "RenderedPlot",
    "render",
    "JSON_BYTES_MAX",
    "TABLE_BYTES_MAX",
]
