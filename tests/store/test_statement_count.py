"""The cost of an exchange depends on nothing that grows."""

from idlegrid_server.store import LocalStore

from .world import World, result


def count(world: World, store: LocalStore, tasks: int) -> int:
    """Statements of one exchange that reports ``tasks`` results and gets as many new tasks."""
    host, other = world.host(cores=64), world.host(cores=64)
    other.take(tasks)
    given = host.take(tasks)
    assert len(given) == tasks
    before = store.statements
    answer = host.exchange(
        *(result(t.task_id, b"%d" % t.index, stderr="x") for t in given), want=tasks
    )
    assert len(answer.tasks) == tasks
    assert {a.fate for a in answer.answers} == {"accepted"}
    return store.statements - before


def test_statements_do_not_grow_with_the_tables_or_the_request(local: LocalStore) -> None:
    """100 units or 20,000; one report and one task, or 60 of each: the same statements."""
    world = World(local)
    world.batch(100, priority=1)
    small = count(world, local, 1)
    world.batch(200, priority=2)
    many = count(world, local, 60)
    world.batch(20_000, priority=3)
    for _ in range(50):
        world.host()
    large = count(world, local, 1)
    assert small == many == large
    assert small <= 16


def test_statements_are_bounded_where_most_units_are_barred(local: LocalStore) -> None:
    """A host that has a task of every unit looks around, but not for long."""
    world = World(local)
    world.batch(300)
    host = world.host(cores=64)
    held = [task.task_id for task in host.take(200)]
    world.later(1)
    before = local.statements
    host.exchange(want=100, held=held)
    assert local.statements - before <= 20


def test_an_idle_exchange_is_four_statements(local: LocalStore) -> None:
    """Most exchanges of a real project say: nothing new here."""
    world = World(local)
    world.batch(10)
    host = world.host()
    before = local.statements
    host.exchange()
    assert local.statements - before <= 4
