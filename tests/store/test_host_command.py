"""Hosts: made known once, bound to accounts, steered."""

import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.host import HOST_BY_ID, HOST_LIKENESSES, LikenessRow

from .world import SECOND, World, digest, failure, result

FACTS = c.MachineFacts("laptop", "{}", 2, 2**30, ("engine1",))


def enrol(world: World, device: bytes = b"d" * 32, token: str = "") -> c.EnrolResult:
    """Introduce a device."""
    return world.store.execute(
        c.EnrolHost(
            now=world.now,
            device=device,
            machine=FACTS,
            subnet="10.0.0.0/24",
            token=digest(token.encode()) if token else None,
        )
    )


def token(world: World, label: str, scope: str, *, single_use: bool = False) -> None:
    """An enrolment token of the scientist's."""
    world.store.execute(
        c.CreateToken(
            now=world.now,
            account_id=world.account_id,
            hash=digest(label.encode()),
            label=label,
            scopes=(scope,),
            single_use=single_use,
        )
    )


def test_device_is_made_known_once(world: World) -> None:
    first = enrol(world)
    again = enrol(world)
    assert (first.status, first.created, again.created) == ("ok", True, False)
    assert first.host_id == again.host_id
    assert world.story("host", first.host_id) == ["new"]
    world.check()


def test_cap_of_a_new_host_fits_its_cores(world: World) -> None:
    for device, cores, tasks_max in ((b"1", 1, 2), (b"4", 4, 8), (b"9", 16, 12)):
        made = world.store.execute(
            c.EnrolHost(
                now=world.now,
                device=digest(device),
                machine=c.MachineFacts("new", "{}", cores=cores),
                subnet="here",
            )
        )
        with world.store.reading() as db:
            row = db.fetch_one(HOST_BY_ID, host_id=made.host_id)
        assert row is not None
        assert row.tasks_max == tasks_max
    assert world.house(cores=16).row().tasks_max == 32


def test_token_binds_the_host_to_its_account(world: World) -> None:
    token(world, "join", c.ENROL_SCOPE)
    made = enrol(world, token="join")
    assert not made.house
    host = world.host()
    host.id = made.host_id
    assert host.row().account_id == world.account_id


def test_house_token_makes_a_house_host(world: World) -> None:
    token(world, "house", c.HOUSE_SCOPE)
    assert enrol(world, token="house").house
    assert enrol(world).house, "it still is one when it comes again without"


@pytest.mark.parametrize("label", ["unknown", "wrong"])
def test_token_that_is_not_for_enrolling_is_refused(world: World, label: str) -> None:
    token(world, "wrong", "batch:read")
    assert enrol(world, token=label).status == "bad_token"


def test_repeat_with_a_spent_token_is_answered_as_the_first(world: World) -> None:
    """The reply was lost; the client introduces itself again with the same single-use token."""
    token(world, "once", c.ENROL_SCOPE, single_use=True)
    first = enrol(world, token="once")
    assert enrol(world, token="once").host_id == first.host_id
    assert enrol(world, b"e" * 32, token="once").status == "bad_token"
    world.check()


def test_banned_device_cannot_enrol_again(world: World) -> None:
    host_id = enrol(world).host_id
    ban = c.SetHostState(
        now=world.now, host_id=host_id, state="banned", reason="floods us", actor="account:1"
    )
    assert world.store.execute(ban).changed
    assert not world.store.execute(ban).changed
    answer = enrol(world)
    assert (answer.status, answer.reason) == ("forbidden", "floods us")
    world.check()


def test_step_that_no_table_allows_is_refused(world: World) -> None:
    host_id = enrol(world).host_id
    with pytest.raises(c.StoreRefused, match="cannot go from new to trusted"):
        world.store.execute(
            c.SetHostState(
                now=world.now, host_id=host_id, state="trusted", reason="x", actor="account:1"
            )
        )
    world.check()


def test_unknown_host_or_account_is_refused(world: World) -> None:
    host_id = enrol(world).host_id
    with pytest.raises(c.StoreRefused, match="no host 77"):
        world.store.execute(c.SetHostLimit(now=world.now, host_id=77, tasks_max=3))
    with pytest.raises(c.StoreRefused, match="no account 77"):
        world.store.execute(
            c.AssignHostAccount(now=world.now, host_id=host_id, account_id=77, actor="x")
        )


def test_limit_and_owner_change_once(world: World) -> None:
    host = world.host()
    limit = c.SetHostLimit(now=world.now, host_id=host.id, tasks_max=3)
    assert world.store.execute(limit).changed
    assert not world.store.execute(limit).changed
    owner = c.AssignHostAccount(
        now=world.now, host_id=host.id, account_id=world.account_id, actor="account:1"
    )
    assert world.store.execute(owner).changed
    assert not world.store.execute(owner).changed
    assert (host.row().tasks_max, host.row().account_id) == (3, world.account_id)
    world.check()


def test_what_a_host_has_shown_of_itself_is_summed_over_its_results(world: World) -> None:
    """For made-up hosts like it: only results count, and only those of lately."""
    world.batch(2)
    host, silent = world.host(), world.host(subnet="10.9.0.0/24")
    one, other = host.take(2)
    silent.exchange()
    world.later(300)
    host.exchange(
        result(one.task_id, b"a", ops=4_000, elapsed_us=100 * SECOND), failure(other.task_id)
    )
    with world.store.reading() as db:
        assert db.fetch_all(HOST_LIKENESSES, since=0, limit=10) == [
            LikenessRow(
                id=host.id,
                cores=host.row().cores,
                n_success=1,
                n_error=1,
                n_results=1,
                ops=4_000,
                elapsed_us=100 * SECOND,
                stayed_us=300 * SECOND,
            )
        ]
        assert db.fetch_all(HOST_LIKENESSES, since=world.now + 1, limit=10) == []


def test_an_admin_makes_a_host_the_projects_own_and_a_volunteers_again(world: World) -> None:
    host = world.host()
    for house in (True, False):
        command = c.SetHostHouse(now=world.now, host_id=host.id, house=house, actor="cli")
        assert world.store.execute(command).changed
        assert not world.store.execute(command).changed
        assert bool(host.row().house) == house
    world.check()
