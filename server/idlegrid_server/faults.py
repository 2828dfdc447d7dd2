"""Places where a test may make the server die: before and after every durable step.

Production pays one check of a global against None. A test installs a hook that raises (the step
fails) or kills the process (the power went), and then looks whether anything was lost.
"""

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

POINTS: tuple[str, ...] = (
    # store: one command's rows, then the (group) commit, then the reply to the caller
    "store.command.before",
    "store.command.after",
    "store.commit.before",
    "store.commit.after",
    "store.reply.before",
    # files: bytes in a temporary file, fsynced, renamed, folder fsynced
    "files.write.before",
    "files.write.after",
    "files.sync.after",
    "files.rename.after",
    "files.folder_sync.after",
    "files.upload.append.before",
    "files.upload.append.after",
    "files.checkpoint.rename.after",
    "files.checkpoint.folder_sync.after",
    # exchange: around its one command, and before the reply leaves
    "exchange.commit.before",
    "exchange.commit.after",
    "exchange.reply.before",
    # passes: plans computed from a snapshot, then applied
    "pass.transition.before",
    "pass.transition.planned",
    "pass.transition.after",
    "pass.batch.before",
    "pass.batch.planned",
    "pass.batch.after",
    "pass.sweep.before",
    "pass.sweep.after",
    # submission of a batch: the table checked, each chunk of units stored, the job closed
    "submit.claimed",
    "submit.checked",
    "submit.chunk.before",
    "submit.chunk.after",
    "submit.done.before",
    "submit.done.after",
    # combine on the server
    "combine.claimed",
    "combine.ran",
    "combine.stored",
    "combine.done.after",
    "validate.claimed",
    "revalidate.claimed",
    "revalidate.looked",
    "revalidate.piece",
    "validate.found",
    "validate.done.after",
    # the answer of a batch
    "answer.rendered",
    "answer.stored",
    "answer.done.after",
)

_KNOWN = frozenset(POINTS)
_hook: Callable[[str], None] | None = None


def install(hook: Callable[[str], None] | None) -> None:
    """Call ``hook`` with the name of every point reached from now on; None takes it away."""
    global _hook
    _hook = hook


@contextmanager
def installed(hook: Callable[[str], None]) -> "Iterator[None]":
    """Have ``hook`` installed within a ``with`` block, and none after it."""
    install(hook)
    try:
        yield
    finally:
        install(None)


def reach(point: str) -> None:
    """Say that the code is at ``point``. Does nothing unless a test installed a hook.

    Raises ``ValueError`` under a hook for a name that is not in :data:`POINTS`, so that a
    misspelt point cannot pass for a tested one.
    """
    if _hook is None:
        return
    if point not in _KNOWN:
        raise ValueError(f"fault point {point!r} is not listed in faults.POINTS")
    _hook(point)
