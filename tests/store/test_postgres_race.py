"""Several processes at once on PostgreSQL: locks, skipped rows, lost races."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from idlegrid_server.pipeline.passes import finish_pass, recheck_pass
from idlegrid_server.store import PostgresStore
from idlegrid_server.store import command as c
from idlegrid_server.store.connection import LostRace
from idlegrid_shared.documents import Policy

from .world import World, result


def at_once(*work: Callable[[], object]) -> list[BaseException]:
    """Run all in threads; returns what they raised."""
    faults: list[BaseException] = []
    barrier = threading.Barrier(len(work))

    def run(one: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            one()
        except BaseException as error:  # noqa: BLE001  handed to the test
            faults.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return faults


def test_hosts_and_passes_at_once(postgres: PostgresStore) -> None:
    """Eight hosts exchange while two passes run: no task twice, no counter off."""
    world = World(postgres)
    world.batch(60)
    hosts = [world.host(cores=16) for _ in range(6)]

    def compute(number: int) -> None:
        host = hosts[number]
        tasks: tuple[c.Assignment, ...] = ()
        for _ in range(12):
            reports = [result(t.task_id, b"%d" % t.unit_id) for t in tasks]
            tasks = host.exchange(*reports, want=3).tasks
        host.exchange(*(result(t.task_id, b"%d" % t.unit_id) for t in tasks))

    def passes() -> None:
        for _ in range(10):
            world.unit_pass()

    work = [lambda n=n: compute(n) for n in range(6)]  # type: ignore[misc]
    assert at_once(*work, passes, passes) == []
    world.unit_pass()
    world.check()


def test_hosts_are_caught_and_made_final_while_others_report(postgres: PostgresStore) -> None:
    """Passes that judge, open and finish units lock hosts and units in one order; all adds up."""
    world = World(postgres, distinct=("host",))
    policy = Policy(
        replication="credibility",
        error_max=0.05,
        audit=0.3,
        finality=2,
        deadline_s=100_000,
        max_tasks=30,
    )
    world.batch(60, world.stage(policy=policy))
    hosts = [world.house(cores=16) for _ in range(4)]

    def compute(number: int) -> None:
        host = hosts[number]
        tasks: tuple[c.Assignment, ...] = ()
        for turn in range(8):
            lies = number == 0 and turn % 4 == 3
            word = b"wrong by %d" % turn if lies else b"right"
            reports = [result(t.task_id, word + b"%d" % t.unit_id) for t in tasks]
            tasks = host.exchange(*reports, want=4).tasks
        host.exchange(*(result(t.task_id, b"right%d" % t.unit_id) for t in tasks))

    def clock() -> int:
        return world.now

    def passes() -> None:
        for _ in range(10):
            world.unit_pass()
            recheck_pass(postgres, clock)
            finish_pass(postgres, clock)

    work = [lambda n=n: compute(n) for n in range(4)]  # type: ignore[misc]
    assert at_once(*work, passes, passes) == []
    world.check()
    for _ in range(100):  # in peace, everything becomes final
        for host in hosts:
            if host.row().state != "quarantined":
                tasks = host.take(8)
                host.exchange(*(result(t.task_id, b"right%d" % t.unit_id) for t in tasks))
        while world.unit_pass().applied or recheck_pass(postgres, clock):
            pass
        finish_pass(postgres, clock)
        world.later(60)
        if world.stages(1)[0].assimilated == 60:
            break
    assert world.stages(1)[0].assimilated == 60
    world.check()


def test_one_device_enrols_from_two_connections(postgres: PostgresStore) -> None:
    world = World(postgres)
    command = c.EnrolHost(
        now=world.now, device=b"d" * 32, machine=c.MachineFacts("x", "{}"), subnet=""
    )
    faults = at_once(*(lambda: postgres.execute(command) for _ in range(4)))
    assert all(isinstance(fault, c.StoreUnavailable) for fault in faults)
    assert not postgres.execute(command).created
    world.check()


def test_lost_race_is_run_again(postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def lose_twice(store: PostgresStore, command: object) -> c.Done:
        tries.append(command)
        if len(tries) < 3:
            raise LostRace("another was faster")
        return c.Done()

    monkeypatch.setattr(PostgresStore, "_execute_once", lose_twice)
    assert postgres.execute(c.SetSetting(now=1, name="x", value="1")) == c.Done()
    assert len(tries) == 3


def test_race_lost_for_ever_is_unavailable(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(store: PostgresStore, command: object) -> c.Done:
        raise LostRace("another was faster")

    monkeypatch.setattr(PostgresStore, "_execute_once", lose)
    monkeypatch.setattr(postgres, "_sleep", lambda seconds: None)
    with pytest.raises(c.StoreUnavailable, match="8 races"):
        postgres.execute(c.SetSetting(now=1, name="x", value="1"))


def test_reading_sees_one_moment_and_cannot_write(postgres: PostgresStore) -> None:
    with postgres.reading() as db:
        before = db.raw.execute("SELECT COUNT(*) FROM setting")
        assert before.fetchone() == (0,)
        postgres.execute(c.SetSetting(now=1, name="x", value="1"))
        assert db.raw.execute("SELECT COUNT(*) FROM setting").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            db.raw.execute("DELETE FROM setting")
    with postgres.reading() as db:
        assert db.raw.execute("SELECT COUNT(*) FROM setting").fetchone() == (1,)
