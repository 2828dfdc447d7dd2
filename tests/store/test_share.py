"""Fair share between scientists, priorities, urgency, and caps, as the store does them."""

from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.store.query import Query

from .test_dispatch import codes
from .test_statement_count import count
from .world import World, failure

TIMES = Query("test_times", "virtual times", "SELECT account_id, time FROM share ORDER BY 1")


def another(world: World, name: str = "bob") -> int:
    """A second scientist."""
    made = world.store.execute(
        c.CreateAccount(now=world.now, email=f"{name}@example.org", name=name, role="scientist")
    )
    return made.account_id


def batch_of(world: World, account_id: int, units: int = 200, **more: object) -> int:
    """A running batch of some scientist's."""
    mine, world.account_id = world.account_id, account_id
    try:
        return world.batch(units, **more)
    finally:
        world.account_id = mine


def served(world: World, exchanges: int, each: int = 1) -> list[int]:
    """The batches that fresh hosts are given work of."""
    return [task.batch_id for _ in range(exchanges) for task in world.host(cores=16).take(each)]


def test_two_scientists_share_equally_whoever_came_first(world: World) -> None:
    first = world.batch(200)
    served(world, 4)
    second = batch_of(world, another(world))
    batches = served(world, 20)
    assert batches.count(first) == batches.count(second) == 10
    world.check()


def test_the_share_is_of_work_not_of_requests(world: World) -> None:
    """Hand-outs of many sizes: each scientist comes to the same number of tasks, within one."""
    first, second = world.batch(400), batch_of(world, another(world), 400)
    batches = [b for i in range(12) for b in served(world, 1, 1 + i % 5)]
    assert abs(batches.count(first) - batches.count(second)) <= 5


def test_a_weight_of_three_gets_three_times_as_much(world: World) -> None:
    bob = another(world)
    first, second = world.batch(200), batch_of(world, bob)
    share = c.SetShare(now=world.now, account_id=bob, weight=3.0, tasks_max=None, actor="test")
    assert world.store.execute(share).changed
    assert not world.store.execute(share).changed
    batches = served(world, 40)
    assert batches.count(first) == 10
    assert batches.count(second) == 30


def test_a_priority_orders_ones_own_batches_alone(world: World) -> None:
    low, high = world.batch(200), world.batch(200, priority=9)
    other = batch_of(world, another(world))
    batches = served(world, 20)
    assert batches.count(other) == 10
    assert batches.count(high) == 10
    assert low not in batches


def test_an_urgent_batch_goes_before_everybody(world: World) -> None:
    world.batch(200, priority=1000)
    urgent = batch_of(world, another(world), 6)
    world.store.execute(c.SetUrgency(now=world.now, batch_id=urgent, urgency=1, actor="test"))
    assert served(world, 12) == [urgent] * 12
    assert urgent not in served(world, 3)
    assert world.story("batch", urgent).count("running") == 2
    world.check()


def test_nothing_is_charged_while_nobody_else_waits(world: World) -> None:
    world.batch(200)
    served(world, 10)
    with world.store.reading() as db:
        assert db.fetch_all(TIMES) == []


def test_a_cap_on_a_person_holds_and_is_told(world: World) -> None:
    batch = world.batch(50)
    world.store.execute(
        c.SetShare(
            now=world.now, account_id=world.account_id, weight=1.0, tasks_max=5, actor="test"
        )
    )
    host = world.host(cores=16)
    answer = host.exchange(want=20)
    assert len(answer.tasks) == 5
    assert codes(answer) == ["capped"]
    assert answer.refusals[0].count == 50
    other = batch_of(world, another(world))
    assert served(world, 1) == [other]
    world.check()
    host.exchange(failure(answer.tasks[0].task_id), held=[t.task_id for t in answer.tasks[1:]])
    assert batch not in served(world, 3), "room is made when what is out is counted anew"
    world.store.execute(c.RecountBusy(now=world.now))
    assert served(world, 8).count(batch) == 1
    world.check()


def test_a_cap_on_an_app_holds_over_all_its_batches(world: World) -> None:
    world.batch(50)
    batch_of(world, another(world))
    cap = c.SetAppCap(now=world.now, app="period", tasks_max=3, actor="test")
    assert world.store.execute(cap).changed
    assert len(served(world, 6)) == 3
    world.check()
    free = c.SetAppCap(now=world.now, app="period", tasks_max=None, actor="test")
    assert world.store.execute(free).changed
    assert not world.store.execute(free).changed
    assert len(served(world, 6)) == 6


def test_a_cap_counts_what_was_out_before_it(world: World) -> None:
    world.batch(50)
    served(world, 4)
    world.store.execute(
        c.SetShare(
            now=world.now, account_id=world.account_id, weight=1.0, tasks_max=5, actor="test"
        )
    )
    assert len(served(world, 5)) == 1
    world.check()


def test_shares_cost_one_statement_and_only_where_two_compete(local: LocalStore) -> None:
    world = World(local)
    world.batch(100)
    alone = count(world, local, 3)
    for n in range(10):
        batch_of(world, another(world, f"scientist{n}"), 100)
    count(world, local, 3)
    assert count(world, local, 3) <= alone + 1
    for n in range(10, 30):
        batch_of(world, another(world, f"scientist{n}"), 100)
    count(world, local, 3)
    assert count(world, local, 3) <= alone + 1
