"""The declared plot of an answer, drawn by the same code as on the server."""

from pathlib import Path

from idlegrid_shared.plot import TABLE_BYTES_MAX, PlotError, parse_plot, plot_files, render

from .app import App


def draw_plot(app: App, answer: Path) -> tuple[str, ...]:
    """Draw ``plot.svg`` and ``plot.png`` into the ``answer`` folder, if the app declares a plot.

    A plot that cannot be drawn does not spoil the answer: the reason is returned as a note.
    """
    if app.plot is None:
        return ()
    try:
        spec = parse_plot(app.plot)
        files = {name: _read(answer, name) for name in plot_files(spec) if _is_file(answer, name)}
        plot = render(spec, files)
    except PlotError as error:
        return (f"the plot is not drawn: {error}",)
    (answer / "plot.svg").write_text(plot.svg, "utf-8", newline="\n")
    (answer / "plot.png").write_bytes(plot.png)
    return plot.notes


def _is_file(answer: Path, name: str) -> bool:
    path = answer / name
    return path.is_file() and not path.is_symlink()


def _read(answer: Path, name: str) -> bytes:
    # One byte more than may be read, so that a file that is too large is seen to be.
    with (answer / name).open("rb") as file:
        return file.read(TABLE_BYTES_MAX + 1)
