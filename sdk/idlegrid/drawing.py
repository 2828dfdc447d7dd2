"""The declared plot of an answer, drawn by the same code as on the server."""

from pathlib import Path

from idlegrid_shared.plot import TABLE_BYTES_MAX, PlotError, parse_plot, plot_files, render

from .app import App

SVG_NAME = "plot.svg"
PNG_NAME = "plot.png"


def draw_plot(app: App, answer: Path) -> tuple[str, ...]:
    """Draw ``plot.svg`` and ``plot.png`` into the ``answer`` folder, if the app declares a plot.

    They take the place of a program's own files of these names. A plot that cannot be drawn does
    not spoil the answer: the reason is returned as a note.
    """
    if app.plot is None:
        return ()
    try:
        spec = parse_plot(app.plot)
        files = {
            name: _read(answer / name) for name in plot_files(spec) if (answer / name).is_file()
        }
        drawn = render(spec, files)
    except PlotError as error:
        return (f"the plot is not drawn: {error}",)
    for name, data in ((SVG_NAME, drawn.svg.encode()), (PNG_NAME, drawn.png)):
        (answer / name).unlink(missing_ok=True)
        (answer / name).write_bytes(data)
    return drawn.notes


def _read(path: Path) -> bytes:
    # One byte more than may be read, so that a file that is too large is seen to be.
    with path.open("rb") as file:
        return file.read(TABLE_BYTES_MAX + 1)
