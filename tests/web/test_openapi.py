"""The OpenAPI document is valid and says what the routes do."""

import re

import msgspec
from openapi_spec_validator import validate

from idlegrid_server.web.api import all_routes

from .world import World


def fetched(world: World) -> dict:  # type: ignore[type-arg]
    response = world.http.get("/api/v1/openapi.json")
    assert response.status_code == 200
    return msgspec.json.decode(response.data)  # type: ignore[no-any-return]


def test_the_document_is_valid(world: World) -> None:
    document = fetched(world)
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_is_described_with_its_statuses(world: World) -> None:
    paths = fetched(world)["paths"]
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in world.app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}
    assert served == described
    for route in all_routes():
        place = "/api/v1" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
        operation = paths[place][route.method.lower()]
        assert set(operation["responses"]) == {str(status) for status in route.statuses}
        assert operation["summary"]
        assert (operation["security"] == []) == (route.access == "public")
        assert ("requestBody" in operation) == (route.body is not None)


def test_operations_have_names_of_their_own(world: World) -> None:
    names = [
        operation["operationId"]
        for verbs in fetched(world)["paths"].values()
        for operation in verbs.values()
    ]
    assert len(names) == len(set(names))
