"""A batch that fails everywhere pauses itself, and says why."""

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.pulse import FAILURES_OF_STAGE, PULSES_OF_STAGE
from idlegrid_shared.documents import Policy

from .world import World, failure, result

MANY = Policy(quorum=1, replicas=1, max_errors=100, max_tasks=200, deadline_s=100_000)
SKIP = '{"mode":"skip"}'


def fail_on(world: World, hosts: int, tasks: int = 1, reason: str = "trap") -> None:
    """Each of so many new hosts fails so many tasks, a second after it got them."""
    for _ in range(hosts):
        host = world.host(cores=64)
        given = host.take(tasks)
        world.later(1)
        host.exchange(*(failure(t.task_id, reason) for t in given))
        world.run_passes()


def test_a_batch_that_fails_on_ten_hosts_pauses_itself(world: World) -> None:
    batch_id = world.batch(500, world.stage(policy=MANY), on_failure=SKIP)
    fail_on(world, 9)
    assert world.batch_row(batch_id).state == "running"
    fail_on(world, 1)
    row = world.batch_row(batch_id)
    assert row.state == "paused"
    assert row.reason.startswith("brake: ")
    assert "10 different computers: trap" in row.reason
    assert not world.host(cores=64).take(5)
    world.check()


def test_it_goes_on_when_its_owner_says_so_and_its_past_is_forgiven(world: World) -> None:
    batch_id = world.batch(500, world.stage(policy=MANY), on_failure=SKIP)
    fail_on(world, 10)
    world.later(10)
    world.store.execute(c.ResumeBatch(now=world.now, batch_id=batch_id, actor="account:1"))
    fail_on(world, 9)
    assert world.batch_row(batch_id).state == "running"
    fail_on(world, 1)
    assert world.batch_row(batch_id).state == "paused"
    world.check()


def test_results_keep_it_running(world: World) -> None:
    batch_id = world.batch(500, world.stage(policy=MANY), on_failure=SKIP)
    for _ in range(10):
        good = world.host(cores=64)
        good.exchange(*(result(t.task_id, b"%d" % t.index) for t in good.take(2)))
        fail_on(world, 1)
    assert world.batch_row(batch_id).state == "running"
    world.check()


def test_hosts_that_compute_in_silence_keep_it_running(world: World) -> None:
    batch_id = world.batch(500, world.stage(policy=MANY), on_failure=SKIP)
    for _ in range(40):
        world.host(cores=64).take(1)
    world.later(60)
    fail_on(world, 20)
    assert world.batch_row(batch_id).state == "running"
    world.check()


def test_a_pulse_and_the_errors_are_what_the_passes_saw(world: World) -> None:
    batch_id = world.batch(50, world.stage(policy=MANY), on_failure=SKIP)
    good = world.host(cores=64)
    good.exchange(*(result(t.task_id, b"%d" % t.index) for t in good.take(7)))
    world.run_passes()
    fail_on(world, 3, tasks=2)
    stage_id = world.stages(batch_id)[0].id
    with world.store.reading() as db:
        pulses = db.fetch_all(PULSES_OF_STAGE, stage_id=stage_id, limit=100)
        errors = db.fetch_all(FAILURES_OF_STAGE, stage_id=stage_id, after=0, limit=100)
    assert sum(pulse.ended for pulse in pulses) == 7
    assert sum(pulse.results for pulse in pulses) == 7
    assert sum(pulse.errors for pulse in pulses) == 6
    assert len(errors) == 6
    assert {error.reason for error in errors} == {"trap"}
    assert all(error.took_us == 1_000_000 for error in errors)
