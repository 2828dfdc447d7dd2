"""A grid in memory, driven by the pure core: the smallest thing that applies plans honestly.

It keeps what the store keeps (units, tasks, credit, an event list), checks every step against the
transition tables, and refuses plans whose version is stale. No clock but its own.
"""

import hashlib
from dataclasses import dataclass, field

import msgspec

from idlegrid_server.domain.matching import Distinct, choose, clashes, room
from idlegrid_server.domain.model import (
    BatchState,
    Candidate,
    HostSnapshot,
    Peer,
    TaskSnapshot,
    UnitPlan,
    UnitSnapshot,
)
from idlegrid_server.domain.report import Outcome, ReportDecision, accept_report
from idlegrid_server.domain.resend import find_lost
from idlegrid_server.domain.transition import check_transition
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

SECOND = 1_000_000


@dataclass
class Event:
    kind: str
    object_id: int
    before: str
    after: str


@dataclass
class Grid:
    """Units of one batch on a handful of hosts."""

    policy: Policy
    hosts: dict[int, HostSnapshot]
    distinct: tuple[Distinct, ...] = ("host", "account", "subnet")
    now: int = 1_000 * SECOND
    batch_state: BatchState = "running"
    units: dict[int, UnitSnapshot] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    credit: dict[int, int] = field(default_factory=dict)
    index: dict[int, bytes] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    next_task: int = 1

    # -- events of the world ------------------------------------------------------------------

    def submit(self, count: int) -> None:
        """Units with their first tasks, as a submission makes them."""
        for _ in range(count):
            unit_id = len(self.units) + 1
            self.units[unit_id] = UnitSnapshot(
                id=unit_id,
                stage_id=1,
                batch_id=1,
                index=unit_id - 1,
                state="open",
                version=0,
                policy=self.policy,
                tasks=(),
                target=self.policy.replicas,
            )
            self.log("unit", unit_id, "", "open")
            self.make_tasks(unit_id, self.policy.replicas)

    def make_tasks(self, unit_id: int, count: int) -> None:
        unit = self.units[unit_id]
        made = []
        for _ in range(count):
            made.append(
                TaskSnapshot(id=self.next_task, n=len(unit.tasks) + len(made), state="unsent")
            )
            self.log("task", self.next_task, "", "unsent")
            self.next_task += 1
        self.replace(unit, tasks=unit.tasks + tuple(made))

    def dispatch(self, host_id: int, wanted: int) -> list[int]:
        """Give a host up to ``wanted`` tasks; returns their ids."""
        if self.batch_state != "running":
            return []
        host = self.host(host_id)
        wanted, _ = room(host, wanted)
        candidates = [
            Candidate(
                unit.id,
                int(any(task.state != "unsent" for task in unit.tasks)),
                tuple(Peer(t.state, t.host_id, t.account_id, t.subnet) for t in unit.tasks),
            )
            for unit in self.units.values()
            if any(task.state == "unsent" for task in unit.tasks)
        ]
        sent = []
        for unit_id in choose(host, candidates, wanted, self.distinct).units:
            unit = self.units[unit_id]
            task = next(task for task in unit.tasks if task.state == "unsent")
            deadline = self.now + self.policy.deadline_s * SECOND
            self.change_task(
                unit_id,
                task.id,
                state="in_progress",
                host_id=host.id,
                account_id=host.account_id,
                subnet=host.subnet,
                sent_at=self.now,
                deadline_at=deadline,
            )
            due = deadline + self.policy.grace_s * SECOND
            self.due[unit_id] = min(self.due.get(unit_id, due), due)
            sent.append(task.id)
        return sent

    def report(
        self, task_id: int, host_id: int, outcome: Outcome, word: str = "", reason: str = "trap"
    ) -> ReportDecision:
        """A host reports a task: a success says ``word``."""
        unit_id, task = self.find(task_id)
        decision = accept_report(
            task, host_id, outcome, reason, replaced=self.is_replaced(unit_id, task)
        )
        if decision.fate == "accepted" and unit_id is not None:
            assert decision.state is not None
            self.change_task(
                unit_id,
                task_id,
                state=decision.state,
                verdict=decision.verdict,
                reason=decision.reason,
                received_at=self.now,
                manifest=hashlib.sha256(word.encode()).digest() if outcome == "success" else None,
                ops=10**12,
            )
            self.wake(unit_id)
        return decision

    def wake(self, unit_id: int) -> None:
        """Have a pass look now; what was due already keeps its place, as in the store."""
        self.due[unit_id] = min(self.due.get(unit_id, self.now), self.now)

    def is_replaced(self, unit_id: int | None, task: TaskSnapshot | None) -> bool:
        """Whether the unit has another live task in hands that must not have two."""
        if unit_id is None or task is None:
            return False
        peers = {
            t.id: Peer(t.state, t.host_id, t.account_id, t.subnet)
            for t in self.units[unit_id].tasks
        }
        mine = peers.pop(task.id)
        return clashes(mine, list(peers.values()), self.distinct)

    def leave(self, host_id: int) -> None:
        """A host detaches: its tasks are lost."""
        for unit in list(self.units.values()):
            for task in unit.tasks:
                if task.state == "in_progress" and task.host_id == host_id:
                    self.change_task(unit.id, task.id, state="lost", reason="detached")
                    self.wake(unit.id)

    def resend(self, host_id: int, held: set[int]) -> list[int]:
        """A host's exchange: what it lost is offered again."""
        lost = find_lost(self.in_progress(host_id), held, (), self.now, 10)
        for again in lost:
            unit_id, task = self.find(again.task_id)
            assert unit_id is not None
            assert task is not None
            if task.deadline_at is not None and again.deadline_at < task.deadline_at:
                self.broken.append("a resent task got an earlier deadline")
            self.change_task(unit_id, again.task_id, deadline_at=again.deadline_at)
        return [again.task_id for again in lost]

    def end_batch(self, state: BatchState) -> None:
        """Cancel or fail the batch: every unit is due."""
        self.batch_state = state
        for unit in list(self.units.values()):
            stage = "cancelled" if state == "cancelled" else "failed"
            self.replace(unit, batch_state=state, stage_state=stage)
            self.wake(unit.id)

    def run_pass(self, limit: int = 1_000) -> int:
        """Decide on units that are due; returns how many."""
        claimed = [unit for unit, at in sorted(self.due.items()) if at <= self.now][:limit]
        plans = [decide_unit(self.units[unit], self.now) for unit in claimed]
        for plan in plans:
            self.apply(plan)
        return len(claimed)

    # -- applying ------------------------------------------------------------------------------

    def apply(self, plan: UnitPlan) -> bool:
        """Apply a plan unless its unit has changed meanwhile."""
        unit = self.units[plan.unit_id]
        if unit.version != plan.version:
            return False
        for change in plan.tasks:
            _, task = self.find(change.task_id)
            assert task is not None
            values: dict[str, object] = {"reason": change.reason}
            if change.state is not None:
                values["state"] = change.state
            if change.verdict is not None:
                values["verdict"] = change.verdict
            if change.credit_micro is not None:
                if change.task_id in self.credit:
                    self.broken.append(f"task {change.task_id} was credited twice")
                self.credit[change.task_id] = change.credit_micro
                values["credit_micro"] = change.credit_micro
            self.change_task(unit.id, change.task_id, **values)
        for step in plan.steps:
            before = self.units[unit.id].state
            check_transition("unit", before, step.state)
            self.log("unit", unit.id, before, step.state)
            self.replace(self.units[unit.id], state=step.state, reason=step.reason)
        if plan.canonical_manifest is not None:
            self.replace(
                self.units[unit.id],
                canonical_task=plan.canonical_task,
                canonical_manifest=plan.canonical_manifest,
            )
        if plan.assimilate:
            if unit.id in self.index:
                self.broken.append(f"unit {unit.id} entered the index twice")
            self.index[unit.id] = self.units[unit.id].canonical_manifest or b""
        if plan.target is not None:
            self.replace(self.units[unit.id], target=plan.target)
        if plan.new_tasks:
            self.make_tasks(unit.id, plan.new_tasks)
        if plan.due_at is None:
            self.due.pop(unit.id, None)
        else:
            self.due[unit.id] = plan.due_at
        return True

    def change_task(self, unit_id: int, task_id: int, **values: object) -> None:
        unit = self.units[unit_id]
        changed = []
        for task in unit.tasks:
            if task.id == task_id:
                after = msgspec.structs.replace(task, **values)
                if after.state != task.state:
                    check_transition("task", task.state, after.state)
                    self.log("task", task_id, task.state, after.state)
                if after.verdict != task.verdict:
                    check_transition("verdict", task.verdict or "", after.verdict or "")
                task = after
            changed.append(task)
        self.replace(unit, tasks=tuple(changed))

    def replace(self, unit: UnitSnapshot, **values: object) -> None:
        values.setdefault("version", unit.version + 1)
        self.units[unit.id] = msgspec.structs.replace(unit, **values)

    def log(self, kind: str, object_id: int, before: str, after: str) -> None:
        self.events.append(Event(kind, object_id, before, after))

    # -- looking -------------------------------------------------------------------------------

    def find(self, task_id: int) -> tuple[int | None, TaskSnapshot | None]:
        for unit in self.units.values():
            for task in unit.tasks:
                if task.id == task_id:
                    return unit.id, task
        return None, None

    def tasks(self) -> list[TaskSnapshot]:
        return [task for unit in self.units.values() for task in unit.tasks]

    def in_progress(self, host_id: int) -> list[TaskSnapshot]:
        return [t for t in self.tasks() if t.state == "in_progress" and t.host_id == host_id]

    def host(self, host_id: int) -> HostSnapshot:
        return msgspec.structs.replace(
            self.hosts[host_id], in_progress=len(self.in_progress(host_id))
        )
