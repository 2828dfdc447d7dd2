"""What a host's report does to its task (BOINC.md D3, E8, E9, E11, E14 to E17).

Both the app's errors and the host's are reported as error and counted in the unit's limit: the
server cannot tell a host that lies about its disk from an app that fills it. The reason tells them
apart for people. What the *volunteer* stopped is `aborted`, and counts against no limit but that of
tasks in total.
"""

from typing import Literal

from .model import TaskSnapshot, TaskState, Value, Verdict
from .reason import TASK

Fate = Literal["accepted", "duplicate", "refused"]
Outcome = Literal["success", "error", "aborted"]

#: States in which a task still waits for its report.
AWAITED = frozenset({"in_progress", "timed_out"})
ABORTS = frozenset({"volunteer", "detached", "project_left", "deadline_passed", "too_big"})
#: What a client says of a task that it does not believe; the exact code stands in its stderr.
UNBELIEVED = frozenset(
    {
        "bad_delegations",
        "bad_descriptor",
        "bad_receipt",
        "bad_release",
        "bad_runtime",
        "bad_timestamp",
        "no_descriptor",
        "no_program",
        "no_release",
        "no_source",
        "no_trust",
        "old_delegations",
        "old_timestamp",
        "other_project",
        "other_release",
        "other_task",
        "stale_delegations",
        "two_delegations",
    }
)


class ReportDecision(Value, frozen=True):
    """The report's fate; when accepted, what the task becomes."""

    fate: Fate
    state: TaskState | None = None
    verdict: Verdict | None = None
    reason: str = ""
    text: str = ""


def accept_report(
    task: TaskSnapshot | None,
    host_id: int,
    outcome: Outcome,
    reason: str,
    *,
    replaced: bool = False,
    foreign: bool = False,
) -> ReportDecision:
    """Decide on one report of ``host_id``; ``task`` is None where there is no such task.

    ``replaced``: the unit has another live replica in the same hands (``matching.clashes``). Then a
    late success is refused, since that other replica is the one that speaks for them. ``foreign``:
    the unit is bound to hosts of another kind by now (``matching.is_foreign``).
    """
    if task is None:
        return ReportDecision("refused", text="There is no such task here.")
    if task.host_id != host_id:
        return ReportDecision("refused", text="This task was never given to this computer.")
    if task.state == "lost":
        # There is no result that a receipt could prove: it was given up for good.
        return ReportDecision(
            "refused",
            text="It was given up when this computer left the project; another does it now.",
        )
    if task.state not in AWAITED:
        return ReportDecision("duplicate")  # received already: acknowledged, not repeated
    if outcome == "success" and task.state == "timed_out" and replaced:
        return ReportDecision(
            "refused",
            text="It came after its deadline, and its owner has another copy of the same work, "
            "which counts instead.",
        )
    if outcome == "success" and task.state == "timed_out" and foreign:
        return ReportDecision(
            "refused",
            text="It came after its deadline, and a computer of another kind has begun the work "
            "anew; their results could not be compared.",
        )
    if outcome == "success":
        return ReportDecision("accepted", "success", "pending", "ok")
    known = "verify_failed" if reason in UNBELIEVED else reason
    if known not in TASK or known == "ok":
        known = "other_error"
    if outcome == "aborted" and known in ABORTS:
        return ReportDecision("accepted", "aborted", None, known)
    return ReportDecision("accepted", "error", None, known)
