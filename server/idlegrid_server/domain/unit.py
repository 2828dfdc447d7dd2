"""What to do with a work unit: the one decision that passes make, over and over.

`decide_unit(snapshot, now)` settles, in this order: deadlines that passed; cancellation; outputs
that the stage's validator refused; results against a canonical one that stands already; a quorum;
limits; and how many tasks are still needed. What a validator has not looked at yet is not judged:
the plan then asks for that (`compare`), and the unit is decided on when it is known. It answers
one plan, and the plan leaves nothing to do at once: deciding again changes nothing.
"""

from dataclasses import dataclass, field

from .credit import agreed_ops, credit_micro
from .model import Alert, TaskChange, TaskSnapshot, UnitChange, UnitPlan, UnitSnapshot, UnitState
from .quorum import agree, find_agreement, largest, needed, usable
from .transition import BATCH_LIVE

MICROSECONDS = 1_000_000


@dataclass
class _Draft:
    """A plan in the making: the tasks as they will be, and the changes that lead there."""

    unit: UnitSnapshot
    state: UnitState
    tasks: dict[int, TaskSnapshot]
    changes: dict[int, TaskChange] = field(default_factory=dict)
    steps: list[UnitChange] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    canonical: TaskSnapshot | None = None
    assimilate: bool = False
    target: int | None = None
    new_tasks: int = 0
    compare: bool = False

    def step(self, state: UnitState, reason: str) -> None:
        self.state = state
        self.steps.append(UnitChange(state, reason))

    def change(self, task: TaskSnapshot, change: TaskChange) -> None:
        before = self.changes.get(task.id)
        if before is not None and change.state is None:
            change = TaskChange(
                task.id, before.state, change.verdict, change.reason, change.credit_micro
            )
        self.changes[task.id] = change
        judged = change.state in (None, "success")
        self.tasks[task.id] = TaskSnapshot(
            id=task.id,
            n=task.n,
            state=change.state or task.state,
            verdict=change.verdict or task.verdict if judged else None,
            host_id=task.host_id,
            account_id=task.account_id,
            subnet=task.subnet,
            sent_at=task.sent_at,
            deadline_at=task.deadline_at,
            received_at=task.received_at,
            manifest=task.manifest,
            ops=task.ops,
            profile=task.profile,
            exit_code=task.exit_code,
            reason=change.reason or task.reason,
            credit_micro=task.credit_micro if change.credit_micro is None else change.credit_micro,
        )

    def in_state(self, *states: str) -> list[TaskSnapshot]:
        return [task for task in self.tasks.values() if task.state in states]


def decide_unit(unit: UnitSnapshot, now: int) -> UnitPlan:
    """Decide on one unit at time ``now`` (µs). Pure; calling it on the outcome plans nothing."""
    draft = _Draft(unit, unit.state, {task.id: task for task in unit.tasks})
    _time_out(draft, now)
    if draft.state in ("open", "provisional") and _has_ended(unit):
        failed = unit.batch_state == "failed" or unit.stage_state == "failed"
        _end(draft, "cancelled", "batch_failed" if failed else "batch_cancelled")
    if unit.placement == "grid":
        _judge(draft)
    return _plan(draft)


def _has_ended(unit: UnitSnapshot) -> bool:
    return unit.batch_state not in BATCH_LIVE or unit.stage_state in ("failed", "cancelled")


def _time_out(draft: _Draft, now: int) -> None:
    grace = draft.unit.policy.grace_s * MICROSECONDS
    for task in draft.in_state("in_progress"):
        if task.deadline_at is not None and task.deadline_at + grace <= now:
            draft.change(task, TaskChange(task.id, "timed_out", None, "deadline"))


def _judge(draft: _Draft) -> None:
    if draft.state not in ("cancelled", "retired"):
        _check_outputs(draft)
    if draft.state in ("valid", "assimilated"):
        _judge_stragglers(draft)
    elif draft.state == "open":
        _judge_open(draft)
    elif draft.state == "failed":
        _rescue(draft)
    elif draft.state == "cancelled":
        _leave_undecided(draft, "undecided")
    elif draft.state == "retired":
        for task in draft.in_state("success"):
            if task.verdict in ("pending", "inconclusive"):
                draft.change(task, TaskChange(task.id, None, "too_late", "retired"))


def _check_outputs(draft: _Draft) -> None:
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


def _judge_stragglers(draft: _Draft) -> None:
    """A result after the canonical one is compared with it alone, for the same credit."""
    wanted = draft.unit.canonical_manifest
    unknown = needed(draft.tasks.values(), draft.unit.relation, wanted)
    draft.compare = bool(unknown)
    waiting = {manifest for pair in unknown.pairs for manifest in pair} - {wanted}
    granted = [t.credit_micro for t in draft.tasks.values() if t.credit_micro is not None]
    agreed = [t for t in draft.in_state("success") if t.verdict == "valid"]
    for task in draft.in_state("success"):
        if task.verdict not in ("pending", "inconclusive") or task.manifest in waiting:
            continue
        if agree(task.manifest, wanted, draft.unit.relation):
            alike = [t for t in agreed if (t.profile, t.manifest) == (task.profile, task.manifest)]
            if task.ops not in {t.ops for t in alike}:
                _watch_ops(draft, [*alike, task])
            agreed.append(task)
            credit = min(granted) if granted else credit_micro(task.ops)
            draft.change(task, TaskChange(task.id, None, "valid", "agrees", _once(task, credit)))
        else:
            draft.change(task, TaskChange(task.id, None, "invalid", "differs"))
    _drop_unsent(draft, "decided")


