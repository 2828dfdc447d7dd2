"""GET /openapi.json: the REST interface described, from the very declarations that serve it."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from flask import Response

from idlegrid_server.web.access import services
from idlegrid_server.web.problem import MEDIA_TYPE, TITLES
from idlegrid_shared.wire import Problem

from .route import PREFIX, Route, Routes

VERSION = "1"
OPENAPI = "3.1.0"
_PLACEHOLDER = re.compile(r"<(?:(\w+):)?(\w+)>")
_KINDS: dict[Any, dict[str, str]] = {str: {"type": "string"}, int: {"type": "integer"}}
_ABOUT = {
    "kind": "What it is: unit, task, host, batch or account.",
    "subject": "Its public id; a unit may be named BATCH:INDEX.",
    "batch": "A batch's id, `batch_…`.",
    "index": "A unit's index, from 0.",
    "name": "An upload's name, or a file's path.",
    "sha256": "A file's SHA-256 in hex.",
    "app": "An app's name.",
    "token": "A token's id, `token_…`.",
    "validation": "The id of a validator that was tried, `validation_…`.",
}


def document(routes: Sequence[Route], title: str, url: str) -> dict[str, Any]:
    """The OpenAPI document of ``routes``."""
    bodies = {r.body for r in routes if r.body is not None and r.body != "bytes"}
    replies = {r.reply for r in routes if r.reply is not None}
    types = sorted(bodies | replies | {Problem}, key=lambda kind: kind.__name__)
    references, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schemas = dict(zip(types, references, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        place = PREFIX + _PLACEHOLDER.sub(r"{\2}", route.path)
        paths.setdefault(place, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": OPENAPI,
        "info": {
            "title": f"{title}: Idlegrid REST interface",
            "version": VERSION,
            "description": "For scientists and admins. Times are RFC 3339 in UTC, durations and "
            "sizes carry their unit in their name, errors are problem details (RFC 9457).",
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, `igt_…`, with the scope that is named.",
                }
            },
        },
    }


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.view.__name__,
        "summary": route.summary,
        "description": (route.view.__doc__ or "").strip() + _scope(route.access),
        "parameters": _parameters(route),
        "responses": {str(status): _answer(route, status, schemas) for status in route.statuses},
        "security": [] if route.access == "public" else [{"token": []}],
    }
    if route.body is not None:
        content = (
            {"application/octet-stream": {}}
            if route.body == "bytes"
            else {"application/json": {"schema": schemas[route.body]}}
        )
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _scope(access: str) -> str:
    if access == "public":
        return "\n\nAnybody may ask."
    if access == "token:any":
        return "\n\nAny API token will do."
    return f"\n\nThe token needs the scope `{access.removeprefix('token:')}`."


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _ABOUT[name],
            "schema": _KINDS[int if kind == "int" else str],
        }
        for kind, name in _PLACEHOLDER.findall(route.path)
    ]
    found += [
        {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.required,
            "description": parameter.about,
            "schema": _KINDS[parameter.kind],
        }
        for parameter in route.parameters
    ]
    return found


def _answer(route: Route, status: int, schemas: dict[Any, Any]) -> dict[str, Any]:
    if status >= 400:
        return {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": schemas[Problem]}},
        }
    if route.reply is None:
        return {"description": "The bytes.", "content": {"application/octet-stream": {}}}
    known = isinstance(route.reply, type) and issubclass(route.reply, msgspec.Struct)
    return {
        "description": (route.reply.__doc__ or "").strip() if known else "This document.",
        "content": {"application/json": {"schema": schemas[route.reply]}},
    }


def openapi_routes(described: list[Route]) -> Routes:
    """The route that shows the document of ``described``, itself included."""
    routes = Routes("openapi")

    @routes.add(
        "GET", "/openapi.json", access="public", summary="This document", reply=dict[str, Any]
    )
    def show_document() -> Response:
        """OpenAPI 3.1."""
        with_ = services()
        body = msgspec.json.encode(document(described, with_.config.project.name, with_.address()))
        return Response(body, 200, [("Content-Type", "application/json")])

    return routes
