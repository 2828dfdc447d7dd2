"""People sign in; tokens are made, listed, revoked."""

import msgspec
import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.account import TOKENS_OF_ACCOUNT
from idlegrid_server.web.api.session import hasher

from .scientist import Scientist
from .world import Host, World, code_of

PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada(world: World) -> Scientist:
    ada = Scientist(world)
    world.store.execute(
        c.SetPassword(
            now=world.clock(), account_id=ada.account, password_hash=hasher().hash(PASSWORD)
        )
    )
    return ada


def sign_in(world: World, email: str, password: str):  # type: ignore[no-untyped-def]
    return world.http.post("/api/v1/session", json={"email": email, "password": password})


def test_signing_in_gives_a_token_that_ends(world: World, ada: Scientist) -> None:
    response = sign_in(world, " Ada@Example.org", PASSWORD)
    assert response.status_code == 201
    told = msgspec.json.decode(response.data)
    assert told["role"] == "scientist"
    ada.token = told["token"]
    assert ada.get("batches") == {"batches": [], "next": None}
    assert code_of(ada.send("GET", "incidents")) == (403, "forbidden")
    world.clock.pass_s(31 * 86_400)
    assert code_of(ada.send("GET", "batches")) == (401, "unauthorized")


def test_wrong_passwords_and_unknown_people_look_alike(world: World, ada: Scientist) -> None:
    world.account("nopassword@example.org")
    answers = {
        (response.status_code, response.data)
        for response in (
            sign_in(world, "ada@example.org", "wrong"),
            sign_in(world, "nobody@example.org", PASSWORD),
            sign_in(world, "nopassword@example.org", ""),
        )
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


def test_an_unknown_address_costs_a_password_check_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    real = type(hasher()).verify

    def count(self: object, stored: str, password: str) -> bool:
        checked.append(stored)
        return real(self, stored, password)  # type: ignore[arg-type]

    monkeypatch.setattr(type(hasher()), "verify", count)
    sign_in(world, "nobody@example.org", PASSWORD)
    assert len(checked) == 1


def test_a_disabled_account_stays_outside(world: World, ada: Scientist) -> None:
    world.store.execute(
        c.SetAccountDisabled(
            now=world.clock(), account_id=ada.account, disabled=True, actor="account:1"
        )
    )
    assert sign_in(world, "ada@example.org", PASSWORD).status_code == 401
    assert code_of(ada.send("GET", "batches")) == (401, "unauthorized")


def test_guessing_is_slowed_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idlegrid_server.web.api.session.check_password", lambda *_: False)
    codes = [code_of(sign_in(world, "a@example.org", "x")) for _ in range(15)]
    assert codes[0] == (401, "bad_credentials")
    assert codes[-1] == (429, "slow_down")
    response = sign_in(world, "a@example.org", "x")
    world.clock.pass_s(int(response.headers["Retry-After"]))
    assert code_of(sign_in(world, "a@example.org", "x")) == (401, "bad_credentials")


def test_a_token_gives_no_more_than_it_has(world: World, ada: Scientist) -> None:
    made = ada.post("tokens", {"label": "script", "scopes": ["batch:read"]}, 201)
    assert made["token"].startswith("igt_")
    script = Scientist(world, token=made["token"], email="x@example.org")
    assert script.get("batches")["batches"] == []
    for scopes in (["batch:write"], ["admin"], ["host:house"]):
        response = script.send("POST", "tokens", {"label": "more", "scopes": scopes})
        assert code_of(response) == (403, "forbidden")
    response = ada.send("POST", "tokens", {"label": "odd", "scopes": ["everything"]})
    assert code_of(response) == (422, "unknown_scope")
    assert code_of(ada.send("POST", "tokens", {"label": ""})) == (400, "malformed")
    listed = ada.get("tokens")["tokens"]
    assert made["id"] in [t["id"] for t in listed]
    assert "token" not in listed[0]
    assert ada.send("DELETE", f"tokens/{made['id']}").status_code == 200
    assert code_of(script.send("GET", "batches")) == (401, "unauthorized")


def test_only_the_hash_of_a_token_is_stored(world: World, ada: Scientist) -> None:
    made = ada.post("tokens", {"label": "script", "scopes": ["batch:read"]}, 201)
    with world.store.reading() as db:
        rows = db.fetch_all(TOKENS_OF_ACCOUNT, account_id=ada.account, limit=10)
    assert made["token"] not in repr(rows)
    assert made["token"].encode() not in world.store.path.read_bytes()


def test_an_invitation_makes_a_house_host(world: World) -> None:
    admin = Scientist(world, token=world.token(), email="boss@example.org")
    body = {"label": "lab", "scopes": ["host:house"], "single_use": True}
    invitation = admin.post("tokens", body, 201)["token"]
    host = Host(world)
    assert msgspec.json.decode(host.enrol(invitation).data)["house"] is True
    assert msgspec.json.decode(host.enrol(invitation).data)["house"] is True, "a repeat"
    assert code_of(Host(world).enrol(invitation)) == (403, "bad_token")
    assert code_of(Host(world).enrol("igt_invented")) == (403, "bad_token")
