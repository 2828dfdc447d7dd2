"""The declared plot of a batch, drawn by the same code as in the SDK."""

from typing import Any

from idlegrid_shared.manifest import Manifest
from idlegrid_shared.plot import TABLE_BYTES_MAX, PlotError, parse_plot, plot_files, render

from .tools import Tools


def draw_plot(
    tools: Tools, plot: dict[str, Any] | None, entries: Manifest
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files of the plot by name, and notes. A plot that cannot be drawn spoils no answer.

    Raises ``MissingFile`` if an output that the plot needs is gone from the store.
    """
    if plot is None:
        return {}, ()
    try:
        spec = parse_plot(plot)
        needed = set(plot_files(spec))
        files = {e.name: _read(tools, e.sha256) for e in entries if e.name in needed}
        drawn = render(spec, files)
    except PlotError as error:
        return {}, (f"the plot is not drawn: {error}",)
    return {"plot.svg": drawn.svg.encode(), "plot.png": drawn.png}, drawn.notes


def _read(tools: Tools, sha256: str) -> bytes:
    # One byte more than may be read, so that a file that is too large is seen to be.
    with tools.open_file(bytes.fromhex(sha256)) as content:
        return content.read(TABLE_BYTES_MAX + 1)
