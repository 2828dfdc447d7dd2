"""What RQ's workers run: one round of passes, or of the server's slow jobs.

A worker process binds its tools once; the rounds find them here, since a wake-up carries nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .jobs import work_jobs
from .passes import run_passes
from .tools import Tools
from .wake import Waker

if TYPE_CHECKING:
    from collections.abc import Callable

# A round gives way after this long, so that a worker that is asked to end does so soon.
ROUND_S = 5.0


@dataclass(frozen=True)
class Bound:
    """A worker's tools, and how it learns that it should end."""

    tools: Tools
    waker: Waker
    stopping: "Callable[[], bool]"


_bound: Bound | None = None


def bind(bound: Bound | None) -> None:
    """Give the rounds of this process their tools; None takes them away."""
    global _bound
    _bound = bound


def pass_round() -> None:
    """Passes until nothing is due, or time is up: then another round is asked for."""
    bound = _tools()
    tools = bound.tools
    done = run_passes(
        tools.store,
        tools.files,
        tools.clock,
        tools=tools,
        limit_s=ROUND_S,
        stopping=bound.stopping,
    )
    if done.jobs:
        bound.waker.wake("compute")
    if not done.idle:
        bound.waker.wake("wake")


def compute_round() -> None:
    """Jobs until none waits."""
    bound = _tools()
    if work_jobs(bound.tools, bound.stopping):
        bound.waker.wake("wake")


def _tools() -> Bound:
    if _bound is None:
        raise RuntimeError("rounds run in a worker process of the server, which binds its tools")
    return _bound
