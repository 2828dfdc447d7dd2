"""Checks, singles and their finality, hosts that are caught: as a pass stores them."""

import pytest

from idlegrid_server.domain.trust import SHUT_OUT_US
from idlegrid_server.pipeline.passes import finish_pass, recheck_pass
from idlegrid_server.pipeline.snapshot import due_units
from idlegrid_server.pipeline.standing import Fleets
from idlegrid_server.store import command as c
from idlegrid_server.store.local import LocalStore
from idlegrid_server.store.query import REGISTRY, Query
from idlegrid_server.store.sql import reputation as sql
from idlegrid_shared.documents import Policy

from .world import PROFILE, World, result
from .world import Host as WorldHost

FINALITY = 3
#: One check in a hundred by lot, so that stories tell which units are checked.
BELIEF = Policy(
    replication="credibility",
    error_max=0.01,
    assumed_bad=0.02,
    audit=0.01,
    finality=FINALITY,
    deadline_s=100_000,
)
START = 6  # checks after which a host speaks alone by that policy: five, as the first fade
TRUST, APP = PROFILE, "a:1"
HELD = Query(
    "test_held",
    "the provisional units, as tests look at them",
    "SELECT id, held_by, held_for, final_at, due_at, target FROM work_unit"
    " WHERE state = 'provisional' ORDER BY id",
)


def reputation(world: World, host: WorldHost, subject: str = TRUST) -> sql.ReputationRow | None:
    """What a host's checks come to."""
    with world.store.reading() as db:
        rows = db.fetch_all(sql.REPUTATIONS, host_ids=[host.id], subjects=[subject])
    return rows[0] if rows else None


def held(world: World) -> list[tuple[object, ...]]:
    """The provisional units."""
    with world.store.reading() as db:
        return db.fetch_all(HELD)


def run(world: World) -> None:
    """All passes over units, until nothing is due."""
    for _ in range(50):
        with world.store.reading() as db:
            units = due_units(db, world.now, 300)
        if units:
            world.apply(units)
        elif not recheck_pass(world.store, lambda: world.now):
            return
    raise AssertionError("no end")


def say(host: WorldHost, data: bytes = b"right", count: int = 1) -> list[int]:
    """The host takes units, and returns ``data`` for each; the units."""
    tasks = host.take(count)
    assert len(tasks) == count, host.last
    host.world.later(1)
    host.exchange(*(result(task.task_id, data + b"%d" % task.index) for task in tasks))
    return [task.unit_id for task in tasks]


def proven(world: World, house: WorldHost, count: int = START) -> WorldHost:
    """A volunteer's host that agreed with a house host ``count`` times."""
    host = world.host()
    for _ in range(count):
        (unit,) = say(host)
        run(world)
        assert say(house) == [unit]
        run(world)
    return host


def test_checks_make_a_stranger_proven_and_its_word_provisional(world: World) -> None:
    batch_id = world.batch(20, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    trust, app = reputation(world, host), reputation(world, host, APP)
    assert trust is not None
    assert app is not None
    assert trust.passed == pytest.approx(START, abs=1e-3)
    assert (trust.failed, trust.streak, app.checks) == (0.0, START, START)
    assert host.row().state == "trusted"
    assert world.story("host", host.id) == ["new", "probation", "trusted"]
    (unit_id,) = say(host)
    run(world)
    row = world.unit(unit_id)
    assert (row.state, row.held_by, row.held_for, row.final_at, row.due_at) == (
        *("provisional", host.id, APP, START + FINALITY, None),
    )
    assert row.canonical_manifest is not None
    assert world.tasks(unit_id)[0].credit_micro is None
    stage = world.stages(batch_id)[0]
    assert (stage.assimilated, stage.provisional) == (START, 1)
    world.check()


def test_provisional_units_are_final_when_their_hosts_checks_have_come(world: World) -> None:
    batch_id = world.batch(20, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    (unit_id,) = say(host)
    run(world)
    for left in reversed(range(FINALITY)):
        audit(world, house, host)
        assert (world.unit(unit_id).state == "assimilated") == (left == 0)
    task = world.tasks(unit_id)[0]
    assert (task.verdict, task.credit_micro) == ("valid", 1_000_000)
    assert world.stages(batch_id)[0].provisional == 0
    assert world.story("unit", unit_id)[-3:] == ["provisional", "valid", "assimilated"]
    world.check()


def audit(world: World, house: WorldHost, host: WorldHost, data: bytes = b"right") -> int:
    """A single result of the host, checked by a house host in secret; the unit."""
    (unit_id,) = say(host, data)
    run(world)
    assert world.unit(unit_id).state == "provisional"
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=(unit_id,)))
    run(world)
    assert say(house) == [unit_id]
    run(world)
    return unit_id


