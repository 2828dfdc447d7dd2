"""What results teach (ops, speeds, lateness), and what hosts are given by it."""

from idlegrid_server.store import LocalStore
from idlegrid_server.store.query import Query
from idlegrid_shared.documents import Policy

from .test_dispatch import codes
from .test_statement_count import count
from .world import PROFILE, SECOND, Host, World, result

SPEEDS = Query(
    "test_speeds",
    "speeds as tests look at them",
    "SELECT host_id, weight, total FROM speed WHERE subject = :subject ORDER BY host_id",
)
LATE = Query("test_late", "lateness of a host", "SELECT late_weight FROM host WHERE id = :host_id")

OPS = 600 * 10**9  # ten minutes at 1e9 ops/s


def taught(world: World, speed: float = 1e9, units: int = 4, ops: int = OPS) -> tuple[Host, Host]:
    """Two hosts that agreed on ``units`` units, at some speed."""
    hosts = world.host(cores=1), world.host(cores=1)
    for _ in range(units):
        tasks = [host.take()[0] for host in hosts]
        world.later(ops / speed)
        for host, task in zip(hosts, tasks, strict=True):
            elapsed_us = int(ops / speed * SECOND)
            host.exchange(result(task.task_id, b"x", ops=ops, elapsed_us=elapsed_us))
        world.unit_pass()
    return hosts


def test_agreed_results_teach_speed_and_ops(world: World) -> None:
    world.batch(50)
    one, other = taught(world)
    with world.store.reading() as db:
        rows = db.fetch_all(SPEEDS, subject=PROFILE)
    assert [row[0] for row in rows] == [0, one.id, other.id]
    assert rows[0][1] > rows[1][1] > 3.5  # decayed counts
    (task,) = world.host().take()
    assert abs(task.ops_estimate - OPS) < OPS / 1000
    world.check()


def test_a_new_batch_begins_with_what_the_one_before_knew(world: World) -> None:
    world.batch(4)
    taught(world)
    world.batch(10, priority=5)
    (task,) = world.host().take()
    assert abs(task.ops_estimate - OPS) < OPS / 1000


def test_results_that_nobody_confirmed_teach_nothing(world: World) -> None:
    world.batch(2)
    host = world.host()
    (task,) = host.take()
    world.later(10)
    host.exchange(result(task.task_id, b"x", elapsed_us=SECOND))
    world.unit_pass()
    with world.store.reading() as db:
        assert db.fetch_all(SPEEDS, subject=PROFILE) == []


def test_what_would_come_too_late_is_not_given(world: World) -> None:
    """Ten-minute tasks and an hour: a host gets what it will likely return by then."""
    policy = Policy(deadline_s=3600, grace_s=10)
    world.batch(100, world.stage(policy=policy))
    one, other = taught(world, units=8)
    answer = one.exchange(want=8)
    assert 2 <= len(answer.tasks) <= 5
    assert codes(answer) == ["deadline"]
    assert answer.refusals[0].count == 8 - len(answer.tasks)
    held = [task.task_id for task in answer.tasks]
    again = one.exchange(want=4, held=held)
    assert (again.tasks, codes(again)) == ((), ["deadline"])
    many = world.host(cores=16, memory_bytes=2**40)
    assert len(many.take(16)) == 16
    assert other.take(1)
    world.check()


def test_a_slow_host_gets_one_task_and_no_more(world: World) -> None:
    """Nothing that it has done says that it can: but with nothing to do it may try."""
    policy = Policy(deadline_s=60, grace_s=10)
    world.batch(100, world.stage(policy=policy))
    taught(world, speed=1e11)
    world.batch(10, world.stage(policy=Policy(deadline_s=2, grace_s=10)), priority=9)
    slow = world.host(cores=1)
    answer = slow.exchange(want=1)
    assert len(answer.tasks) == 1
    more = slow.exchange(want=1, held=[answer.tasks[0].task_id])
    assert more.tasks
    assert more.tasks[0].batch_id != answer.tasks[0].batch_id, "what is too long is passed over"


def test_timeouts_teach_that_a_host_is_late(world: World) -> None:
    world.batch(50)
    one, _ = taught(world)
    with world.store.reading() as db:
        before = db.fetch_all(LATE, host_id=one.id)[0][0]
    one.take()
    world.later(2000)
    world.unit_pass()
    with world.store.reading() as db:
        assert db.fetch_all(LATE, host_id=one.id)[0][0] > before


def test_estimates_cost_an_exchange_no_statement(local: LocalStore) -> None:
    world = World(local)
    world.batch(100)
    plain = count(world, local, 1)
    world.batch(100, priority=3)
    taught(world)
    assert count(world, local, 1) == plain
