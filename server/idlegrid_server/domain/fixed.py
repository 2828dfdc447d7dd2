"""Fixed quorum: so many agreeing results make one canonical, whoever they are from."""

from .draft import Draft
from .quorum import find_agreement, largest


def accept_quorum(draft: Draft, quorum: int, reason: str = "quorum") -> bool:
    """End the unit well if enough results agree."""
    votes = draft.votes()
    agreement = find_agreement(votes, quorum, draft.unit.relation)
    if agreement is None:
        return False
    members = set(agreement.members)
    draft.accept(agreement.manifest, [task for task in votes if task.id in members], reason)
    return True


def judge_fixed(draft: Draft) -> None:
    """Decide an open unit, or say how many more tasks it takes."""
    unit, policy = draft.unit, draft.unit.policy
    if not draft.waits_for_validator() and accept_quorum(draft, policy.quorum):
        return
    votes = draft.votes()
    undecided = draft.compare and len(votes) >= policy.quorum
    if len(draft.in_state("error")) > policy.max_errors and not undecided:
        draft.end("failed", "too_many_errors")
        return
    target = unit.target
    best = len(votes)
    if not draft.compare:
        best = largest(votes, unit.relation)
        if len(votes) >= policy.quorum:
            if len(votes) > policy.max_successes:
                draft.end("failed", "no_agreement")
                return
            draft.leave_undecided("no_quorum")
            target = max(target, len(votes) + policy.quorum - best)
    draft.want(target, len(votes))
    live = len(draft.in_state("unsent", "in_progress"))
    if live + draft.new_tasks + best < policy.quorum:
        # What is out or may still be sent cannot complete a quorum any more.
        draft.end("failed", "too_many_tasks")