def test_one_failed_check_opens_all_that_a_host_says_alone(world: World) -> None:
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    singles = say(host, count=2)
    run(world)
    assert [world.unit(unit).state for unit in singles] == ["provisional"] * 2
    lie = audit(world, house, host, b"wrong")
    assert [t.verdict for t in world.tasks(lie)] == ["invalid", "valid"]
    trust, app = reputation(world, host), reputation(world, host, APP)
    assert trust is not None
    assert app is not None
    assert (trust.passed, trust.streak, trust.caught_at) == (0.0, 0, world.now)
    assert trust.failed == app.failed == pytest.approx(1.0)
    assert (app.checks, app.n_failed) == (START, 1)
    assert host.row().state == "probation"
    assert [world.unit(unit).state for unit in singles] == ["open"] * 2
    assert [world.unit(unit).reason for unit in singles] == ["host_caught"] * 2
    assert held(world) == []
    world.check()
    # Its old word has no vote: one house host's is enough.
    assert sorted(say(house, count=2)) == singles
    run(world)
    assert [world.unit(unit).state for unit in singles] == ["provisional"] * 2
    world.check()


def test_a_second_failed_check_shuts_out_for_a_day_then_for_two(world: World) -> None:
    world.batch(60, world.stage(policy=Policy(quorum=2, deadline_s=100_000)))
    world.distinct = ("host",)  # both house hosts are of one owner
    houses = [world.house(), world.house()]
    host = world.host()

    def lie() -> None:
        (unit,) = say(host, b"wrong")
        for house in houses:
            assert say(house) == [unit]
            run(world)

    for days in (1, 2):
        while host.row().state != "quarantined":
            lie()
        assert host.row().shut_out_until == world.now + days * SHUT_OUT_US
        refused = host.exchange(want=1)
        assert refused.tasks == ()
        assert [refusal.code for refusal in refused.refusals] == ["quarantined"]
        world.store.execute(c.ReleaseHosts(now=world.now + days * SHUT_OUT_US - 1))
        assert host.row().state == "quarantined"
        world.later(days * 86_400)
        assert world.store.execute(c.ReleaseHosts(now=world.now)).released == (host.id,)
        assert (host.row().state, host.row().shut_out_until) == ("probation", None)
        assert len(host.take()) == 1
        world.check()
        world.later(100_001)
        run(world)
    assert world.story("host", host.id)[-4:] == ["quarantined", "probation"] * 2


def test_no_plan_relies_on_a_host_that_the_same_command_catches(world: World) -> None:
    """One pass finds the host to be wrong, and would take its word elsewhere: it must not."""
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    (lie,) = say(host, b"wrong")
    run(world)
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=(lie,)))
    run(world)
    assert say(house) == [lie]
    (single,) = say(host)  # both wait for the same pass now, the single one first
    with world.store.reading() as db:
        units = sorted(due_units(db, world.now, 10), key=lambda unit: -unit.id)
    assert [unit.id for unit in units] == [single, lie]
    applied = world.apply(units)
    assert (applied.applied, applied.void) == (1, (single,))
    run(world)
    assert world.unit(single).state == "open"
    world.check()


