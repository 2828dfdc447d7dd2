"""How often hosts were refused work, counted by stage and reason, on both engines."""

from idlegrid_server.scheduler.tally import KEYS_MAX, WRITE_AFTER_US, RefusalTally
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.refusal import HOUR_US, HOURS_KEPT
from idlegrid_server.store.query import Query
from idlegrid_server.store.sql.explain import REFUSALS_OF_STAGES

from .world import SECOND, World

ROWS = Query("test_refusals", "as tests look at them", "SELECT COUNT(*) FROM refusal")


def counted(world: World, *stages: int) -> dict[str, int]:
    with world.store.reading() as db:
        found = db.fetch_all(
            REFUSALS_OF_STAGES, since=world.now // HOUR_US - 1, stage_ids=list(stages)
        )
    return {row.code: row.times for row in found}


def test_refusals_are_added_up_by_the_hour_and_forgotten(world: World) -> None:
    for times in (1, 2):
        rows = (c.TurnedAway(7, "partner", times), c.TurnedAway(0, "cap", 5))
        world.store.execute(c.RecordRefusals(now=world.now, refusals=rows))
    assert counted(world, 7) == {"partner": 3}
    assert counted(world, 0, 7) == {"cap": 10, "partner": 3}
    world.later(2 * HOUR_US // SECOND)
    assert counted(world, 7) == {}
    world.later((HOURS_KEPT + 1) * HOUR_US // SECOND)
    world.store.execute(c.RecordRefusals(now=world.now, refusals=(c.TurnedAway(7, "memory", 1),)))
    with world.store.reading() as db:
        assert db.fetch_one(ROWS) == (1,)


def test_an_exchange_says_which_stage_turned_the_host_away(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    answer = host.exchange(want=1, held=[task.task_id])
    assert [(away.stage_id, away.code) for away in answer.turned_away] == [
        (task.stage_id, "partner")
    ]
    small = world.host(memory_bytes=1)
    assert [(a.stage_id, a.code) for a in small.exchange(want=1).turned_away] == [(0, "memory")]
    assert host.exchange(held=[task.task_id]).turned_away == ()


def test_the_tally_writes_now_and_then_and_is_bounded(local: LocalStore) -> None:
    world = World(local)
    tally = RefusalTally(local, lambda: world.now)
    before = local.statements
    for stage in range(KEYS_MAX + 50):
        tally.note([(stage + 1, "partner")])
    assert local.statements == before, "nothing is written on the way"
    world.now += WRITE_AFTER_US
    tally.note([(1, "partner")])
    assert counted(world, 1) == {"partner": 2}
    assert counted(world, KEYS_MAX + 20) == {}
    assert counted(world, 0) == {"partner": 50}
    tally.note([(1, "partner")])
    tally.flush()
    assert counted(world, 1) == {"partner": 3}
    tally.flush()
    assert counted(world, 1) == {"partner": 3}
