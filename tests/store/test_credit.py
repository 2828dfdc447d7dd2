"""Who is paid what, when it waits, and what is told of it, on both engines."""

import msgspec

from idlegrid_server.domain.average import HALF_LIFE_US, decayed
from idlegrid_server.domain.benchmark import ops_per_second
from idlegrid_server.domain.credit import OPS_PER_CREDIT
from idlegrid_server.domain.model import Hold, Relation, Standing, UnitSnapshot
from idlegrid_server.domain.spread import SAMPLES_MIN
from idlegrid_server.domain.unit import reopen_unit
from idlegrid_server.pipeline.snapshot import task_snapshot, unit_snapshot
from idlegrid_server.pipeline.worth import with_worth
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.store.query import Query
from idlegrid_server.store.recount import recount
from idlegrid_server.store.sql import account as account_sql
from idlegrid_server.store.sql import credit as sql
from idlegrid_server.store.sql import unit as unit_sql
from idlegrid_server.store.sql.event import EVENTS_OF_OBJECT
from idlegrid_shared.documents import Policy

from .test_checkpoint import leave, migrating, miss_deadline
from .test_standing import BELIEF, FINALITY, START, audit, proven, run, say
from .world import SECOND, Host, World, failure, result

CREDIT = 1_000_000
HELD = Policy(replication="credibility", deadline_s=1000, grace_s=10, finality=2, audit=0.0)


CREDIT_OF_TASKS = Query(
    "test_credit_of_tasks",
    "who got what of results, as tests look at it",
    "SELECT " + ", ".join(sql.CreditRow._fields) + " FROM credit WHERE task_id {in:task_ids} "
    "ORDER BY task_id, of_task",
    sql.CreditRow._make,
)


def rows(world: World, *tasks: int) -> list[sql.CreditRow]:
    with world.store.reading() as db:
        return db.fetch_all(CREDIT_OF_TASKS, task_ids=list(tasks))


def told(world: World, host: Host) -> list[tuple[int, int, int]]:
    """What a host's days have added up to, and those of its owner."""
    with world.store.reading() as db:
        found = db.fetch_all(sql.DAYS_OF_HOST, host_id=host.id, since=0, limit=100)
    return [(row.results, row.base_micro, row.micro) for row in found]


def look(world: World, unit_id: int, **standing: object) -> UnitSnapshot:
    """A unit as a pass would see it whose hosts are the project's own and stand so."""
    row = world.unit(unit_id)
    with world.store.reading() as db:
        stage = db.fetch_all(unit_sql.UNIT_STAGES, stage_ids=[row.stage_id])[0]
        unit = unit_snapshot(row, [task_snapshot(task) for task in world.tasks(unit_id)], stage)
        (unit,) = with_worth(db, [unit], {stage.stage_id: stage.release})
    hosts = {task.host_id for task in unit.tasks if task.host_id is not None}
    return msgspec.structs.replace(
        unit,
        standings=tuple(Standing(host, house=True, **standing) for host in sorted(hosts)),  # type: ignore[arg-type]
        hold=Hold(1, 2) if unit.state == "provisional" else None,
    )


def check(world: World) -> None:
    """Every invariant but those of trust, which these tests say instead of keeping it."""
    with world.store.reading() as db:
        found = recount(db, world.distinct)
    trust = ("nobody will look", "votes")
    assert [line for line in found if not any(words in line for words in trust)] == []


def single(world: World, ops: int = OPS_PER_CREDIT) -> tuple[Host, c.Assignment]:
    """One result, held until it is final."""
    world.batch(1, world.stage(policy=HELD))
    host = world.host(account_id=world.account_id)
    (task,) = host.take()
    host.exchange(result(task.task_id, b"x", ops=ops))
    world.apply([look(world, task.unit_id)])
    assert world.unit(task.unit_id).state == "provisional"
    return host, task


def pending(world: World, host: Host) -> int:
    with world.store.reading() as db:
        by_account = db.fetch_one(sql.PENDING_OF_ACCOUNT, account_id=world.account_id)
        by_host = db.fetch_one(sql.PENDING_OF_HOST, host_id=host.id)
    assert by_account == by_host
    assert by_host is not None
    return by_host