def test_nothing_is_final_while_a_dispute_lasts(world: World) -> None:
    """Checks that go well come back sooner than one that does not, which needs a third voice."""
    world.batch(60, world.stage(policy=BELIEF))
    house = world.house()
    host, other = proven(world, house), proven(world, house)
    first, *checked, disputed = say(host, count=FINALITY + 2)
    run(world)
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=(disputed,)))
    run(world)
    assert say(other, b"wrong") == [disputed]
    run(world)
    assert {task.reason for task in world.tasks(disputed)[:2]} == {"disputed"}
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=tuple(checked)))
    run(world)
    assert say(house, count=FINALITY) == checked
    run(world)
    app = reputation(world, host, APP)
    assert app is not None
    assert app.checks == world.unit(first).final_at
    assert world.unit(first).state == "provisional"
    assert say(house) == [disputed]
    run(world)
    assert world.unit(disputed).state == world.unit(first).state == "assimilated"
    world.check()


def test_the_end_of_a_stage_checks_the_newest_singles_until_the_others_are_final(
    world: World,
) -> None:
    batch_id = world.batch(START + 8, world.stage(policy=BELIEF))
    house = world.house(cores=16)
    host = proven(world, house)
    singles = say(host, count=4) + say(host, count=3)
    run(world)
    clock = lambda: world.now  # noqa: E731
    assert finish_pass(world.store, clock) == 0  # one unit is fresh still
    singles += say(host)
    run(world)
    assert finish_pass(world.store, clock) == FINALITY
    assert finish_pass(world.store, clock) == 0  # what was asked for is waited for
    run(world)
    checked = [row[0] for row in held(world) if row[5] == 2]
    assert checked == sorted(singles)[-FINALITY:]
    assert world.batch_row(batch_id).state == "running"
    assert sorted(say(house, count=FINALITY)) == checked
    run(world)
    assert held(world) == []
    assert world.stages(batch_id)[0].assimilated == START + 8
    world.batch_pass()
    assert world.stages(batch_id)[0].state == "complete"
    world.check()


def test_a_hold_that_is_final_at_once_is_looked_at_again(world: World) -> None:
    """The pass that holds a single result also passes the check that makes it final."""
    policy = Policy(
        replication="credibility", error_max=0.01, audit=0.01, finality=1, deadline_s=100_000
    )
    world.batch(30, world.stage(policy=policy))
    house = world.house()
    host = proven(world, house)
    (first,) = say(host)
    run(world)
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=(first,)))
    run(world)
    say(house)
    (second,) = say(host)
    world.unit_pass()
    assert world.unit(second).state == "provisional"
    assert world.unit(second).due_at == world.now
    run(world)
    assert world.unit(second).state == "assimilated"
    world.check()


def test_what_a_shut_out_host_says_alone_is_looked_at_again(world: World) -> None:
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    singles = say(host, count=3)
    run(world)
    world.store.execute(
        c.SetHostState(now=world.now, host_id=host.id, state="banned", reason="x", actor="test")
    )
    pieces = [
        world.store.execute(c.RecheckHost(now=world.now, host_id=host.id, limit=2))
        for _ in range(3)
    ]
    assert [(piece.marked, piece.more) for piece in pieces] == [(2, True), (1, False), (0, False)]
    run(world)
    assert [world.unit(unit).state for unit in singles] == ["open"] * 3
    world.check()


def test_cancelling_a_batch_ends_provisional_units(world: World) -> None:
    batch_id = world.batch(START + 3, world.stage(policy=BELIEF))
    host = proven(world, world.house())
    (unit_id,) = say(host)
    run(world)
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="test")
    )
    stage_id = world.stages(batch_id)[0].id
    world.store.execute(c.SettleStage(now=world.now, stage_id=stage_id))
    run(world)
    row = world.unit(unit_id)
    assert (row.state, row.held_by, row.final_at) == ("cancelled", None, None)
    assert world.stages(batch_id)[0].provisional == 0
    world.check()


