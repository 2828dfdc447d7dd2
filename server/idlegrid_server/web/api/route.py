"""One declaration for each REST route: what it does, who may, what goes in and comes out.

The application, the OpenAPI document and the tests are all made from these.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from flask import Blueprint, Response

from idlegrid_server.web.access import access

PREFIX = "/api/v1"
PAGE, PAGE_MAX = 50, 500
View = TypeVar("View", bound=Callable[..., Any])
_encode = msgspec.json.Encoder().encode
_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


@dataclass(frozen=True)
class Parameter:
    """A query parameter or header of a request."""

    name: str
    about: str
    kind: type = str
    place: str = "query"
    required: bool = False


CURSOR = Parameter("cursor", "Where to go on: `next` of the page before.")
LIMIT = Parameter("limit", f"Entries on a page, {PAGE} unless said, at most {PAGE_MAX}.", int)


@dataclass(frozen=True)
class Route:
    """A declared route. ``reply`` None: bytes. ``problems``: the statuses of its refusals."""

    method: str
    path: str
    access: str
    summary: str
    view: Callable[..., Any]
    reply: Any = None
    status: int = 200
    body: Any = None  # a message type, or "bytes"
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that the route may answer with."""
        found = {self.status, 500, 503, *self.problems}
        if self.access != "public":
            found |= {401}
        if self.access not in ("public", "token:any"):
            found |= {403}
        if self.body is not None:
            found |= {400, 413, 415}
        if self.parameters:
            found |= {400}
        return tuple(sorted(found))


@dataclass
class Routes:
    """The routes of one module."""

    tag: str
    routes: list[Route] = field(default_factory=list)

    def add(
        self, method: str, path: str, *, access: str, summary: str, **more: Any
    ) -> Callable[[View], View]:
        """Declare the view below as a route; the keywords are those of :class:`Route`."""

        def declare(view: View) -> View:
            self.routes.append(Route(method, path, access, summary, view, **more))
            return view

        return declare

    def register(self, blueprint: Blueprint) -> None:
        """Add them to the application, each guarded as it declares."""
        for route in self.routes:
            blueprint.add_url_rule(
                route.path,
                endpoint=f"{self.tag}.{route.view.__name__}".replace(".", "-"),
                view_func=access(route.access)(route.view),
                methods=[route.method],
            )


def reply(message: Any, status: int = 200) -> Response:
    """``message`` as JSON, never cached."""
    return Response(_encode(message), status, _HEADERS)