def _once(task: TaskSnapshot, credit: int) -> int | None:
    """A task that was credited before (its unit was reopened) is not credited again."""
    return credit if task.credit_micro is None else None


def _judge_open(draft: _Draft) -> None:
    relation = draft.unit.relation
    draft.compare = bool(needed(draft.tasks.values(), relation))
    if not draft.compare and _accept_quorum(draft):
        return
    policy = draft.unit.policy
    results = usable(draft.tasks.values())
    undecided = draft.compare and len(results) >= policy.quorum
    if len(draft.in_state("error")) > policy.max_errors and not undecided:
        _end(draft, "failed", "too_many_errors")
        return
    target = draft.unit.target
    if len(results) >= policy.quorum and not draft.compare:
        if len(results) > policy.max_successes:
            _end(draft, "failed", "no_agreement")
            return
        _leave_undecided(draft, "no_quorum")
        target = max(target, len(results) + policy.quorum - largest(results, relation))
        if target != draft.unit.target:
            draft.target = target
    live = len(draft.in_state("unsent", "in_progress"))
    wanted = target - live - len(results)
    room = policy.max_tasks - len(draft.tasks)
    draft.new_tasks = max(0, min(wanted, room))
    best = len(results) if draft.compare else largest(results, relation)
    if live + draft.new_tasks + best < policy.quorum:
        # What is out or may still be sent cannot complete a quorum any more.
        draft.new_tasks = 0
        _end(draft, "failed", "too_many_tasks")


def _accept_quorum(draft: _Draft) -> bool:
    results = usable(draft.tasks.values())
    agreement = find_agreement(results, draft.unit.policy.quorum, draft.unit.relation)
    if agreement is None:
        return False
    members = [draft.tasks[task_id] for task_id in agreement.members]
    credit = credit_micro(agreed_ops(task.ops for task in members))
    _watch_ops(draft, members)
    for task in results:
        if task.id in agreement.members:
            if task.verdict != "valid":
                draft.change(
                    task, TaskChange(task.id, None, "valid", "agrees", _once(task, credit))
                )
        else:
            draft.change(task, TaskChange(task.id, None, "invalid", "differs"))
    draft.canonical = draft.tasks[agreement.canonical]
    draft.step("valid", "quorum")
    draft.step("assimilated", "indexed")
    draft.assimilate = True
    _drop_unsent(draft, "decided")
    return True


def _watch_ops(draft: _Draft, members: list[TaskSnapshot]) -> None:
    """Equal bytes by unequal ops within one profile: worth a look, never a verdict.

    Not where programs write their own checkpoints: what was done again after one counts twice.
    """
    if draft.unit.checkpoint == "app":
        return
    by_profile: dict[tuple[str, bytes], set[int]] = {}
    for task in members:
        by_profile.setdefault((task.profile, task.manifest or b""), set()).add(task.ops)
    for (profile, _), ops in sorted(by_profile.items()):
        if len(ops) > 1:
            counted = ", ".join(str(count) for count in sorted(ops))
            draft.alerts.append(
                Alert(
                    "ops_differ",
                    f"unit {draft.unit.id}: agreeing results of profile {profile or '?'} "
                    f"counted different ops: {counted}",
                )
            )


def _rescue(draft: _Draft) -> None:
    """A late result may complete the quorum of a unit that was given up, while its batch lives."""
    unit = draft.unit
    if not _has_ended(unit) and unit.stage_state == "running":
        late = [task for task in draft.in_state("success") if task.verdict == "pending"]
        results = usable(draft.tasks.values())
        draft.compare = bool(late and needed(results, unit.relation))
        if draft.compare:
            return
        if late and find_agreement(results, unit.policy.quorum, unit.relation) is not None:
            draft.step("open", "rescued")
            _accept_quorum(draft)
            return
    _leave_undecided(draft, "undecided")


def _end(draft: _Draft, state: UnitState, reason: str) -> None:
    draft.step(state, reason)
    draft.target = None
    draft.compare = False
    _drop_unsent(draft, "unit_failed" if state == "failed" else "unit_cancelled")
    _leave_undecided(draft, "undecided")


def _leave_undecided(draft: _Draft, reason: str) -> None:
    for task in draft.in_state("success"):
        if task.verdict == "pending":
            draft.change(task, TaskChange(task.id, None, "inconclusive", reason))


def _drop_unsent(draft: _Draft, reason: str) -> None:
    for task in draft.in_state("unsent"):
        draft.change(task, TaskChange(task.id, "unneeded", None, reason))


def _plan(draft: _Draft) -> UnitPlan:
    unit = draft.unit
    grace = unit.policy.grace_s * MICROSECONDS
    deadlines = [
        task.deadline_at + grace
        for task in draft.in_state("in_progress")
        if task.deadline_at is not None
    ]
    canonical = draft.canonical
    return UnitPlan(
        unit_id=unit.id,
        version=unit.version,
        steps=tuple(draft.steps),
        tasks=tuple(draft.changes.values()),
        new_tasks=draft.new_tasks,
        target=draft.target,
        canonical_task=canonical.id if canonical else None,
        canonical_manifest=canonical.manifest if canonical else None,
        assimilate=draft.assimilate,
        due_at=min(deadlines, default=None),
        alerts=tuple(draft.alerts),
        compare=draft.compare,
    )


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