def notes(world: World, task: int) -> list[str]:
    """What the log says of a task's credit."""
    with world.store.reading() as db:
        found = db.fetch_all(EVENTS_OF_OBJECT, kind="credit", object_id=task, after=0, limit=100)
    return [row.reason for row in found]


# --- singles


def test_a_single_is_booked_and_paid_when_it_is_final(world: World) -> None:
    host, task = single(world)
    assert (host.row().credit_micro, pending(world, host)) == (0, CREDIT)
    assert world.tasks(task.unit_id)[0].credit_micro is None
    assert notes(world, task.task_id) == ["booked"]
    check(world)
    world.later(3600)
    world.apply([look(world, task.unit_id, checks=2)])
    assert world.unit(task.unit_id).state == "assimilated"
    assert (host.row().credit_micro, pending(world, host)) == (CREDIT, 0)
    (row,) = rows(world, task.task_id)
    assert (row.state, row.micro, row.at) == ("paid", CREDIT, world.now)
    assert told(world, host) == [(1, CREDIT, CREDIT)]
    check(world)


def test_a_single_whose_host_is_caught_gets_nothing(world: World) -> None:
    host, task = single(world)
    world.later(10)
    world.apply([look(world, task.unit_id, caught_at=world.now)])
    assert world.unit(task.unit_id).state == "open"
    assert (host.row().credit_micro, pending(world, host)) == (0, 0)
    assert rows(world, task.task_id) == []
    assert notes(world, task.task_id) == ["booked", "void"]
    assert told(world, host) == []
    check(world)


def test_a_single_of_a_cancelled_batch_gets_nothing(world: World) -> None:
    host, task = single(world)
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=task.batch_id, reason="owner", actor="account:1")
    )
    world.apply([look(world, task.unit_id)])
    assert world.unit(task.unit_id).state == "cancelled"
    assert pending(world, host) == 0
    check(world)


def test_a_single_claims_at_most_the_percentile_of_its_stage(world: World) -> None:
    """The more agreed on, the tighter: nine honest units of one credit bound what a liar says."""
    world.batch(SAMPLES_MIN + 1)
    hosts = [world.host(), world.host()]
    for _ in range(SAMPLES_MIN):
        for host in hosts:
            (task,) = host.take()
            host.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    (task,) = hosts[0].take()
    hosts[0].exchange(result(task.task_id, b"x", ops=50 * OPS_PER_CREDIT))
    world.check()
    unit = msgspec.structs.replace(look(world, task.unit_id), policy=HELD, target=1)
    world.apply([with_bound(world, unit)])
    (row,) = rows(world, task.task_id)
    assert row.state == "pending"
    assert CREDIT <= row.base_micro <= CREDIT * 33 // 32


def with_bound(world: World, unit: UnitSnapshot) -> UnitSnapshot:
    with world.store.reading() as db:
        stage = db.fetch_all(unit_sql.UNIT_STAGES, stage_ids=[unit.stage_id])[0]
        (found,) = with_worth(db, [unit], {stage.stage_id: stage.release})
    return found


def test_a_unit_that_is_opened_again_leaves_the_spread(world: World) -> None:
    world.batch(1)
    unit_id = 0
    for host in (world.host(), world.host()):
        (task,) = host.take()
        unit_id = task.unit_id
        host.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    assert world.unit(unit_id).agreed_micro == CREDIT
    world.check()
    plan = reopen_unit(look(world, unit_id), world.now)
    world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(plan,)))
    assert world.unit(unit_id).agreed_micro is None
    world.check()
    world.unit_pass()
    assert world.unit(unit_id).agreed_micro == CREDIT
    world.check()


def test_singles_of_proven_hosts_wait_and_are_void_when_one_is_caught(world: World) -> None:
    """The whole way: checks, singles, a lie found out, and what the house then says."""
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    before = host.row().credit_micro
    assert before == START * CREDIT
    singles = say(host, count=2)
    run(world)
    assert {row.state for row in rows(world, *task_ids(world, singles))} == {"pending"}
    assert host.row().credit_micro == before
    world.check()
    audit(world, house, host, b"wrong")
    assert rows(world, *task_ids(world, singles)) == []
    assert host.row().credit_micro == before
    world.check()
    assert sorted(say(house, count=2)) == singles
    run(world)
    assert {row.host_id for row in rows(world, *task_ids(world, singles))} == {house.id}
    world.check()


