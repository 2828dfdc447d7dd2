"""Incidents: seen by the admin, and no way to fill the table."""

from idlegrid_server.store.sql.account import INCIDENTS_NEWEST
from idlegrid_server.web.incidents import SOURCES_MAX, WRITES_PER_MINUTE, Incidents

from .scientist import Scientist
from .world import World


def rows(world: World):  # type: ignore[no-untyped-def]
    with world.store.reading() as db:
        return db.fetch_all(INCIDENTS_NEWEST, limit=10_000)


def test_equal_incidents_are_one_row_and_few_writes(world: World) -> None:
    incidents = Incidents(world.store, world.clock)
    written = sum(incidents.record("bad_signature", "192.0.2.0/24", "again") for _ in range(100))
    assert written == 1
    world.clock.pass_s(11)
    assert incidents.record("bad_signature", "192.0.2.0/24", "again")
    (row,) = rows(world)
    assert row.times == 2
    assert row.text == "again (99 more before)"


def test_many_sources_cannot_fill_the_table(world: World) -> None:
    incidents = Incidents(world.store, world.clock)
    for number in range(5 * SOURCES_MAX):
        incidents.record("bad_signature", f"source {number}", "x" * 5_000)
        world.clock.pass_s(61 / WRITES_PER_MINUTE)
    found = rows(world)
    assert SOURCES_MAX <= len(found) <= SOURCES_MAX + 1
    assert max(len(row.text) for row in found) < 600
    others = [row for row in found if row.source == "others"]
    assert others[0].times > 10


def test_a_burst_writes_no_faster_than_the_limit(world: World) -> None:
    incidents = Incidents(world.store, world.clock)
    written = sum(incidents.record("malformed", f"s{n}", "x") for n in range(1_000))
    assert written == WRITES_PER_MINUTE
    world.clock.pass_s(60)
    assert incidents.record("malformed", "s-late", "x")


def test_an_admin_reads_them(world: World) -> None:
    world.services.incidents.record("too_large", "192.0.2.0/24", "A body was too large.")
    admin = Scientist(world, token=world.token(), email="boss@example.org")
    (told,) = admin.get("incidents")["incidents"]
    assert (told["code"], told["source"], told["count"]) == ("too_large", "192.0.2.0/24", 1)
    assert told["first_at"].endswith("Z")
    assert admin.get("health")["units_due"] == 0
    assert admin.get("hosts")["counts"] == []
