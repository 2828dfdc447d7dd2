"""The REST interface, `/api/v1`: the only way in for scientists' programs."""

from flask import Blueprint

from . import (
    admin,
    answers,
    apps,
    batches,
    credit,
    explain,
    project,
    session,
    units,
    uploads,
    validations,
)
from .openapi import openapi_routes
from .route import PREFIX, Route

_MODULES = (
    project,
    session,
    uploads,
    apps,
    batches,
    validations,
    units,
    answers,
    credit,
    explain,
    admin,
)


def all_routes() -> list[Route]:
    """Every declared route."""
    found = [route for module in _MODULES for route in module.routes.routes]
    found += openapi_routes(found).routes
    return found


def make_blueprint() -> Blueprint:
    """The routes, ready for an application."""
    blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
    for module in _MODULES:
        module.routes.register(blueprint)
    openapi_routes(all_routes()).register(blueprint)
    return blueprint
