"""A batch whose first units go out alone: held back, released, stopped, resumed."""

from idlegrid_server.domain.canary import PROVEN_FIRST_S, WAIT_MOST_S, choose_canaries
from idlegrid_server.domain.model import FailurePolicy
from idlegrid_server.store import command as c
from idlegrid_shared.documents import Policy

from .test_credit import HELD, look
from .world import Host, World, failure, result

UNITS = 60
CANARIES = choose_canaries(bytes(32), UNITS, 3)
SINGLE = Policy(quorum=1, replicas=1, max_errors=0, deadline_s=100_000)
SKIP = '{"mode":"skip"}'


def submit(world: World, **more: object) -> int:
    """A batch with three canaries, one result for each unit."""
    stage = world.stage(policy=more.pop("policy", SINGLE))
    return world.batch(UNITS, stage, canaries=3, on_failure=SKIP, **more)


def succeed(host: Host, tasks: list[c.Assignment]) -> None:
    """All of them end well."""
    host.exchange(*(result(t.task_id, b"%d" % t.index) for t in tasks))


def test_only_canaries_go_out_at_first(world: World) -> None:
    batch_id = submit(world)
    assert world.batch_row(batch_id).state == "canary"
    given = world.host(cores=64).take(UNITS)
    assert sorted(task.index for task in given) == list(CANARIES)
    world.check()


def test_the_rest_follows_when_most_canaries_came_back_well(world: World) -> None:
    batch_id = submit(world)
    host = world.host(cores=64)
    tasks = host.take(3)
    succeed(host, tasks[:1])
    world.run_passes()
    assert world.batch_row(batch_id).state == "canary"
    assert not host.take(10, held=[t.task_id for t in tasks[1:]])
    succeed(host, tasks[1:2])
    world.run_passes()
    row = world.batch_row(batch_id)
    assert (row.state, row.reason) == ("running", "canaries_passed")
    assert len(host.take(UNITS, held=[tasks[2].task_id])) == UNITS - 3
    assert world.story("batch", batch_id)[-2:] == ["canary", "running"]
    world.check()


def test_units_that_are_stored_after_the_release_have_tasks_at_once(world: World) -> None:
    """A large table is still being stored when its canaries come back."""
    batch_id = world.create(world.stage(policy=SINGLE)).batch_id
    world.store.execute(c.StartBatch(now=world.now, batch_id=batch_id, expected=UNITS, canaries=3))
    stage = world.stages(batch_id)[0]
    world.insert(stage.id, 0, 40)
    host = world.host(cores=64)
    early = host.take(UNITS)
    assert sorted(t.index for t in early) == [i for i in CANARIES if i < 40]
    succeed(host, early)
    world.run_passes()
    world.insert(stage.id, 40, 20)
    assert world.batch_row(batch_id).state == "running"
    assert len(host.take(UNITS)) == UNITS - len(early)
    world.check()


def test_slow_canaries_do_not_hold_back_the_rest(world: World) -> None:
    batch_id = submit(world)
    host = world.host(cores=64)
    tasks = [t.task_id for t in host.take(3)]
    world.later(WAIT_MOST_S - 1)
    world.run_passes()
    assert not host.take(5, held=tasks)
    world.later(1)
    world.run_passes()
    assert world.batch_row(batch_id).reason == "canaries_slow"
    assert len(host.take(5, held=tasks)) == 5
    world.check()


def test_a_batch_stops_when_its_canaries_fail(world: World) -> None:
    batch_id = submit(world)
    host = world.host(cores=64)
    host.exchange(*(failure(t.task_id) for t in host.take(3)))
    world.run_passes()
    row = world.batch_row(batch_id)
    assert (row.state, row.reason) == ("paused", "canaries_failed")
    assert not world.host(cores=64).take(5)
    world.check()


