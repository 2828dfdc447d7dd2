"""The plot that a batch declares, as far as it can be checked before there is an answer."""

from typing import Any

import msgspec

from idlegrid_shared.plot import PlotError, parse_plot

PLOT_BYTES_MAX = 64 * 1024


def plot_faults(plot: dict[str, Any]) -> list[str]:
    """Everything that is wrong with the declaration, in sentences; none if it is good."""
    size = len(msgspec.json.encode(plot))
    if size > PLOT_BYTES_MAX:
        return [f"the declaration has {size} bytes, at most {PLOT_BYTES_MAX} are allowed"]
    try:
        parse_plot(plot)
    except PlotError as error:
        return [str(error)]
    return []
