"""Progress and safepoints for Python programs, in Idlegrid's sandbox and at home alike.

    import idlegrid_task as task

    rows = open(f"{task.INPUT}/data.csv").readlines()
    for i, row in enumerate(rows):
        ...
        task.progress(i / len(rows))

At home inputs lie in the folder that IDLEGRID_INPUT names (else ./in), outputs go to that of
IDLEGRID_OUTPUT (else ./out), and the fraction done is written to the file that IDLEGRID_PROGRESS
names, if any.
"""

import os
import sys

#: Whether this is the sandbox.
BOXED = sys.platform == "wasi"
#: Where the inputs lie, read-only, and where the outputs go.
INPUT = "/in" if BOXED else os.environ.get("IDLEGRID_INPUT", "in")
OUTPUT = "/out" if BOXED else os.environ.get("IDLEGRID_OUTPUT", "out")

_PROGRESS = "/dev/idlegrid/progress" if BOXED else os.environ.get("IDLEGRID_PROGRESS", "")
_SAFEPOINT = "/dev/idlegrid/safepoint" if BOXED else ""


def progress(fraction: float) -> None:
    """Say how much is done, from 0 to 1. Costs some millionths of a second."""
    _tell(_PROGRESS, f"{float(fraction):.6f}")


def safepoint() -> None:
    """Here the program may be saved. Call it in long loops that neither read nor write."""
    _tell(_SAFEPOINT, "1")


def _tell(path: str, text: str) -> None:
    if path:
        handle = os.open(path, os.O_WRONLY | (0 if BOXED else os.O_CREAT | os.O_TRUNC))
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)
