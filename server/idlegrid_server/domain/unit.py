"""What to do with a work unit: the one decision that passes make, over and over.

`decide_unit(snapshot, now)` settles, in this order: deadlines that passed; cancellation; outputs
that the stage's validator refused; results against a canonical one that stands already; whether
what came is believed; limits; and how many tasks are still needed. What a validator has not looked
at yet is not judged: the plan then asks for that (`compare`), and the unit is decided on when it is
known. It answers one plan, and the plan leaves nothing to do at once: deciding again changes
nothing.
"""

from collections.abc import Callable

from .credible import judge_adaptive, judge_credible, judge_held
from .credit import worth
from .draft import MICROSECONDS, Draft, once
from .fixed import judge_fixed
from .model import TaskChange, UnitChange, UnitPlan, UnitSnapshot
from .quorum import agree, needed
from .ringer import judge_ringer
from .transition import BATCH_LIVE
from .trust import checks_of

JUDGES = {"fixed": judge_fixed, "adaptive": judge_adaptive, "credibility": judge_credible}


def decide_unit(unit: UnitSnapshot, now: int) -> UnitPlan:
    """Decide on one unit at time ``now`` (µs). Pure; calling it on the outcome plans nothing."""
    draft = Draft.of(unit, now)
    _time_out(draft)
    if draft.state in ("open", "provisional") and _has_ended(unit):
        failed = unit.batch_state == "failed" or unit.stage_state == "failed"
        draft.end("cancelled", "batch_failed" if failed else "batch_cancelled")
    if unit.placement == "grid":
        _judge(draft)
    return draft.plan()


def _has_ended(unit: UnitSnapshot) -> bool:
    return unit.batch_state not in BATCH_LIVE or unit.stage_state in ("failed", "cancelled")


def _time_out(draft: Draft) -> None:
    grace = draft.unit.policy.grace_s * MICROSECONDS
    for task in draft.in_state("in_progress"):
        if task.deadline_at is not None and task.deadline_at + grace <= draft.now:
            draft.change(task, TaskChange(task.id, "timed_out", None, "deadline"))


def _judge(draft: Draft) -> None:
    if draft.state not in ("cancelled", "retired"):
        _check_outputs(draft)
    if draft.state in ("valid", "assimilated"):
        _judge_stragglers(draft)
    elif draft.state == "open":
        _judge_of(draft.unit)(draft)
    elif draft.state == "provisional":
        judge_held(draft)
    elif draft.state == "failed":
        _rescue(draft)
    elif draft.state == "cancelled":
        draft.leave_undecided("undecided")
    elif draft.state == "retired":
        for task in draft.in_state("success"):
            if task.verdict in ("pending", "inconclusive"):
                draft.change(task, TaskChange(task.id, None, "too_late", "retired"))


def _judge_of(unit: UnitSnapshot) -> Callable[[Draft], None]:
    return judge_ringer if unit.known is not None else JUDGES[unit.policy.replication]


def _check_outputs(draft: Draft) -> None:
    """An output that the validator refused by itself has no voice, whatever others say.

    What it could not read is an error of its task, unless that task has credit, which stays.
    """
    relation = draft.unit.relation
    if relation is None:
        return
    for task in draft.in_state("success"):
        manifest = task.manifest or b""
        if task.verdict not in ("pending", "inconclusive") or manifest not in relation.bad:
            continue
        if manifest in relation.failed:
            draft.change(task, TaskChange(task.id, None, "invalid", "fails_check"))
        elif task.credit_micro is not None:
            draft.change(task, TaskChange(task.id, None, "invalid", "validator_error"))
        else:
            draft.change(task, TaskChange(task.id, "error", None, "validator_error"))


def _judge_stragglers(draft: Draft) -> None:
    """A result after the canonical one is compared with it alone, for the same credit."""
    unit = draft.unit
    wanted = unit.canonical_manifest
    unknown = needed(draft.tasks.values(), unit.relation, wanted)
    draft.compare = bool(unknown)
    waiting = {manifest for pair in unknown.pairs for manifest in pair} - {wanted}
    granted = [t.credit_micro for t in draft.tasks.values() if t.credit_micro is not None]
    agreed = [t for t in draft.in_state("success") if t.verdict == "valid"]
    for task in draft.in_state("success"):
        if task.verdict not in ("pending", "inconclusive") or task.manifest in waiting:
            continue
        if agree(task.manifest, wanted, unit.relation):
            alike = [t for t in agreed if (t.profile, t.manifest) == (task.profile, task.manifest)]
            if task.ops not in {t.ops for t in alike}:
                draft.watch_ops([*alike, task])
            agreed.append(task)
            credit = min(granted) if granted else worth([task], unit)
            draft.change(task, TaskChange(task.id, None, "valid", "agrees", once(task, credit)))
            said = checks_of(agreed, (), draft.standings, unit.policy, unit.typical_ops)
            draft.checks += tuple(check for check in said if check.host_id == task.host_id)
        else:
            draft.change(task, TaskChange(task.id, None, "invalid", "differs"))
            draft.checks += checks_of((), (task,), draft.standings, unit.policy)
    draft.drop_unsent("decided")


def _rescue(draft: Draft) -> None:
    """A late result may decide a unit after all that was given up, while its batch lives."""
    unit = draft.unit
    late = any(task.verdict == "pending" for task in draft.in_state("success"))
    if late and not _has_ended(unit) and unit.stage_state == "running":
        draft.compare = bool(needed(draft.votes(), unit.relation))
        if draft.compare:
            return
        judge = _judge_of(unit)
        trial = Draft.of(unit, draft.now)
        _check_outputs(trial)
        judge(trial)
        if trial.assimilate:
            draft.step("open", "rescued")
            judge(draft)
            return
    draft.leave_undecided("undecided")


def reopen_unit(unit: UnitSnapshot, now: int) -> UnitPlan:
    """Open a decided unit again: its verdicts are void, its output leaves the index, and it is due.

    Credit that was granted stays; what a validator could not read may be read again. Raises
    ``ValueError`` for a unit that is not decided.
    """
    if unit.state not in ("valid", "assimilated", "failed"):
        raise ValueError(f"unit {unit.id} is {unit.state}: only a decided unit can be reopened")
    return UnitPlan(
        unit_id=unit.id,
        version=unit.version,
        steps=(UnitChange("open", "reopened"),),
        tasks=tuple(
            TaskChange(task.id, "success", None, "read_again")
            if task.state == "error"
            else TaskChange(task.id, None, "inconclusive", "no_quorum")
            for task in unit.tasks
            if (task.state == "success" and task.verdict in ("valid", "invalid"))
            or (task.state == "error" and task.reason == "validator_error")
        ),
        retract=unit.state == "assimilated",
        due_at=now,
    )
