"""The declared plot of a batch, drawn by the same code as in the SDK."""

from typing import Any

from idlegrid_shared.manifest import Manifest

from .tools import Tools

DATA_BYTES_MAX = 64 * 1024 * 1024


def draw_plot(
    tools: Tools, plot: dict[str, Any] | None, entries: Manifest
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files of the plot by name, and notes. A plot that cannot be drawn spoils no answer."""
    return {}, ()
