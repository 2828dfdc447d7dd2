"""The declared plot of a batch, drawn by the same code as in the SDK."""

from typing import Any

from idlegrid_shared.manifest import FILES_MAX, Manifest
from idlegrid_shared.plot import TABLE_BYTES_MAX, PlotError, parse_plot, plot_files, render

from .tools import Tools

FOLDERS = ("plot.svg/", "plot.png/")

SVG_NAME = "plot.svg"
PNG_NAME = "plot.png"


def draw_plot(
    tools: Tools, plot: dict[str, Any] | None, entries: Manifest
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files of the plot by name, and notes; nothing if the batch declares none.

    A plot that cannot be drawn spoils no answer: there is a note instead. Raises ``MissingFile``
    if an output that it reads is gone.
    """
    if plot is None:
        return {}, ()
    # A program's outputs may leave no place for the plot's two files in the manifest.
    if len(entries) > FILES_MAX - 2 or any(e.name.startswith(FOLDERS) for e in entries):
        return {}, ("the plot is not drawn: the answer's files leave no place for its own",)
    try:
        spec = parse_plot(plot)
        wanted = plot_files(spec)
        files = {}
        for entry in entries:
            if entry.name not in wanted:
                continue
            if entry.bytes > TABLE_BYTES_MAX:
                raise PlotError(f"{entry.name} has {entry.bytes} bytes, too many for a plot")
            with tools.open_file(bytes.fromhex(entry.sha256)) as content:
                files[entry.name] = content.read()
        drawn = render(spec, files)
    except PlotError as error:
        return {}, (f"The plot could not be drawn: {error}",)
    return {SVG_NAME: drawn.svg.encode(), PNG_NAME: drawn.png}, drawn.notes