def test_singles_are_paid_with_the_checks_that_make_them_final(world: World) -> None:
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    (unit_id,) = say(host)
    run(world)
    before = host.row().credit_micro
    for _ in range(FINALITY):
        audit(world, house, host)
    (row,) = rows(world, *task_ids(world, [unit_id]))
    assert (row.state, row.base_micro) == ("paid", CREDIT)
    assert host.row().credit_micro == before + (1 + FINALITY) * CREDIT
    world.check()


def test_a_unit_that_is_held_for_another_host_at_once_voids_what_the_first_was_booked(
    world: World,
) -> None:
    """A late result is in when the host is caught: one plan opens the unit and holds the other."""
    world.batch(1, world.stage(policy=HELD))
    late, host = world.house(), world.host()
    (task,) = late.take()
    miss_deadline(world)
    (other,) = host.take()
    host.exchange(result(other.task_id, b"x"))
    world.apply([look(world, task.unit_id)])
    assert [row.host_id for row in rows(world, task.task_id, other.task_id)] == [host.id]
    world.later(1)
    late.exchange(result(task.task_id, b"y"))
    unit = look(world, task.unit_id)
    standings = (Standing(late.id, house=True), Standing(host.id, caught_at=world.now))
    world.apply([msgspec.structs.replace(unit, standings=standings, target=1)])
    row = world.unit(task.unit_id)
    assert (row.state, row.held_by) == ("provisional", late.id)
    assert [row.host_id for row in rows(world, task.task_id, other.task_id)] == [late.id]
    check(world)


def test_a_single_that_turns_out_unreadable_gets_nothing(world: World) -> None:
    """Another validator is asked later on, and cannot read what was held: an error of its task."""
    _, task = single(world)
    unit = look(world, task.unit_id)
    manifest = world.tasks(task.unit_id)[0].manifest
    assert manifest is not None
    relation = Relation(unreadable=frozenset({manifest}))
    world.apply([msgspec.structs.replace(unit, relation=relation)])
    assert world.tasks(task.unit_id)[0].state == "error"
    assert rows(world, task.task_id) == []
    check(world)


def task_ids(world: World, units: list[int]) -> list[int]:
    return [task.id for unit in units for task in world.tasks(unit)]


# --- when it came, and who began it


def test_late_results_are_worth_the_same_and_paid_less(world: World) -> None:
    world.batch(1)
    prompt, late = world.host(), world.host()
    (one,), (other,) = prompt.take(), late.take()
    world.later(500)
    prompt.exchange(result(one.task_id, b"x"))
    world.later(400)
    late.exchange(result(other.task_id, b"x"))
    world.unit_pass()
    assert {row.base_micro for row in rows(world, one.task_id, other.task_id)} == {CREDIT}
    assert prompt.row().credit_micro == CREDIT
    assert late.row().credit_micro == CREDIT * 92 // 100
    world.check()


