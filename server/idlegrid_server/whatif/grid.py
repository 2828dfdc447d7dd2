"""The engine: what happens, one thing after the other, as fast as it can be told.

Hosts come, ask, compute, report and leave; units are decided by ``rules`` at once when something
is reported, and at their deadlines. Only what is open is kept. Equal seeds give equal runs.
"""

import heapq
import math
from dataclasses import dataclass
from random import Random

from idlegrid_server.domain.draft import DISPUTED
from idlegrid_server.domain.host import is_proven
from idlegrid_server.domain.matching import clashes
from idlegrid_server.domain.model import (
    Peer,
    Standing,
    TaskChange,
    TaskSnapshot,
    UnitPlan,
    UnitSnapshot,
)
from idlegrid_server.domain.report import accept_report

from .behaviour import RIGHT
from .ending import Ending
from .machine import Machine
from .outcome import Outcome
from .population import Population, Traits
from .rules import PRODUCTION, Rules
from .standing import Standings
from .work import Batch, Queue, Unit

US = 1_000_000
ACCEPTED, FAILED = 1, 2
AUDIT_EVERY_S = 300.0  # at the end: whether single results need checks to become final
WAKE_TRIES = 8  # idle hosts asked at one moment
DUE_SPARE = 10_000  # entries of ended units that the heap of deadlines may hold

# What happens: the second word of an event
CONTACT, FINISH, LEAVE, WAKE, AUDIT, TAIL = range(6)
REJOINS = 1  # of LEAVE
Event = tuple[float, int, int, "Machine | None", "Unit | None", int]


@dataclass(frozen=True)
class Settings:
    """``hosts`` machines at any time (who leaves is replaced); contacts as the server spaces them.

    ``join_s``: the hosts come within so many seconds. The run ends with the batch, or after
    ``until_s``.
    """

    hosts: int
    contact_s: float = 10.0
    idle_s: float = 60.0
    join_s: float = 3_600.0
    until_s: float = 366 * 86_400.0


def _is_disputed(task: TaskSnapshot) -> bool:
    return task.verdict == "inconclusive" and task.reason == DISPUTED


class Observer:
    """Is told what happens; every method does nothing here. ``now`` in seconds."""

    def sent(self, host: Machine, unit: Unit, task: TaskSnapshot, now: float) -> None:
        """A task went to a host."""

    def decided(self, unit: Unit, plan: UnitPlan, now: float) -> None:
        """A plan was applied to a unit."""

    def ended(self, unit: Unit, wrong: bool, now: float) -> None:
        """A unit was accepted (``wrong``: falsely) or failed."""