def test_who_resumes_a_stopped_batch_gets_the_rest_of_it(world: World) -> None:
    batch_id = submit(world)
    host = world.host(cores=64)
    host.exchange(*(failure(t.task_id) for t in host.take(3)))
    world.run_passes()
    world.later(1)
    world.store.execute(c.ResumeBatch(now=world.now, batch_id=batch_id, actor="account:1"))
    world.run_passes()
    assert world.batch_row(batch_id).state == "running"
    assert len(world.host(cores=64).take(UNITS)) == UNITS - 3
    world.check()


def test_a_pause_among_the_canaries_goes_on_where_it_was(world: World) -> None:
    batch_id = submit(world)
    world.store.execute(
        c.PauseBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    host = world.host(cores=64)
    assert not host.take(5)
    world.store.execute(c.ResumeBatch(now=world.now, batch_id=batch_id, actor="account:1"))
    assert world.batch_row(batch_id).state == "canary"
    assert len(host.take(UNITS)) == 3
    world.check()


def test_a_batch_that_is_cancelled_among_its_canaries_ends_whole(world: World) -> None:
    batch_id = submit(world)
    host = world.host(cores=64)
    host.take(3)
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    world.run_passes()
    assert world.stages(batch_id)[0].cancelled == UNITS
    host.exchange()
    world.check()


def test_a_release_that_its_batch_does_not_live_to_see_makes_no_tasks(world: World) -> None:
    batch_id = submit(world)
    host = world.host(cores=64)
    succeed(host, host.take(3))
    world.unit_pass()
    world.batch_pass()
    stage = world.stages(batch_id)[0]
    assert stage.release_from == 0
    part = world.store.execute(c.ReleaseUnits(now=world.now, stage_id=stage.id, limit=10))
    assert (part.released, part.more) == (8, True)  # two of the first ten are canaries
    world.check()
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    part = world.store.execute(c.ReleaseUnits(now=world.now, stage_id=stage.id, limit=10))
    assert (part.released, part.more) == (0, False)
    assert world.store.execute(
        c.ReleaseUnits(now=world.now, stage_id=stage.id)
    ) == c.ReleaseUnitsResult(0, more=False)
    world.run_passes()
    world.check()


def test_canaries_are_for_proven_hosts_first(world: World) -> None:
    proven = world.prove(world.host(cores=64))
    stranger = world.host(cores=64)
    submit(world)
    answer = stranger.exchange(want=5)
    assert not answer.tasks
    assert [(r.code, r.count) for r in answer.refusals] == [("reserved", 3)]
    assert len(proven.take(1)) == 1
    world.later(PROVEN_FIRST_S)
    world.run_passes()
    assert len(stranger.take(5)) == 2
    world.check()


def test_canaries_are_anybodys_where_nobody_is_proven(world: World) -> None:
    submit(world)
    assert len(world.host(cores=64).take(5)) == 3


def test_a_canary_that_may_not_fail_ends_the_batch(world: World) -> None:
    batch_id = world.batch(UNITS, world.stage(policy=SINGLE), canaries=3)
    assert FailurePolicy().mode == "stop"
    host = world.host(cores=64)
    host.exchange(failure(host.take(1)[0].task_id))
    world.run_passes()
    assert world.batch_row(batch_id).state == "failed"
    assert world.stages(batch_id)[0].cancelled == UNITS - 1
    world.check()


def test_single_results_that_are_held_show_that_the_program_runs(world: World) -> None:
    """A batch whose results become final one by one must not wait for that with its first units."""
    batch_id = submit(world, policy=HELD)
    host = world.host(account_id=world.account_id, cores=64)
    tasks = host.take(3)
    host.exchange(*(result(t.task_id, b"%d" % t.index) for t in tasks[:2]))
    world.apply([look(world, t.unit_id) for t in tasks[:2]])
    assert {world.unit(t.unit_id).state for t in tasks[:2]} == {"provisional"}
    assert world.batch_pass() == ["applied"], "the batch was not woken"
    assert world.batch_row(batch_id).state == "running"
