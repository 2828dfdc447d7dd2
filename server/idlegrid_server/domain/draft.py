"""A plan for a work unit in the making: the tasks as they will be, and the changes that lead there.

The moves that all replication policies share are here; which of them to make is decided in
:mod:`.unit`, :mod:`.fixed` and :mod:`.credible`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from .credit import worth
from .matching import BEGUN, RESERVED
from .model import (
    Alert,
    Check,
    Hold,
    Standing,
    TaskChange,
    TaskSnapshot,
    UnitChange,
    UnitPlan,
    UnitSnapshot,
    UnitState,
)
from .quorum import agree, needed, usable
from .trust import checks_of, is_void, reserved_s, reserves

MICROSECONDS = 1_000_000
#: Why a result is inconclusive that others contradict; hosts count theirs (Standing.disputes).
DISPUTED = "disputed"


@dataclass
class Draft:
    """What has been decided so far."""

    unit: UnitSnapshot
    now: int
    state: UnitState
    tasks: dict[int, TaskSnapshot]
    changes: dict[int, TaskChange] = field(default_factory=dict)
    steps: list[UnitChange] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    checks: tuple[Check, ...] = ()
    canonical: TaskSnapshot | None = None
    assimilate: bool = False
    target: int | None = None
    new_tasks: int = 0
    hold: Hold | None = None
    agreed_micro: int | None = None
    compare: bool = False
    standings: dict[int, Standing] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: UnitSnapshot, now: int) -> "Draft":
        """Nothing decided yet."""
        return cls(
            unit,
            now,
            unit.state,
            {task.id: task for task in unit.tasks},
            standings={standing.host_id: standing for standing in unit.standings},
        )

    def step(self, state: UnitState, reason: str) -> None:
        """One step of the unit's life cycle."""
        self.state = state
        self.steps.append(UnitChange(state, reason))

    def change(self, task: TaskSnapshot, change: TaskChange) -> None:
        """Change a task, beside what was changed of it before."""
        before = self.changes.get(task.id)
        if before is not None and change.state is None:
            change = msgspec.structs.replace(change, state=before.state)
        self.changes[task.id] = change
        judged = change.state in (None, "success")
        self.tasks[task.id] = msgspec.structs.replace(
            task,
            state=change.state or task.state,
            verdict=(change.verdict or task.verdict) if judged else None,
            reason=change.reason or task.reason,
            credit_micro=task.credit_micro if change.credit_micro is None else change.credit_micro,
        )

    def in_state(self, *states: str) -> list[TaskSnapshot]:
        """Its tasks in one of these states."""
        return [task for task in self.tasks.values() if task.state in states]

    def results(self) -> list[TaskSnapshot]:
        """Results that may be judged, in the order they came."""
        return usable(self.tasks.values())

    def votes(self) -> list[TaskSnapshot]:
        """Those of them that have a vote: not of hosts that were caught (rule 10 of trust)."""
        return [task for task in self.results() if not is_void(task, self.standings)]

    def waits_for_validator(self) -> bool:
        """Whether outputs must be looked at first; the plan then asks for that."""
        self.compare = bool(needed(self.tasks.values(), self.unit.relation))
        return self.compare

    # --- moves

    def accept(self, canonical: bytes, group: Sequence[TaskSnapshot], reason: str) -> None:
        """Take the group that agrees with ``canonical`` for right, and judge all results by it."""
        members = {task.id for task in group}
        agreeing: list[TaskSnapshot] = list(group)
        others: list[TaskSnapshot] = []
        for task in self.results():
            if task.id in members:
                continue
            alike = agree(task.manifest, canonical, self.unit.relation)
            (agreeing if alike else others).append(task)
        self.checks = checks_of(
            group, others, self.standings, self.unit.policy, self.unit.typical_ops
        )
        credit = worth(group, self.unit)
        self.agreed_micro = credit if len(group) > 1 else None
        self.watch_ops(agreeing)
        for task in agreeing:
            if task.verdict != "valid":
                self.change(task, TaskChange(task.id, None, "valid", "agrees", once(task, credit)))
        for task in others:
            self.change(task, TaskChange(task.id, None, "invalid", "differs"))
        self.canonical = min(
            (task for task in group if task.manifest == canonical),
            key=lambda task: (task.received_at or 0, task.id),
        )
        self.step("valid", reason)
        self.step("assimilated", "indexed")
        self.assimilate = True
        self.drop_unsent("decided")

    def watch_ops(self, members: Iterable[TaskSnapshot]) -> None:
        """Equal bytes by unequal ops within one profile: worth a look, never a verdict.

        Not where programs write their own checkpoints: what was done again after one counts twice.
        """
        if self.unit.checkpoint == "app":
            return
        by_profile: dict[tuple[str, bytes], set[int]] = {}
        for task in members:
            by_profile.setdefault((task.profile, task.manifest or b""), set()).add(task.ops)
        for (profile, _), ops in sorted(by_profile.items()):
            if len(ops) > 1:
                counted = ", ".join(str(count) for count in sorted(ops))
                self.alerts.append(
                    Alert(
                        "ops_differ",
                        f"unit {self.unit.id}: agreeing results of profile {profile or '?'} "
                        f"counted different ops: {counted}",
                    )
                )

    def want(self, target: int, voices: int) -> None:
        """Have as many tasks as it takes for ``target`` results; ``voices`` are there already."""
        if target != self.unit.target:
            self.target = target
        live = len(self.in_state("unsent", "in_progress"))
        room = self.unit.policy.max_tasks - len(self.tasks)
        self.new_tasks = max(0, min(target - live - voices, room))

    def end(self, state: UnitState, reason: str) -> None:
        """Give the unit up."""
        self.step(state, reason)
        self.target = None
        self.new_tasks = 0
        self.compare = False
        self.drop_unsent("unit_failed" if state == "failed" else "unit_cancelled")
        self.leave_undecided("undecided")

    def leave_undecided(self, reason: str) -> None:
        """Results that were looked at, and not enough agree."""
        for task in self.in_state("success"):
            disputed = task.verdict == "inconclusive" and task.reason == DISPUTED
            if task.verdict == "pending" or disputed:
                self.change(task, TaskChange(task.id, None, "inconclusive", reason))

    def dispute(self, votes: Iterable[TaskSnapshot]) -> None:
        """These contradict each other: until it is decided, nothing of their hosts is final."""
        for task in votes:
            if task.verdict != "valid" and task.reason != DISPUTED:
                self.change(task, TaskChange(task.id, None, "inconclusive", DISPUTED))

    def drop_unsent(self, reason: str) -> None:
        """Nobody needs to have these."""
        for task in self.in_state("unsent"):
            self.change(task, TaskChange(task.id, "unneeded", None, reason))

    def plan(self) -> UnitPlan:
        """All of it, to be applied."""
        unit = self.unit
        rank, reserved_until = self._rank()
        grace = unit.policy.grace_s * MICROSECONDS
        looks = [
            task.deadline_at + grace
            for task in self.in_state("in_progress")
            if task.deadline_at is not None
        ]
        if reserved_until is not None:
            looks.append(reserved_until)
        canonical = self.canonical
        return UnitPlan(
            unit_id=unit.id,
            version=unit.version,
            steps=tuple(self.steps),
            tasks=tuple(self.changes.values()),
            new_tasks=self.new_tasks,
            target=self.target,
            canonical_task=canonical.id if canonical else None,
            canonical_manifest=canonical.manifest if canonical else None,
            agreed_micro=self.agreed_micro,
            assimilate=self.assimilate,
            due_at=min(looks, default=None),
            alerts=tuple(self.alerts),
            checks=self.checks,
            hold=self.hold,
            compare=self.compare,
            rank=rank,
            reserved_until=reserved_until,
        )

    def _rank(self) -> tuple[int | None, int | None]:
        """Who may have the tasks that are to be sent (None = as it was), and until when."""
        unit = self.unit
        waiting = len(self.in_state("unsent"))
        if self.new_tasks and len(self.tasks) > 0 and reserves(unit.fleet):
            return RESERVED, self.now + reserved_s(unit.policy) * MICROSECONDS
        if waiting + self.new_tasks and unit.rank == RESERVED:
            if unit.reserved_until is not None and unit.reserved_until > self.now:
                return None, unit.reserved_until
            return BEGUN, None
        return None, None


def once(task: TaskSnapshot, credit: int) -> int | None:
    """A task that was credited before (its unit was reopened) is not credited again."""
    return credit if task.credit_micro is None else None