def test_who_began_a_task_shares_with_who_ended_it(world: World) -> None:
    migrating(world)
    first, second, third = world.prove(world.host()), world.host(), world.host()
    (task,) = first.take()
    leave(world, first, task.task_id, b"half way", ops=OPS_PER_CREDIT // 4)
    (other,) = second.take()
    second.exchange(result(other.task_id, b"x"))
    miss_deadline(world)
    (again,) = third.take()
    assert again.resume is not None
    third.exchange(result(again.task_id, b"x"))
    world.unit_pass()
    parts = {row.of_task: row.base_micro for row in rows(world, again.task_id)}
    assert parts == {task.task_id: CREDIT // 4, again.task_id: CREDIT * 3 // 4}
    assert [host.row().credit_micro for host in (first, second, third)] == [
        CREDIT // 4,
        rows(world, other.task_id)[0].micro,
        CREDIT * 3 // 4,
    ]
    assert told(world, first) == [(0, CREDIT // 4, CREDIT // 4)]
    assert told(world, third) == [(1, CREDIT * 3 // 4, CREDIT * 3 // 4)]
    world.check()


# --- work without counted ops


def test_native_work_is_paid_by_time_at_the_speed_of_the_host(world: World) -> None:
    """Two hosts showed their speed with counted work; then they take time for native work."""
    hosts = [world.host(), world.host()]
    world.batch(1)
    for host, took_s in zip(hosts, (100, 400), strict=True):
        (task,) = host.take()
        world.later(took_s)
        host.exchange(result(task.task_id, b"x", elapsed_us=took_s * SECOND))
    world.unit_pass()
    speeds = [ops_per_second(host.row().bench_micro, host.row().bench_us) for host in hosts]
    assert speeds == [OPS_PER_CREDIT // 100, OPS_PER_CREDIT // 400]
    before = [host.row().credit_micro for host in hosts]
    native = World(world.store, now=world.now, runtime="native", app="walk", hosts=world.hosts)
    native.batch(1)
    for host, took_s in zip(hosts, (60, 200), strict=True):
        host.world = native
        (task,) = host.take()
        native.later(took_s)
        host.exchange(result(task.task_id, b"y", ops=0, elapsed_us=took_s * SECOND))
    native.unit_pass()
    assert native.unit(task.unit_id).state == "assimilated"
    # 200 s at a quarter of a credit in 100 s: the less of the two
    assert [host.row().credit_micro - b for host, b in zip(hosts, before, strict=True)] == [
        CREDIT // 2
    ] * 2
    assert [host.row().bench_us for host in hosts] == [100 * SECOND, 400 * SECOND]
    native.check()


# --- averages and days


def test_recent_credit_of_host_and_account_decays_without_being_touched(world: World) -> None:
    owner = world.account_id
    hosts = [world.host(account_id=owner), world.host()]
    for _ in range(2):
        world.batch(1)
        for host in hosts:
            (task,) = host.take()
            host.exchange(result(task.task_id, b"x"))
        world.unit_pass()
        world.later(HALF_LIFE_US // SECOND)
    row = hosts[0].row()
    assert decayed(row.recent_micro, row.recent_at, world.now) == CREDIT * 3 // 4
    with world.store.reading() as db:
        account = db.fetch_one(account_sql.ACCOUNT_BY_ID, account_id=owner)
    assert account is not None
    assert (account.recent_micro, account.recent_at) == (row.recent_micro, row.recent_at)
    world.check()


def test_days_are_told_apart(world: World) -> None:
    world.batch(3)
    hosts = [world.host(), world.host()]
    for wait in (0, 0, 86_400):
        world.later(wait)
        for host in hosts:
            (task,) = host.take()
            host.exchange(result(task.task_id, b"x"))
        world.unit_pass()
    assert told(world, hosts[0]) == [(1, CREDIT, CREDIT), (2, 2 * CREDIT, 2 * CREDIT)]
    world.check()


def test_errors_and_lies_get_nothing(world: World) -> None:
    world.batch(1)
    hosts = [world.host() for _ in range(4)]
    for host in hosts[:2]:
        (task,) = host.take()
        host.exchange(failure(task.task_id) if host is hosts[0] else result(task.task_id, b"lie"))
    world.unit_pass()
    for host in hosts[2:]:
        (task,) = host.take()
        host.exchange(result(task.task_id, b"x"))
        world.unit_pass()
    assert [host.row().credit_micro for host in hosts] == [0, 0, CREDIT, CREDIT]
    world.check()


def test_paying_takes_as_many_statements_for_one_unit_as_for_many(local_world: World) -> None:
    world, store = local_world, local_world.store
    assert isinstance(store, LocalStore)
    asked = []
    for units in (1, 30):
        world.batch(units)
        for host in (world.host(account_id=world.account_id, cores=64), world.host(cores=64)):
            for task in host.take(units):
                host.exchange(result(task.task_id, b"x"))
        before = store.statements
        world.unit_pass()
        asked.append(store.statements - before)
    assert asked[0] == asked[1]
