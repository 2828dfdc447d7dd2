"""The exchange's shortcut past Flask's dispatch tells faults as every other route does."""

import pytest

from idlegrid_server.scheduler.exchange import Scheduler

from .world import Host, World, code_of


def test_a_fault_in_an_exchange_is_told_by_its_number_and_noted(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: object) -> None:
        raise RuntimeError("the scheduler fell over")

    monkeypatch.setattr(Scheduler, "exchange", broken)
    response = host.send_exchange(host.request())
    assert code_of(response) == (500, "fault")
    assert "as fault " in response.text
    assert "fell over" not in response.text


def test_other_methods_and_addresses_take_the_ordinary_way(world: World) -> None:
    assert world.http.get("/rpc/v1/exchange").status_code == 405
    assert world.http.post("/rpc/v1/exchange/").status_code in (401, 404, 405)
    assert world.http.get("/rpc/v1/project").status_code == 200


def test_the_route_is_still_declared(world: World) -> None:
    rules = {rule.rule: rule.endpoint for rule in world.app.url_map.iter_rules()}
    view = world.app.view_functions[rules["/rpc/v1/exchange"]]
    assert view.declared_access == "device"
