"""When a running task is checkpointed on this disk.

A checkpoint saves computing when the power goes, and costs computing each time. Both are small
against the time between two of them.
"""

SAVE_EVERY_S = 600.0  # of computing; so much is lost at most, on the usual machine
SAVE_SHARE_MAX = 0.01  # of a task's time that may go into its checkpoints


def seconds_to_next_save(took_s: float) -> float:
    """How long to compute until the next checkpoint, if the last one took so long.

    ``took_s`` is 0 before the first, and what was waited in vain if there was none.
    """
    return max(SAVE_EVERY_S, took_s / SAVE_SHARE_MAX)
