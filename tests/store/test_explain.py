"""Stories of hosts and of single results, on both engines."""

from idlegrid_server.domain.trust import SHUT_OUT_US
from idlegrid_server.explain import Names, explain_host, explain_task, explain_unit
from idlegrid_server.explain.moment import moment_words, span_words
from idlegrid_server.store import command as c
from idlegrid_server.store.sql.host import HOST_BY_ID
from idlegrid_server.web.public_id import PublicIds

from .test_standing import BELIEF, FINALITY, START, audit, proven, run, say
from .world import SECOND, Host, World, result

IDS = PublicIds(b"i" * 32)
NAMES = Names(IDS)


def of_unit(world: World, unit_id: int) -> str:
    with world.store.reading() as db:
        told = explain_unit(db, NAMES, world.unit(unit_id), world.now, world.distinct)
    return " ".join([told.headline, *told.now, *(step.text for step in told.steps)])


def of_host(world: World, host: Host) -> str:
    with world.store.reading() as db:
        row = db.fetch_one(HOST_BY_ID, host_id=host.id)
        assert row is not None
        told = explain_host(db, NAMES, row, world.now, world.distinct)
    return " ".join([told.headline, *told.now, *(step.text for step in told.steps)])


def test_a_single_says_what_it_waits_for(world: World) -> None:
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    (unit_id,) = say(host)
    run(world)
    name = IDS.encode("host", host.id)
    said = of_unit(world, unit_id)
    assert said.startswith("Accepted for now: A proven host says so")
    assert f"It is final when {name} has passed {FINALITY} more secret checks" in said
    assert "Credit for it waits until it is final: nobody else has computed it yet (1.00)." in said
    audit(world, house, host)
    assert f"passed {FINALITY - 1} more secret checks" in of_unit(world, unit_id)
    for _ in range(FINALITY - 1):
        audit(world, house, host)
    said = of_unit(world, unit_id)
    assert "Accepted: Its host has passed the checks that make its word final." in said
    assert "more secret" not in said


def test_a_host_tells_of_its_checks_and_of_why_it_is_shut_out(world: World) -> None:
    world.batch(60, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    said = of_host(world, host)
    assert said.startswith("Trusted")
    assert f"For app period it has passed {START} checks and failed 0." in said
    assert "For work of the kind engine1" in said
    assert "If it asked now, it would get work." in said
    (single,) = say(host)
    run(world)
    audit(world, house, host, b"wrong")
    said = of_host(world, host)
    assert f"passed {START} checks and failed 1" in said
    assert moment_words(world.now) in said
    assert "On probation: A result of it differed" in said
    assert "The host that said so was caught with a wrong result." in of_unit(world, single)
    assert "The credit that waited for it is void (1.00)." in of_unit(world, single)


def test_a_quarantined_host_knows_until_when(world: World) -> None:
    world.batch(60)
    world.distinct = ("host",)
    houses = [world.house(), world.house()]
    host = world.host()
    while host.row().state != "quarantined":
        (unit,) = say(host, b"wrong")
        for house in houses:
            assert say(house) == [unit]
            run(world)
    until = moment_words(world.now + SHUT_OUT_US)
    said = of_host(world, host)
    assert f"It gets no work until {until}" in said
    assert "In quarantine" in said


def test_a_volunteer_is_not_told_whether_a_task_is_checked_in_secret(world: World) -> None:
    """The same task, told to its scientist and to the owner of its host."""
    world.batch(30, world.stage(policy=BELIEF))
    house = world.house()
    host = proven(world, house)
    (unit_id,) = say(host)
    run(world)
    world.store.execute(c.AuditUnits(now=world.now, unit_ids=(unit_id,)))
    run(world)
    task = world.tasks(unit_id)[0]
    with world.store.reading() as db:
        to_scientist, to_owner = (
            explain_task(db, names, task, world.unit(unit_id), "batch", world.now)
            for names in (NAMES, Names(IDS, host.id))
        )
    assert any("Its unit is" in line for line in to_scientist.now)
    assert not any("Its unit is" in line for line in to_owner.now)
    assert {step.who for step in to_owner.steps} <= {IDS.encode("host", host.id), "the server"}


def test_late_credit_and_the_share_of_another_are_told(world: World) -> None:
    world.batch(1)
    prompt, late = world.host(), world.host()
    (one,), (other,) = prompt.take(), late.take()
    prompt.exchange(result(one.task_id, b"x"))
    world.later(900)
    late.exchange(result(other.task_id, b"x"))
    world.unit_pass()
    (row,) = [task for task in world.tasks(one.unit_id) if task.id == other.task_id]
    with world.store.reading() as db:
        told = explain_task(db, NAMES, row, world.unit(one.unit_id), "batch", world.now)
    assert "0.08 credits were lost by coming late." in told.now
    assert told.headline == "Returned. Judged right: It agrees with the canonical result."


def test_spans_and_moments() -> None:
    assert span_words(90 * SECOND) == "1 minute"
    assert span_words(2 * 86_400 * SECOND) == "2 days"
    assert span_words(-5) == "no time"
    assert moment_words(0) == "1970-01-01 00:00 UTC"