def test_trust_fades_between_checks(world: World) -> None:
    world.batch(20, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    world.later(90 * 86_400)
    (unit,) = say(host)
    run(world)
    assert world.unit(unit).state == "open"  # half of its trust is gone: it must be checked
    assert say(house) == [unit]
    run(world)
    trust, app = reputation(world, host), reputation(world, host, APP)
    assert trust is not None
    assert app is not None
    assert trust.passed == pytest.approx(START / 2 + 1, abs=1e-3)
    assert (trust.checks, app.checks) == (START + 1, START + 1)
    world.check()


def test_further_tasks_are_kept_for_proven_hosts_where_there_are_some(world: World) -> None:
    world.batch(20, world.stage(policy=BELIEF))
    house, stranger = world.house(), world.host()
    world.house()
    (unit_id,) = say(world.host())
    run(world)
    row = world.unit(unit_id)
    assert (row.rank, row.state) == (2, "open")
    assert row.reserved_until is not None
    assert row.due_at == row.reserved_until
    taken = [task.unit_id for task in stranger.take(4)]
    assert unit_id not in taken
    world.later(100_000)
    run(world)  # too long: anybody may have it
    row = world.unit(unit_id)
    assert (row.rank, row.reserved_until) == (1, None)
    assert say(house) == [unit_id]
    world.check()


def test_statements_of_a_pass_do_not_grow_with_its_units(local: LocalStore) -> None:
    world = World(local)
    world.batch(400, world.stage(policy=BELIEF))
    host = proven(world, world.house())
    fleets = Fleets()
    costs = []
    for count in (2, 30):
        say(host, count=count)
        before = local.statements
        with world.store.reading() as db:
            read_before = db.statements
            units = due_units(db, world.now, 300, fleets)
            reads = db.statements - read_before
        assert len(units) == count
        world.apply(units)
        costs.append((reads, local.statements - before))
        run(world)
    (few_reads, few), (many_reads, many) = costs
    assert few_reads - 2 == many_reads <= 6  # who is there was looked up the first time
    assert many <= few


def test_queries_of_passes_use_their_indexes(local: LocalStore) -> None:
    """A provisional unit among a hundred million is found without looking at the others."""
    values = {"most": 1, "now": 1, "host_id": 1, "recheck_from": 0, "limit": 1, "stage_id": 1}
    for name, index in (
        ("held_nearly_final", "ix_unit_held"),
        ("held_by_host", "ix_unit_held"),
        ("held_unchecked", "ix_unit_provisional"),
        ("held_under_check", "ix_unit_provisional"),
        ("stages_to_finish", "ix_stage_provisional"),
        ("hosts_recheck", "ix_host_recheck"),
        ("hosts_to_release", "ix_host_shut_out"),
    ):
        query = REGISTRY[name]
        text = query.sqlite_with((1,) * len(query.listed))
        names = {**values, "after": 0, **{f"{n}_0": 1 for n in query.listed}}
        with local.reading() as db:
            plan = db.raw.execute("EXPLAIN QUERY PLAN " + text, names).fetchall()
        told = "\n".join(str(row[3]) for row in plan)
        assert index in told, f"{name}: {told}"
        assert not {"SCAN u", "SCAN work_unit"} & set(told.splitlines()), f"{name}: {told}"


def test_the_first_checks_of_a_house_host_make_its_word_final(world: World) -> None:
    """It speaks alone from the start, when nothing is counted for it yet."""
    world.batch(20, world.stage(policy=BELIEF))
    house, other = world.house(), world.host()
    (unit_id,) = say(house)
    run(world)
    assert world.unit(unit_id).state == "provisional"
    checked = say(house, count=FINALITY)
    run(world)
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=tuple(checked)))
    run(world)
    assert sorted(say(other, count=FINALITY)) == checked
    run(world)
    assert world.unit(unit_id).state == "assimilated"
    world.check()
