"""A host of which nothing is known: how much a wrong one spoils, how soon a good one has enough.

A day of a small grid through the store, minute by minute, hosts that compute as told.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from idlegrid_server.domain.host import NEWCOMER_MAX, VERDICTS_FIRST
from idlegrid_server.domain.newcomer import NEWCOMERS_MIN, day_of
from idlegrid_server.pipeline.passes import recheck_pass
from idlegrid_server.pipeline.snapshot import due_units
from idlegrid_server.scheduler.newcomer import NewcomerWatch
from idlegrid_server.store import command as c
from idlegrid_server.store.local import LocalStore
from idlegrid_server.store.sql.reputation import CONFIRMED_SINCE
from idlegrid_shared.documents import Policy

from .world import SECOND, Host, World, result

MINUTE = 60 * SECOND
FIXED = Policy(deadline_s=86_400)
BELIEF = Policy(replication="credibility", deadline_s=86_400)


@dataclass
class Machine:
    """A host at work: asks once a minute for what its cores can take."""

    host: Host
    cores: int
    task_us: int = 3 * MINUTE
    wrong: bool = False
    running: dict[int, tuple[int, int]] = field(default_factory=dict)  # task → index, ends at

    def minute(self, now: int) -> None:
        """Report what is done, ask for more, run what came."""
        done = {task: index for task, (index, end) in self.running.items() if end <= now}
        for task in done:
            del self.running[task]
        word = b"wrong by %d: " % self.host.id if self.wrong else b"right: "
        reports = [result(task, word + b"%d" % index) for task, index in done.items()]
        want = max(0, self.cores - len(self.running))
        answer = self.host.exchange(*reports, want=want, held=list(self.running))
        for task in answer.tasks:
            self.running[task.task_id] = (task.index, now + self.task_us)


def passes(world: World) -> None:
    """Decide on all that is due."""
    while True:
        with world.store.reading() as db:
            units = due_units(db, world.now, 300)
        if units:
            world.apply(units)
        elif not recheck_pass(world.store, lambda: world.now):
            return


def grid(store: c.Store, policy: Policy) -> list[Machine]:
    """Two house hosts of two owners and ten volunteers, and work for days."""
    world = World(store)
    world.batch(6_000, world.stage(policy=policy))
    machines = [Machine(world.house(cores=8), 8) for _ in range(2)]
    # House hosts of one owner are one voice: the second is of another institute.
    world.store.execute(
        c.AssignHostAccount(
            now=world.now, host_id=machines[1].host.id, account_id=None, actor="test"
        )
    )
    world.store.execute(
        c.SetHostHouse(now=world.now, host_id=machines[1].host.id, house=True, actor="test")
    )
    machines += [Machine(world.host(cores=4), 4) for _ in range(10)]
    return machines


def go_on(machines: list[Machine], minutes: int) -> None:
    """The clock runs, everybody works."""
    world = machines[0].host.world
    for _ in range(minutes):
        for machine in machines:
            machine.minute(world.now)
        passes(world)
        world.later(60)


@pytest.mark.parametrize("policy", [FIXED, BELIEF], ids=["fixed", "credibility"])
def test_a_host_that_is_always_wrong_spoils_a_dozen_and_is_shut_out(
    local: LocalStore, policy: Policy
) -> None:
    machines = grid(local, policy)
    world = machines[0].host.world
    go_on(machines, 60)
    bad = Machine(world.host(cores=6), 32, wrong=True)
    bad.host.exchange(machine=c.MachineFacts("large", "{}", 32, 2**36, ("engine1",)))
    first_verdict = None
    started = world.now
    returned_at = 0
    for _ in range(120):
        go_on([*machines, bad], 1)
        row = bad.host.row()
        verdicts = row.n_valid + row.n_invalid
        if verdicts < VERDICTS_FIRST:
            assert row.n_in_progress + row.n_unjudged <= NEWCOMER_MAX
        if row.n_success and not returned_at:
            returned_at = world.now
        if verdicts and first_verdict is None:
            first_verdict = world.now
        if row.state == "quarantined":
            break
    row = bad.host.row()
    assert row.state == "quarantined"
    assert (row.n_valid, row.n_success) == (0, row.n_success)
    assert row.n_success <= NEWCOMER_MAX
    assert first_verdict is not None
    assert first_verdict - returned_at <= 10 * MINUTE
    assert world.now - started <= 40 * MINUTE
    world.check()


@pytest.mark.parametrize("policy", [FIXED, BELIEF], ids=["fixed", "credibility"])
def test_an_honest_host_of_32_cores_is_full_within_an_hour(
    local: LocalStore, policy: Policy
) -> None:
    machines = grid(local, policy)
    world = machines[0].host.world
    go_on(machines, 60)
    made = world.host(cores=6)
    made.exchange(machine=c.MachineFacts("large", "{}", 32, 2**36, ("engine1",)))
    good = Machine(made, 32)
    full = None
    for minute in range(60):
        go_on([*machines, good], 1)
        if len(good.running) >= 32:
            full = minute
            break
    assert full is not None
    world.check()


def test_a_newcomer_is_told_why_it_gets_no_more(world: World) -> None:
    world.batch(40)
    host = world.host(cores=6)
    for _ in range(3):
        (task, *_) = host.take(1)
        host.exchange(result(task.task_id, b"x"))
    held = [task.task_id for task in host.take(NEWCOMER_MAX)]
    assert len(held) == NEWCOMER_MAX - 3
    refused = host.exchange(want=5, held=held)
    assert refused.tasks == ()
    assert refused.refusals[0].code == "unjudged"
    assert "9 tasks, and 3 results" in refused.refusals[0].text
    assert host.row().n_unjudged == 3
    world.check()


def test_confirmed_results_are_counted_by_who_had_them(world: World) -> None:
    world.batch(9)
    house, host = world.house(), world.host()
    for each in (house, host):
        for task in each.take(2):
            each.exchange(result(task.task_id, b"x%d" % task.index))
    passes(world)
    with world.store.reading() as db:
        today = db.fetch_one(CONFIRMED_SINCE, day=day_of(world.now))
        assert db.fetch_one(CONFIRMED_SINCE, day=day_of(world.now) + 1) == (0, 0)
    assert today == (2, 2)
    refused = host.exchange(want=1, newcomers=False)
    assert [refusal.code for refusal in refused.refusals] == ["newcomers"]
    assert len(house.exchange(want=1, newcomers=False).tasks) == 1
    world.check()


def test_the_watch_looks_again_after_a_while(local: LocalStore, database: Path) -> None:
    world = World(local)
    watch = NewcomerWatch(local, 0.5, lambda: world.now)
    assert watch.may()
    raw = sqlite3.connect(database)
    with raw:
        raw.execute(
            "INSERT INTO confirmed_day VALUES (?, ?, 0)", (day_of(world.now), NEWCOMERS_MIN)
        )
    raw.close()
    assert watch.may()  # not looked at again yet
    world.later(11)
    assert not watch.may()
