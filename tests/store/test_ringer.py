"""Planted units with a known answer: a check for whoever gets one, and no part of the answer."""

from idlegrid_server.pipeline.snapshot import due_units
from idlegrid_server.store.query import Query
from idlegrid_server.store.sql import unit as unit_sql
from idlegrid_server.store.sql.account import INCIDENTS_NEWEST

from .test_standing import APP, BELIEF, TRUST, reputation, run, say
from .world import World, result

OUTPUTS = Query(
    "test_outputs",
    "the units whose outputs stand in an index, as tests look at them",
    "SELECT idx FROM output ORDER BY idx",
    lambda row: int(row[0]),
)


def test_a_right_answer_is_a_check_passed_even_for_a_stranger_alone(world: World) -> None:
    batch_id = world.batch(2, world.stage(policy=BELIEF), known={0: b"right0"})
    host = world.host()
    ringer, _ = say(host, count=2)
    run(world)
    assert (world.unit(ringer).state, world.unit(ringer).n_tasks) == ("assimilated", 1)
    assert world.story("unit", ringer) == ["valid", "assimilated"]
    trust, app = reputation(world, host), reputation(world, host, APP)
    assert trust is not None
    assert app is not None
    assert (trust.passed, trust.checks, app.checks) == (1.0, 1, 1)
    assert host.row().credit_micro == 1_000_000
    assert world.stages(batch_id)[0].assimilated == 1
    world.check()


def test_a_wrong_answer_is_a_failed_check_as_soon_as_somebody_is_right(world: World) -> None:
    world.batch(3, world.stage(policy=BELIEF), known={0: b"right0"})
    liar, honest = world.host(), world.host()
    (ringer,) = say(liar, b"wrong")
    run(world)
    assert world.unit(ringer).state == "open"
    assert reputation(world, liar) is None  # the scientist may be mistaken
    assert say(honest) == [ringer]
    run(world)
    assert [task.verdict for task in world.tasks(ringer)] == ["invalid", "valid"]
    caught = reputation(world, liar, TRUST)
    assert caught is not None
    assert (caught.failed, caught.caught_at) == (1.0, world.now)
    world.check()


def test_hands_that_agree_on_another_answer_raise_an_alert_and_fail_nobody(world: World) -> None:
    batch_id = world.batch(1, world.stage(policy=BELIEF), known={0: b"a mistake"})
    hosts = [world.host() for _ in range(3)]
    for host in hosts:
        say(host)
        run(world)
    assert world.stages(batch_id)[0].assimilated == 1
    with world.store.reading() as db:
        codes = [row.code for row in db.fetch_all(INCIDENTS_NEWEST, limit=10)]
    assert codes == ["ringer_wrong"]
    for host in hosts:
        assert reputation(world, host) is None
    world.check()


def test_what_is_known_is_no_part_of_the_answer(world: World) -> None:
    world.batch(3, known={1: b"right1"})
    hosts = [world.host(), world.host()]
    for host in hosts:
        for task in host.take(3):
            host.exchange(result(task.task_id, b"right%d" % task.index))
    run(world)
    with world.store.reading() as db:
        assert db.fetch_all(OUTPUTS) == [0, 2]
        stage_id = world.unit(1).stage_id
        table = db.fetch_all(unit_sql.UNIT_INPUTS_AFTER, stage_id=stage_id, after=-1, limit=9)
    assert [(row[0], row[3]) for row in table] == [(0, "assimilated"), (2, "assimilated")]
    world.check()


def test_hosts_are_told_nothing_of_it(world: World) -> None:
    """All that a host gets of a planted unit is what it gets of any other."""
    world.batch(2, known={0: b"right0"})
    host = world.host()
    planted, other = host.take(2)
    assert planted.index == 0
    told = [
        {n: getattr(t, n) for n in t.__struct_fields__ if n not in ("task_id", "unit_id", "index")}
        for t in (planted, other)
    ]
    assert told[0] | {"args": ""} == told[1] | {"args": ""}
    with world.store.reading() as db:
        assert due_units(db, world.now, 10) == []
