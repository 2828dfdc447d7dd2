"""What goes wrong with a plot."""


class PlotError(ValueError):
    """A plot that is not well declared, or cannot be drawn from these files; says which and why."""
