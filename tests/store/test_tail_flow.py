"""The end of a batch: more copies for what slow hosts hold, and none too many."""

from idlegrid_server.store import command as c
from idlegrid_shared.documents import Policy

from .world import Host, World, result

RULES = Policy(quorum=1, replicas=1, max_tasks=3, deadline_s=100_000)


def nearly_done(world: World) -> tuple[int, Host, list[c.Assignment]]:
    """20 units: 18 came back after 100 s each, two are with a slow host."""
    batch_id = world.batch(20, world.stage(policy=RULES))
    slow, fast = world.host(cores=64), world.host(cores=64)
    held = slow.take(2)
    given = fast.take(18)
    world.later(100)
    fast.exchange(*(result(t.task_id, b"%d" % t.index) for t in given))
    world.run_passes()
    return batch_id, slow, held


def test_units_that_a_slow_host_holds_get_one_more_copy(world: World) -> None:
    _, _, held = nearly_done(world)
    idle = world.host(cores=4)
    assert idle.take(4) == []
    world.later(400)
    idle.exchange()
    world.run_passes()
    given = idle.take(4)
    assert {t.unit_id for t in given} == {t.unit_id for t in held}
    assert {world.unit(t.unit_id).target for t in given} == {2}
    for task in given:
        assert len(world.tasks(task.unit_id)) == 2
    world.check()


def test_no_copy_beyond_the_apps_limit(world: World) -> None:
    _, _, held = nearly_done(world)
    for _ in range(6):
        world.host(cores=4).exchange(want=1)
        world.later(2_000)
        world.host(cores=4).exchange()
        world.run_passes()
        world.host(cores=4).take(4)
    assert all(len(world.tasks(t.unit_id)) == RULES.max_tasks for t in held)
    world.check()


def test_without_idle_hosts_there_are_no_copies(world: World) -> None:
    _, _, held = nearly_done(world)
    world.later(4_000)  # who was idle has not been heard of since
    world.run_passes()
    assert all(len(world.tasks(t.unit_id)) == 1 for t in held)


def test_the_quicker_copy_decides_and_the_batch_ends(world: World) -> None:
    batch_id, slow, held = nearly_done(world)
    idle = world.host(cores=4)
    world.later(400)
    idle.exchange()
    world.run_passes()
    idle.exchange(*(result(t.task_id, b"%d" % t.index) for t in idle.take(4)))
    world.run_passes()
    assert world.stages(batch_id)[0].state == "complete"
    late = slow.exchange(*(result(t.task_id, b"%d" % t.index) for t in held))
    assert {answer.fate for answer in late.answers} == {"accepted"}
    world.run_passes()
    world.check()
