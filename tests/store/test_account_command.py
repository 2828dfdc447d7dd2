"""Accounts, tokens, settings, incidents."""

import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql import account as sql

from .world import START, World, digest


def token(world: World, label: str = "t", **more: object) -> int:
    """Store a token whose secret is its label."""
    values: dict[str, object] = {"scopes": ("batch:read", "batch:write"), **more}
    return world.store.execute(
        c.CreateToken(
            now=world.now,
            account_id=world.account_id,
            hash=digest(label.encode()),
            label=label,
            **values,  # type: ignore[arg-type]
        )
    ).token_id


def use(world: World, label: str = "t") -> c.UseTokenResult:
    """Present a token."""
    return world.store.execute(c.UseToken(now=world.now, hash=digest(label.encode())))


def test_address_is_one_whatever_its_case(world: World) -> None:
    again = world.store.execute(
        c.CreateAccount(now=world.now, email="ADA@example.org", name="x", role="admin")
    )
    assert again == c.CreateAccountResult("exists", world.account_id)
    with world.store.reading() as db:
        row = db.fetch_one(sql.ACCOUNT_BY_EMAIL, email="ada@example.org")
    assert row is not None
    assert (row.name, row.role) == ("Ada", "scientist")
    assert world.story("account", row.id) == ["scientist"]


def test_password_is_replaced(world: World) -> None:
    world.store.execute(
        c.SetPassword(now=world.now, account_id=world.account_id, password_hash="$argon2")
    )
    with world.store.reading() as db:
        row = db.fetch_one(sql.ACCOUNT_BY_ID, account_id=world.account_id)
    assert row is not None
    assert row.password_hash == "$argon2"
    with pytest.raises(c.StoreRefused, match="no account 99"):
        world.store.execute(c.SetPassword(now=world.now, account_id=99, password_hash="x"))


def test_token_says_whose_it_is_and_what_it_allows(world: World) -> None:
    token(world)
    answer = use(world)
    assert answer == c.UseTokenResult("ok", world.account_id, ("batch:read", "batch:write"))
    assert use(world) == answer
    assert use(world, "other").status == "unknown"


def test_same_token_stored_twice_is_one(world: World) -> None:
    assert token(world) == token(world)


def test_single_use_token_is_used_once(world: World) -> None:
    token(world, single_use=True)
    assert use(world).status == "ok"
    assert use(world).status == "used"


def test_expired_token_is_refused(world: World) -> None:
    token(world, expires_at=START + 10)
    assert use(world).status == "ok"
    world.later(1)
    assert use(world).status == "expired"


def test_revoked_token_is_refused_and_only_its_owner_revokes_it(world: World) -> None:
    token_id = token(world)
    stranger = c.RevokeToken(now=world.now, account_id=world.account_id + 1, token_id=token_id)
    assert not world.store.execute(stranger).changed
    assert use(world).status == "ok"
    revoke = c.RevokeToken(now=world.now, account_id=world.account_id, token_id=token_id)
    assert world.store.execute(revoke).changed
    assert not world.store.execute(revoke).changed
    assert use(world).status == "revoked"


def test_disabled_account_has_no_tokens(world: World) -> None:
    token(world)

    def disable(disabled: bool) -> bool:
        return world.store.execute(
            c.SetAccountDisabled(
                now=world.now, account_id=world.account_id, disabled=disabled, actor="account:1"
            )
        ).changed

    assert disable(True)
    assert not disable(True)
    assert use(world).status == "disabled"
    assert disable(False)
    assert use(world).status == "ok"


def test_setting_is_replaced(world: World) -> None:
    def put(value: str) -> bool:
        return world.store.execute(
            c.SetSetting(now=world.now, name="delegations", value=value)
        ).changed

    assert put("1")
    assert not put("1")
    assert put("2")
    with world.store.reading() as db:
        assert db.fetch_one(sql.SETTING, name="delegations") == "2"
        assert db.fetch_one(sql.SETTING, name="unknown") is None


def test_equal_incidents_are_counted_and_the_newest_text_stays(world: World) -> None:
    for text in ("first", "second"):
        world.later(1)
        world.store.execute(
            c.RecordIncident(now=world.now, code="disk_full", source="files", text=text)
        )
    with world.store.reading() as db:
        (row,) = db.fetch_all(sql.INCIDENTS_NEWEST, limit=10)
    assert (row.times, row.text) == (2, "second")
    assert row.last_at - row.first_at == 1_000_000
