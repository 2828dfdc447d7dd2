"""When a process began: what tells it from a later stranger with the same pid."""

import psutil

BIRTH_TOLERANCE_S = 0.05


def birth_of(pid: int) -> float:
    """When process ``pid`` began, as the system tells it (s since the epoch); 0 if it is gone."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def lives(pid: int, birth: float) -> bool:
    """Whether the process ``pid`` that began at ``birth`` (s since the epoch) is still there."""
    return birth > 0 and abs(birth_of(pid) - birth) <= BIRTH_TOLERANCE_S