class Grid:
    """A project with one batch, and all its hosts."""

    def __init__(
        self,
        batch: Batch,
        population: Population,
        settings: Settings,
        *,
        seed: int = 0,
        rules: Rules = PRODUCTION,
        observer: Observer | None = None,
    ) -> None:
        self.batch = batch
        self.population = population
        self.settings = settings
        self.rules = rules
        self.observer = observer or Observer()
        self.rng = Random(seed)  # noqa: S311 - a simulation's chance, not a secret
        self.now = 0.0
        self.queue = Queue(batch, self.rng)
        self.hosts: dict[int, Machine] = {}
        self.told = Outcome(batch.units, finished_s=self.queue.finished_s)
        self._events: list[Event] = []
        self._due: list[tuple[int, int]] = []
        self._idle: list[Machine] = []
        self._wakes = 0  # under way
        self._order = 0
        self._handle = (
            self._contact,
            self._finish,
            self._leave,
            self._wake,
            self._audit,
            self._tail,
        )
        self.standings = Standings(batch.policy, rules)
        self.draw_seed = self.rng.randbytes(16)
        self.ending = Ending()

    # --- time

    def run(self) -> Outcome:
        """Until the batch has ended, or the time is over."""
        for _ in range(self.settings.hosts):
            self._join(self.rng.random() * self.settings.join_s)
        if self.batch.policy.replication == "credibility":
            self._at(AUDIT_EVERY_S, AUDIT)
        while not self.queue.is_over() and self.step():
            pass
        self.told.out = sum(
            task.state == "in_progress" for unit in self.queue.open.values() for task in unit.tasks
        )
        return self.told

    def step(self) -> bool:
        """Let the next thing happen; False if nothing does within the time."""
        event_at = self._events[0][0] if self._events else math.inf
        due_at = self._due[0][0] / US if self._due else math.inf
        at = min(event_at, due_at)
        if at > self.settings.until_s:
            return False
        self.now = max(self.now, at)
        self.told.events += 1
        if due_at <= event_at:
            self._look(*heapq.heappop(self._due))
        else:
            _, _, what, host, unit, n = heapq.heappop(self._events)
            self._handle[what](host, unit, n)  # type: ignore[arg-type]
        return True

    def _at(
        self,
        when: float,
        what: int,
        host: Machine | None = None,
        unit: Unit | None = None,
        n: int = 0,
    ) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, what, host, unit, n))

    # --- hosts

    def _join(self, at: float, traits: Traits | None = None) -> None:
        if traits is None:
            traits = self.population.draw(self.rng)
        number = self.told.hosts
        self.told.hosts += 1
        host = Machine(number, traits, at, self.rules.first_limit(traits.cores), self.rng)
        self.hosts[number] = host
        self.standings.join(host)
        self._at(host.timeline.next_on(at, self.rng), CONTACT, host)
        if host.leaves < self.settings.until_s:
            self._at(host.leaves, LEAVE, host)

    def _leave(self, host: Machine, unit: None, n: int) -> None:
        """It is gone, with all it has; another comes in its place, or itself under a new name."""
        del unit
        if host.alive:
            host.alive = False
            self._not_idle(host)
            self.standings.leave(host)
            del self.hosts[host.id]
            self._join(self.now, host.traits if n == REJOINS else None)

    def _contact(self, host: Machine, unit: None, n: int) -> None:
        del unit, n
        if host.alive:
            self._ask(host)
            self._call_idle()

    def _ask(self, host: Machine) -> None:
        """An exchange: the host gets what it wants and may have; without enough it is idle."""
        host.asked_at = self.now
        if host.state == "quarantined" and round(self.now * US) >= host.out_until:
            host.state = "probation"
        horizon_s = max(10.0, 2 * self.settings.contact_s)
        wanted = host.wants(self.batch.unit_s, horizon_s)
        wanted = min(wanted, self.queue.unsent)
        got = 0
        if wanted > 0:
            snapshot = host.snapshot()
            free = self.rules.room(snapshot, wanted)
            if free > 0:
                candidates = self.queue.candidates(free, proven=is_proven(snapshot))
                for number in self.rules.choose(snapshot, candidates, free).units:
                    unit = self.queue.open.get(number) or self.queue.begin(number)
                    self._send(host, unit)
                    self.queue.put(unit)
                    got += 1
                self.queue.put_back(candidates)
        if host.holding < host.traits.cores and not got:
            self._be_idle(host)
        else:
            self._not_idle(host)

    def _send(self, host: Machine, unit: Unit) -> None:
        task = next(task for task in unit.tasks if task.state == "unsent")
        now = round(self.now * US)
        policy = self.batch.policy
        deadline = now + policy.deadline_s * US
        sent = TaskSnapshot(
            id=task.id,
            n=task.n,
            state="in_progress",
            host_id=host.id,
            account_id=host.account,
            subnet=host.subnet,
            sent_at=now,
            deadline_at=deadline,
        )
        unit.tasks[task.n] = sent
        unit.unsent -= 1
        unit.version += 1
        self.queue.unsent -= 1
        self.told.sent += 1
        host.in_progress += 1
        self._note_due(unit, deadline + policy.grace_s * US)
        arrives = host.compute(self.now, unit.length_s, self.rng)
        if arrives < host.leaves:
            unit.flying += 1
            self._at(arrives, FINISH, host, unit, task.n)
        self.observer.sent(host, unit, sent, self.now)

    # --- the idle

    def _be_idle(self, host: Machine) -> None:
        if host.idle_at < 0:
            host.idle_at = len(self._idle)
            self._idle.append(host)

    def _not_idle(self, host: Machine) -> None:
        if host.idle_at >= 0:
            last = self._idle.pop()
            if last is not host:
                self._idle[host.idle_at] = last
                last.idle_at = host.idle_at
            host.idle_at = -1

    def _call_idle(self) -> None:
        """As many contacts of idle hosts as there are tasks to send: they ask now and then."""
        if not self._idle or not self.queue.unsent:
            return
        while self._wakes < min(self.queue.unsent, len(self._idle)):
            self._wakes += 1
            wait = self.rng.expovariate(len(self._idle) / self.settings.idle_s)
            self._at(self.now + min(wait, self.settings.idle_s), WAKE)

    def _wake(self, host: None, unit: None, n: int) -> None:
        """One of the idle that are on now asks."""
        del host, unit, n
        self._wakes -= 1
        if not self.queue.unsent:
            return
        if any(self._one_asks() for _ in range(WAKE_TRIES)):
            self._call_idle()
        elif self._idle and not self._wakes:  # all were off, or must not have it: later, then
            self._wakes += 1
            self._at(self.now + self.settings.idle_s, WAKE)

    def _one_asks(self) -> bool:
        """Whether one of the idle, whoever it is, is on and gets something."""
        if not self._idle:
            return False
        before = self.queue.unsent
        asking = self._idle[self.rng.randrange(len(self._idle))]
        if asking.timeline.is_on(self.now, self.rng):
            self._ask(asking)
        return self.queue.unsent < before

    # --- reports

    def _finish(self, host: Machine, unit: Unit, n: int) -> None:
        unit.flying -= 1
        if host.alive:
            host.holding -= 1
            host.timeline.forget(self.now)
            self._report(host, unit, n)
            self._ask(host)
            self._call_idle()
        self.queue.close(unit)

    def _report(self, host: Machine, unit: Unit, n: int) -> None:
        task = unit.tasks[n]
        failed = self.rng.random() < host.traits.error_rate
        decision = accept_report(
            task,
            host.id,
            "error" if failed else "success",
            "trap" if failed else "ok",
            replaced=task.state == "timed_out" and self._is_replaced(unit, task),
        )
        if decision.fate != "accepted" or decision.state is None:
            self.told.refused += 1
            return
        manifest = None
        if not failed:
            manifest = host.traits.behaviour.answer(unit.id, host.id, host.done, self.rng)
            host.done += 1
        if task.state == "in_progress":
            host.in_progress -= 1
        else:
            self.told.timed_out -= 1
        unit.tasks[n] = TaskSnapshot(
            id=task.id,
            n=n,
            state=decision.state,
            verdict=decision.verdict,
            host_id=task.host_id,
            account_id=task.account_id,
            subnet=task.subnet,
            sent_at=task.sent_at,
            deadline_at=task.deadline_at,
            received_at=round(self.now * US),
            manifest=manifest,
            ops=round(unit.length_s * US),
            reason=decision.reason,
        )
        if failed:
            self.told.errors += 1
            self._judge(host, 0, 1)
        else:
            self.ending.came_back(unit.tasks[n])
        self._decide(unit)

    def _is_replaced(self, unit: Unit, task: TaskSnapshot) -> bool:
        mine = Peer("unsent", task.host_id, task.account_id, task.subnet)
        others = [
            Peer(other.state, other.host_id, other.account_id, other.subnet)
            for other in unit.tasks
            if other.n != task.n
        ]
        return clashes(mine, others, self.rules.distinct)

    # --- decisions

    def _note_due(self, unit: Unit, due: int | None) -> None:
        """The unit is due then, or before; the heap holds at most one time that is valid."""
        if due is None:
            return
        unit.due = due if unit.due is None else min(unit.due, due)
        if unit.noted is None or unit.noted > unit.due:
            unit.noted = unit.due
            heapq.heappush(self._due, (unit.due, unit.id))
            if len(self._due) > 2 * len(self.queue.open) + DUE_SPARE:
                kept = {u.id: u.noted for u in self.queue.open.values() if u.noted is not None}
                self._due = [(noted, number) for number, noted in kept.items()]
                heapq.heapify(self._due)

    def _look(self, due: int, number: int) -> None:
        """A deadline may have passed."""
        unit = self.queue.open.get(number)
        if unit is None or unit.noted != due:
            return
        unit.noted = None
        if unit.due is not None and unit.due <= due:
            self._decide(unit)
        else:
            self._note_due(unit, unit.due)

    def _decide(self, unit: Unit) -> None:
        """Decide on the unit, then on those that its checks bear on."""
        due = [unit.id]
        while due:
            found = self.queue.open.get(due.pop())
            if found is None:
                continue
            self.told.decisions += 1
            plan = self.rules.decide(self._snapshot(found), round(self.now * US))
            due += self._apply(found, plan)
            self.observer.decided(found, plan, self.now)

    def _snapshot(self, unit: Unit) -> UnitSnapshot:
        standings: tuple[Standing, ...] = ()
        if self.batch.policy.replication != "fixed":
            now = round(self.now * US)
            known = dict.fromkeys(t.host_id for t in unit.tasks if t.host_id is not None)
            standings = tuple(self.standings.of(i, self.hosts.get(i), now) for i in known)
        return unit.snapshot(self.batch.policy, standings, self.standings.fleet, self.draw_seed)

    def _apply(self, unit: Unit, plan: UnitPlan) -> list[int]:
        """As the store does it, in memory; returns the units that it makes due."""
        unit.version += 1
        woken: list[int] = []
        for check in plan.checks:
            host = self.hosts.get(check.host_id)
            woken += self.standings.add(check, host, round(self.now * US))
        for change in plan.tasks:
            woken += self._change(unit, change)
        if plan.target is not None:
            unit.target = plan.target
        if plan.rank is not None:
            unit.rank = plan.rank
        unit.reserved_until = plan.reserved_until
        if plan.canonical_manifest is not None:
            unit.canonical_task = plan.canonical_task
            unit.canonical_manifest = plan.canonical_manifest
        for _ in range(plan.new_tasks):
            n = len(unit.tasks)
            unit.tasks.append(TaskSnapshot(id=n, n=n, state="unsent"))
        unit.unsent += plan.new_tasks
        self.queue.unsent += plan.new_tasks
        unit.due = None
        self._note_due(unit, plan.due_at)
        for step in plan.steps:
            unit.state, unit.reason = step.state, step.reason
            self._count(unit)
        if unit.state == "open":
            unit.canonical_task = unit.canonical_manifest = None
        if unit.hold is not None:
            self.standings.release(unit.hold.host_id, unit.id)
        if plan.hold is not None:
            self.standings.hold(plan.hold.host_id, unit.id, plan.hold.final_at)
        unit.hold = plan.hold
        if unit.unsent:
            self.queue.put(unit)
            self._call_idle()
        self.queue.close(unit)
        return [number for number in woken if number != unit.id]

    def _audit(self, host: None, unit: None, n: int) -> None:
        """Nothing fresh is left: have single results checked that nothing else makes final."""
        del host, unit, n
        self._at(self.now + AUDIT_EVERY_S, AUDIT)
        if self.queue.fresh < self.batch.units or not self.standings.is_anything_held():
            return
        held = (u for u in self.queue.open.values() if u.hold is not None)
        for number in self.standings.audits_at_end([u.id for u in held if u.target > 1]):
            checked = self.queue.open[number]
            checked.target = 2
            self._decide(checked)

    def _change(self, unit: Unit, change: TaskChange) -> list[int]:
        task, state, verdict = unit.tasks[change.task_id], change.state, change.verdict
        host = None if task.host_id is None else self.hosts.get(task.host_id)
        if state is not None and state != task.state:
            if task.state == "unsent":
                unit.unsent -= 1
                self.queue.unsent -= 1
            if task.state == "in_progress":
                self.told.timed_out += state == "timed_out"
                if host is not None:
                    host.in_progress -= 1
                    self._judge(host, 0, int(state == "timed_out"))
        if verdict is not None and verdict != task.verdict:
            self._count_verdict(unit, task.verdict, verdict)
            if host is not None:
                self._judge(host, int(verdict == "valid"), int(verdict == "invalid"))
        changed = TaskSnapshot(
            id=task.id,
            n=task.n,
            state=state or task.state,
            verdict=verdict or task.verdict,
            host_id=task.host_id,
            account_id=task.account_id,
            subnet=task.subnet,
            sent_at=task.sent_at,
            deadline_at=task.deadline_at,
            received_at=task.received_at,
            manifest=task.manifest,
            ops=task.ops,
            reason=change.reason or task.reason,
        )
        unit.tasks[task.n] = changed
        if host is not None and verdict == "invalid":
            self._catch(host)
        more = _is_disputed(changed) - _is_disputed(task)
        if not more or task.host_id is None:
            return []
        return self.standings.dispute(task.host_id, more)

    def _count_verdict(self, unit: Unit, before: str | None, after: str) -> None:
        told = self.told
        if before == "valid":
            told.valid -= 1
        elif before == "invalid":
            told.invalid -= 1
        elif before == "inconclusive":
            told.undecided -= 1
        if after == "valid":
            told.valid += 1
            told.surplus += unit.state == "assimilated"  # nobody waited for it any more
        elif after == "invalid":
            told.invalid += 1
        elif after == "inconclusive":
            told.undecided += 1

    def _judge(self, host: Machine, valid: int, bad: int) -> None:
        """What confirmed results, errors and invalid ones do to a host's cap and standing."""
        if not valid and not bad:
            return
        rules = self.rules
        host.n_valid += valid
        host.n_bad += bad
        host.tasks_max = rules.next_limit(host.tasks_max, host.traits.cores, valid, bad)
        if not valid:
            return
        proven = host.id in self.standings.proven
        by_quorum = self.standings.counts_by_quorum(host)
        while step := rules.next_state(
            host.state, host.n_valid, proven=proven, by_quorum=by_quorum
        ):
            host.state = step[0]

    def _catch(self, host: Machine) -> None:
        """A result of it was found wrong; who wants starts over as somebody new."""
        self.told.caught += not host.caught
        host.caught = True
        if host.traits.behaviour.rejoins and host.alive:
            self._at(self.now, LEAVE, host, None, REJOINS)

    def _count(self, unit: Unit) -> None:
        told, ended = self.told, self.queue.ended
        if unit.state == "assimilated" and ended[unit.id] != ACCEPTED:
            told.failed -= ended[unit.id] == FAILED
            if not ended[unit.id]:
                self._finished()
            ended[unit.id] = ACCEPTED
            told.accepted += 1
            told.wrong += unit.canonical_manifest != RIGHT
            self.observer.ended(unit, unit.canonical_manifest != RIGHT, self.now)
        elif unit.state == "failed" and not ended[unit.id]:
            ended[unit.id] = FAILED
            told.failed += 1
            self._finished()
            self.observer.ended(unit, False, self.now)

    # --- the end

    def _finished(self) -> None:
        """One unit more has ended; the last tenth is looked after."""
        self.queue.finished_s.append(self.now)
        if self.ending.begins(len(self.queue.finished_s), self.batch.units):
            self._at(self.now, TAIL)

    def _tail(self, host: None, unit: None, n: int) -> None:
        """One more copy of those units that gain by it, as far as idle hosts are there."""
        del host, unit, n
        now = round(self.now * US)
        if self.queue.fresh >= self.batch.units:
            idle = sum(
                max(0, min(h.traits.cores, h.tasks_max) - h.in_progress)
                for h in self._idle
                if h.timeline.is_on(self.now, self.rng)
            )
            units = (self._snapshot(u) for u in self.queue.open.values() if u.state == "open")
            for plan in self.rules.tail(self.ending.snapshot(units, idle), now):
                self._apply(self.queue.open[plan.unit_id], plan)
        self._at(self.now + self.ending.again_s(), TAIL)
