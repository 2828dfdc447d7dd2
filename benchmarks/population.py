"""A population of hosts, good and bad, that computes a batch: how much of it ends up wrong.

Hosts, units and results are values in memory, but every decision is the server's own: `decide_unit`
and the rules of trust. Time goes in rounds; in each, every host returns a task and takes another.
The model is that of TRUST.md: liars lie on the same units, say the same, and come back under a new
name as soon as they are caught.
"""

import random
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from idlegrid_server.domain import trust
from idlegrid_server.domain.draft import DISPUTED
from idlegrid_server.domain.finish import HeldUnit, audits_at_end
from idlegrid_server.domain.model import (
    Check,
    Fleet,
    Hold,
    Standing,
    TaskChange,
    TaskSnapshot,
    UnitPlan,
    UnitSnapshot,
)
from idlegrid_server.domain.reputation import Reputation, add_check, standing
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

ROUND_US = 3_600 * 1_000_000
OPS = 10**12
RIGHT, WRONG = b"right", b"wrong"

#: plain: lies on a share of units from the start; patient: is honest for a while first; broken: all
#: that it returns is wrong, and nobody else says the same.
Kind = Literal["honest", "plain", "patient", "broken"]


@dataclass
class Host:
    """One machine. ``id`` changes when it comes back under a new name."""

    id: int
    kind: Kind
    done: int = 0
    task: tuple[int, int] | None = None  # unit, task
    caught: bool = False


@dataclass
class Unit:
    """A unit's mutable state between decisions."""

    id: int
    tasks: list[TaskSnapshot] = field(default_factory=list)
    target: int = 1
    state: str = "open"
    rank: int = 0
    reserved_until: int | None = None
    hold: Hold | None = None
    canonical: TaskSnapshot | None = None


@dataclass
class Outcome:
    """What a run came to. ``tasks`` are all that were computed, needed or not."""

    units: int
    tasks: int = 0
    wrong: int = 0
    failed: int = 0
    lies: int = 0  # wrong results returned
    lies_alone: int = 0  # of them: held as a single result
    lies_final: int = 0  # of the singles: made final
    caught: int = 0  # identities
    rounds: int = 0

    @property
    def cost(self) -> float:
        """Tasks computed for a unit."""
        return self.tasks / self.units


