"""Every route says who may use it, and is held to that."""

import pytest
from flask import Flask

from idlegrid_server.web.access import ATTRIBUTE, access
from idlegrid_server.web.api import all_routes

from .scientist import Scientist
from .world import US, World, code_of


def declared(app: Flask) -> dict[str, str | None]:
    """What the view behind each route declares."""
    return {
        f"{'/'.join(sorted(rule.methods or ()))} {rule.rule}": getattr(
            app.view_functions[rule.endpoint], ATTRIBUTE, None
        )
        for rule in app.url_map.iter_rules()
    }


def test_every_route_declares_who_may_use_it(world: World) -> None:
    rules = declared(world.app)
    assert len(rules) > 35
    silent = [route for route, rule in rules.items() if rule is None]
    assert not silent, f"routes that declare nothing: {silent}"


def test_a_route_that_declares_nothing_would_be_found(world: World) -> None:
    world.app._got_first_request = False  # a test may add a route late
    world.app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    assert [r for r, rule in declared(world.app).items() if rule is None] == [
        "GET/HEAD/OPTIONS /forgotten"
    ]


@pytest.mark.parametrize("rule", ["", "everyone", "token:", "token:root", "devices"])
def test_an_unknown_rule_cannot_be_declared(rule: str) -> None:
    with pytest.raises(ValueError):
        access(rule)


def test_no_rest_route_answers_a_stranger(world: World) -> None:
    for route in all_routes():
        if route.access == "public":
            continue
        path = route.path.replace("<int:index>", "0").replace("<path:name>", "x")
        for name in ("name", "sha256", "app", "batch", "token"):
            path = path.replace(f"<{name}>", "x")
        response = world.http.open(f"/api/v1{path}", method=route.method)
        assert code_of(response) == (401, "unauthorized"), route
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_each_scope_opens_its_own_doors_only(world: World) -> None:
    nothing = Scientist(world, token=world.token(world.admin, "host:read"))
    for route in all_routes():
        if route.access in ("public", "token:any", "token:host:read"):
            continue
        path = route.path.replace("<int:index>", "0").replace("<path:name>", "x")
        for name in ("name", "sha256", "app", "batch"):
            path = path.replace(f"<{name}>", "x")
        response = world.http.open(
            f"/api/v1{path}",
            method=route.method,
            headers={"Authorization": f"Bearer {nothing.token}"},
        )
        assert code_of(response) == (403, "forbidden"), route
    assert nothing.get("hosts")["hosts"] == []


def test_an_admins_scope_in_other_hands_opens_nothing(world: World) -> None:
    ada = Scientist(world)
    ada.token = world.token(ada.account, "admin")
    assert code_of(ada.send("GET", "incidents")) == (403, "forbidden")


def test_bad_tokens_are_refused_and_noted(world: World) -> None:
    ada = Scientist(world)
    single = world.token(world.admin, "batch:read", single_use=True)
    ended = world.token(world.admin, "batch:read", expires_at=world.clock() + US)
    world.clock.pass_s(2)
    for token in ("", "igt_nobody", "x" * 500, single, ended):
        ada.token = token
        assert code_of(ada.send("GET", "batches")) == (401, "unauthorized")
    assert "bad_token" in world.incidents()
