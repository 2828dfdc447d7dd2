"""Units that start with one task: accepted when whoever speaks is believed (see :mod:`.trust`)."""

from .credit import worth
from .draft import Draft
from .fixed import accept_quorum
from .model import Hold, TaskChange, TaskSnapshot
from .quorum import groups, largest
from .trust import believed, is_audited, is_final, is_void, standing_of, trusts_streak


def judge_credible(draft: Draft) -> None:
    """Decide an open unit of a credibility policy: accept, hold, or ask one more host."""
    unit, policy = draft.unit, draft.unit.policy
    if draft.waits_for_validator():
        return
    votes = draft.votes()
    found = groups(votes, unit.relation)
    right = believed(found, draft.standings, policy)
    target = max(1, unit.target)
    if right is not None and len(votes) > 1:
        draft.accept(right, found[right], "believed")
        return
    if right is not None and len(votes) >= target:
        if not policy.finality:
            draft.accept(right, votes, "proven")
            return
        if not is_audited(unit.draw_seed, unit.id, policy):
            _hold(draft, votes[0])
            return
    if votes and len(votes) >= target:
        draft.leave_undecided("no_quorum")
        target = len(votes) + 1
    if len(found) > 1:
        draft.dispute(votes)
    go_on(draft, votes, target)


def judge_adaptive(draft: Draft) -> None:
    """Decide an open unit by BOINC's rule: a long streak is believed, others need a quorum."""
    unit, policy = draft.unit, draft.unit.policy
    if draft.waits_for_validator():
        return
    votes = draft.votes()
    quorum = max(2, policy.quorum)
    target = max(1, unit.target)
    if len(votes) == 1 and target == 1:
        if trusts_streak(votes[0], draft.standings, unit.draw_seed, unit.id):
            draft.accept(votes[0].manifest or b"", votes, "streak")
            return
        target = quorum
    if accept_quorum(draft, quorum):
        return
    if len(votes) >= target:
        draft.leave_undecided("no_quorum")
        target = len(votes) + quorum - largest(votes, unit.relation)
    go_on(draft, votes, target)


def judge_held(draft: Draft) -> None:
    """Decide a provisional unit: final, checked, or to be looked at again."""
    unit = draft.unit
    held = draft.tasks.get(unit.canonical_task or 0)
    hold = unit.hold
    if held is None or hold is None or is_void(held, draft.standings):
        _reopen(draft, "host_caught")
        return
    if draft.waits_for_validator():
        draft.hold = hold
        return
    votes = draft.votes()
    if held not in votes:
        _reopen(draft, "fails_check")
    elif len(votes) > 1:
        found = groups(votes, unit.relation)
        right = believed(found, draft.standings, unit.policy)
        if right is not None and held in found[right]:
            draft.accept(right, found[right], "believed")
        else:
            _reopen(draft, "audit_differs")
    elif is_final(standing_of(held, draft.standings), hold):
        draft.accept(held.manifest or b"", [held], "final")
    else:
        draft.hold = hold
        draft.want(unit.target, len(votes))


def _hold(draft: Draft, task: TaskSnapshot) -> None:
    checks = standing_of(task, draft.standings).checks
    draft.hold = Hold(task.host_id or 0, checks + draft.unit.policy.finality)
    draft.canonical = task
    draft.change(task, TaskChange(task.id, pending_micro=worth([task], draft.unit)))
    draft.step("provisional", "single")
    draft.drop_unsent("decided")


def _reopen(draft: Draft, reason: str) -> None:
    draft.step("open", reason)
    judge_credible(draft)


def go_on(draft: Draft, votes: list[TaskSnapshot], target: int) -> None:
    """Ask further hosts, within the limits of the policy."""
    policy = draft.unit.policy
    if len(draft.in_state("error")) > policy.max_errors:
        draft.end("failed", "too_many_errors")
        return
    if len(votes) > policy.max_successes:
        draft.end("failed", "no_agreement")
        return
    _leave_void(draft)
    draft.want(target, len(votes))
    live = len(draft.in_state("unsent", "in_progress"))
    if live + draft.new_tasks == 0:
        draft.end("failed", "too_many_tasks")


def _leave_void(draft: Draft) -> None:
    for task in draft.results():
        if task.verdict == "pending" and is_void(task, draft.standings):
            draft.change(task, TaskChange(task.id, None, "inconclusive", "host_caught"))
