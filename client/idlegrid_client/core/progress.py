"""How far a task is, and how long it will still take."""

NEARLY = 0.99  # an estimate never says that a running task is done


def fraction_done(told: float, ops: int, ops_estimate: int) -> float:
    """0 to 1: what the program says; if it says nothing, its ops against what such tasks take.

    ``ops_estimate`` is the server's (the median of agreed ops of the stage), 0 if there is none.
    """
    if told > 0:
        return min(1.0, told)
    if ops_estimate <= 0:
        return 0.0
    return min(NEARLY, max(0, ops) / ops_estimate)


def seconds_left(fraction: float, running_s: float) -> float | None:
    """The time that the rest takes at the pace so far; None while nobody can tell."""
    if fraction <= 0.01 or running_s <= 0:
        return None
    return running_s * (1 - fraction) / fraction