@dataclass
class Population:
    """``lie_share`` is s of TRUST.md; ``house`` of the honest hosts are the project's own."""

    policy: Policy
    honest: int
    bad: int
    units: int
    seed: int
    kind: Kind = "plain"
    lie_share: float = 1.0
    patience: int = 0
    house: int = 0
    rejoin: bool = True

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.hosts = [Host(i, "honest") for i in range(self.honest)]
        self.hosts += [Host(self.honest + i, self.kind) for i in range(self.bad)]
        self.next_host = len(self.hosts)
        self.standings: dict[int, Standing] = {
            host.id: Standing(host.id, house=place < self.house)
            for place, host in enumerate(self.hosts)
        }
        self.owner = {host.id: host for host in self.hosts}
        self.all = [Unit(i, target=self.policy.first_tasks) for i in range(self.units)]
        self.fresh = deque(range(self.units))
        self.queues: dict[int, deque[int]] = {1: deque(), 2: deque()}
        self.singles: dict[int, set[int]] = defaultdict(set)
        self.known: dict[int, Reputation] = {}
        self.settled: list[int] = []
        self.released: dict[int, int] = {}
        self.draw_seed = self.rng.randbytes(32)
        self.lie_seed = self.rng.randbytes(32)
        self.next_task = 0
        self.left = self.units
        self.now = 0
        self.out = Outcome(self.units)
        self.proven = sum(trust.is_proven(s, self.policy) for s in self.standings.values())

    # --- the run

    def run(self) -> Outcome:
        """Until every unit has ended."""
        for unit in self.all:
            self._make_tasks(unit, unit.target)
        while self.left:
            self.now += ROUND_US
            self.out.rounds += 1
            self.rng.shuffle(self.hosts)
            for host in self.hosts:
                if host.task is not None:
                    self._report(host)
                if host.caught and self.rejoin:
                    self._come_back(host)
                if self.left:
                    self._take(host)
            if not self.fresh:
                self._finish()
            if self.out.rounds > 100_000:
                raise RuntimeError(f"{self.left} units never end")
        for unit in self.all:
            if unit.canonical is not None and unit.canonical.manifest != RIGHT:
                self.out.wrong += 1
        return self.out

    def _come_back(self, host: Host) -> None:
        host.caught = False
        host.done = 0
        host.id = self.next_host
        self.next_host += 1
        self.standings[host.id] = Standing(host.id)
        self.owner[host.id] = host

    def _manifest(self, host: Host, unit_id: int) -> bytes:
        if host.kind == "broken":
            return b"broken %d" % host.id
        patient = host.kind == "patient" and host.done < self.patience
        if host.kind == "honest" or patient:
            return RIGHT
        lies = trust.draw(self.lie_seed, "lie", unit_id) < self.lie_share
        return WRONG if lies else RIGHT

    def _report(self, host: Host) -> None:
        assert host.task is not None
        unit_id, task_id = host.task
        host.task = None
        unit = self.all[unit_id]
        manifest = self._manifest(host, unit_id)
        host.done += 1
        self.out.tasks += 1
        self.out.lies += manifest != RIGHT
        for place, task in enumerate(unit.tasks):
            if task.id == task_id:
                unit.tasks[place] = msgspec.structs.replace(
                    task,
                    state="success",
                    verdict="pending",
                    received_at=self.now + self.out.tasks,
                    manifest=manifest,
                    ops=OPS,
                )
        self._decide([unit_id])

    # --- the server's part

    def _snapshot(self, unit: Unit) -> UnitSnapshot:
        hosts = {task.host_id for task in unit.tasks if task.host_id is not None}
        return UnitSnapshot(
            id=unit.id,
            stage_id=1,
            batch_id=1,
            index=unit.id,
            state=unit.state,  # type: ignore[arg-type]
            version=0,
            policy=self.policy,
            tasks=tuple(unit.tasks),
            target=unit.target,
            canonical_task=unit.canonical.id if unit.canonical else None,
            canonical_manifest=unit.canonical.manifest if unit.canonical else None,
            standings=tuple(self.standings[host_id] for host_id in hosts),
            fleet=Fleet(len(self.hosts), self.proven),
            draw_seed=self.draw_seed,
            hold=unit.hold,
            rank=unit.rank,
            reserved_until=unit.reserved_until,
        )

    def _decide(self, due: list[int]) -> None:
        while due:
            unit = self.all[due.pop()]
            plan = decide_unit(self._snapshot(unit), self.now + self.out.tasks)
            due += self._apply(unit, plan)

    def _apply(self, unit: Unit, plan: UnitPlan) -> list[int]:
        changes = {change.task_id: change for change in plan.tasks}
        for place, task in enumerate(unit.tasks):
            change = changes.get(task.id)
            if change is not None:
                self._dispute(task, change)
                unit.tasks[place] = msgspec.structs.replace(
                    task,
                    state=change.state or task.state,
                    verdict=change.verdict or task.verdict,
                    reason=change.reason or task.reason,
                    credit_micro=task.credit_micro
                    if change.credit_micro is None
                    else change.credit_micro,
                )
        before = unit.hold
        was_alone = unit.state == "provisional"
        for step in plan.steps:
            if was_alone and step.reason == "final" and unit.canonical is not None:
                self.out.lies_final += unit.canonical.manifest != RIGHT
            unit.state = step.state
        if plan.canonical_manifest is not None:
            found = [task for task in unit.tasks if task.id == plan.canonical_task]
            unit.canonical = found[0]
        elif unit.state == "open":
            unit.canonical = None
        unit.hold = plan.hold
        if plan.hold is not None and before is None:
            self.singles[plan.hold.host_id].add(unit.id)
            assert unit.canonical is not None
            self.out.lies_alone += unit.canonical.manifest != RIGHT
        if before is not None and plan.hold is None:
            self.singles[before.host_id].discard(unit.id)
        if plan.target is not None:
            unit.target = plan.target
        if plan.rank is not None:
            unit.rank = plan.rank
        unit.reserved_until = plan.reserved_until
        self._make_tasks(unit, plan.new_tasks)
        if unit.state in ("assimilated", "failed") and plan.steps:
            self.left -= 1
            self.out.failed += unit.state == "failed"
        return self._check(plan)

    def _dispute(self, task: TaskSnapshot, change: TaskChange) -> None:
        if task.host_id is None or task.state != "success" or not change.reason:
            return
        difference = (change.reason == DISPUTED) - (task.reason == DISPUTED)
        old = self.standings[task.host_id]
        if difference:
            new = msgspec.structs.replace(old, disputes=old.disputes + difference)
            self.standings[task.host_id] = new
            if not new.disputes:
                self.settled.append(task.host_id)

    def _check(self, plan: UnitPlan) -> list[int]:
        woken: list[int] = [u for host_id in self.settled for u in self.singles[host_id]]
        self.settled.clear()
        for check in plan.checks:
            old = self.standings[check.host_id]
            new = self._checked(old, check)
            if self.policy.replication != "credibility":
                new = msgspec.structs.replace(new, state=old.state)  # BOINC shuts nobody out
            elif trust.is_shut_out(new.state) and not trust.is_shut_out(old.state):
                self.released[check.host_id] = trust.shut_out_until(self.now, 0)
            self.standings[check.host_id] = new
            self.proven += trust.is_proven(new, self.policy) - trust.is_proven(old, self.policy)
            owner = self.owner[check.host_id]
            if not check.passed:
                self.out.caught += 1
                owner.caught = owner.caught or (
                    owner.id == check.host_id and owner.kind != "honest"
                )
                woken += self.singles[check.host_id]
            else:
                holds = ((u, self.all[u].hold) for u in self.singles[check.host_id])
                woken += [u for u, hold in holds if hold and hold.final_at <= new.checks]
        return woken

    def _checked(self, old: Standing, check: Check) -> Standing:
        """A standing after a check; nothing fades in so short a time."""
        at = self.now + self.out.tasks
        before = self.known.get(check.host_id) or Reputation(check.host_id, "", faded_at=at)
        after = self.known[check.host_id] = add_check(before, check, at)
        step = trust.next_standing(old.state, before.passed, after.failed)
        state = old.state if check.passed or step is None else step[0]
        return standing(check.host_id, state, old.house, after, after, at, old.disputes)

    def _make_tasks(self, unit: Unit, count: int) -> None:
        for _ in range(count):
            unit.tasks.append(TaskSnapshot(self.next_task, len(unit.tasks), "unsent"))
            self.next_task += 1
            if unit.rank:
                self.queues[unit.rank].append(unit.id)

    def _take(self, host: Host) -> None:
        known = self.standings[host.id]
        if trust.is_shut_out(known.state):
            if self.now < self.released[host.id]:
                return
            known = msgspec.structs.replace(known, state="probation")
            self.standings[host.id] = known
        if trust.is_proven(known, self.policy) and self._take_from(host, 2):
            return
        if self._take_from(host, 1):
            return
        while self.fresh:
            unit = self.all[self.fresh.popleft()]
            if self._give(host, unit):
                unit.rank = unit.rank or 1
                waiting = sum(task.state == "unsent" for task in unit.tasks)
                self.queues[1].extend([unit.id] * waiting)
                return

    def _take_from(self, host: Host, rank: int) -> bool:
        queue = self.queues[rank]
        for _ in range(min(len(queue), 20)):
            unit = self.all[queue.popleft()]
            if unit.rank == rank and self._give(host, unit):
                return True
            if any(task.state == "unsent" for task in unit.tasks):
                self.queues[unit.rank or 1].append(unit.id)
        return False

    def _give(self, host: Host, unit: Unit) -> bool:
        if any(task.host_id == host.id for task in unit.tasks):
            return False
        for place, task in enumerate(unit.tasks):
            if task.state == "unsent":
                unit.tasks[place] = msgspec.structs.replace(
                    task,
                    state="in_progress",
                    host_id=host.id,
                    account_id=host.id,
                    subnet=str(host.id),
                    sent_at=self.now,
                    deadline_at=self.now + 1_000_000 * ROUND_US,
                )
                host.task = (unit.id, task.id)
                return True
        return False

    def _finish(self) -> None:
        """No fresh units are left: what proven hosts said alone is to become final (rule 9)."""
        held = [
            HeldUnit(unit_id, host_id, hold.final_at, self.standings[host_id].checks)
            for host_id, units in self.singles.items()
            for unit_id in units
            if (hold := self.all[unit_id].hold) is not None and self.all[unit_id].target < 2
        ]
        under_check = {
            host_id
            for host_id, units in self.singles.items()
            if any(self.all[unit_id].target > 1 for unit_id in units)
        }
        for unit_id in audits_at_end(held, under_check):
            self.all[unit_id].target = 2
            self._decide([unit_id])
        if self.queues[2] and self.proven < 2:
            for unit_id in set(self.queues[2]):
                self.all[unit_id].reserved_until = self.now
                self._decide([unit_id])
