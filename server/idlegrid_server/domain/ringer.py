"""Ringers: units with a known answer, planted among the others (Golle & Mironov; TRUST.md I).

No host can tell one from any other unit. One result that says what is known ends it, a check passed
by whoever said so and failed by whoever said otherwise; the known answer vouches, so that even a
stranger's check earns trust. What nobody confirms is no proof against anybody: the scientist may be
mistaken. So a wrong result alone asks for another one, and hands that agree on another answer than
the known one raise an alert and fail nobody for it.
"""

from .credible import go_on
from .draft import Draft
from .fixed import accept_quorum
from .model import Alert, Check
from .trust import weight


def judge_ringer(draft: Draft) -> None:
    """Decide an open unit whose answer is known."""
    unit = draft.unit
    if draft.waits_for_validator():
        return
    votes = draft.votes()
    right = [task for task in votes if task.manifest == unit.known]
    if right:
        draft.accept(unit.known or b"", right, "known")
        passed = [
            Check(task.host_id, True, True, weight(task.ops, unit.typical_ops))
            for task in right
            if task.host_id is not None
        ]
        failed = [check for check in draft.checks if not check.passed]
        draft.checks = (*passed, *failed)
        return
    if accept_quorum(draft, max(unit.policy.strangers, unit.policy.quorum)):
        draft.checks = tuple(check for check in draft.checks if not check.passed)
        draft.alerts.append(
            Alert(
                "ringer_wrong",
                f"unit {unit.id}: several hosts agree on another answer than the one that its "
                "scientist gave as known",
            )
        )
        return
    target = max(1, unit.target)
    if len(votes) >= target:
        draft.leave_undecided("no_quorum")
        target = len(votes) + 1
    go_on(draft, votes, target)
