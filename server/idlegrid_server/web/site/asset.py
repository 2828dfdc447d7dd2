"""/static: stylesheet, icons, scripts."""

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from idlegrid_server.web.access import access

FOLDER = Path(__file__).parents[1] / "static"
CACHE_S = 3600


@access("public")
def show_asset(name: str) -> Response:
    """One of our own files."""
    response = send_from_directory(FOLDER, name, max_age=CACHE_S)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def register(blueprint: Blueprint) -> None:
    """Add the route; its name lets templates find it."""
    blueprint.add_url_rule("/static/<path:name>", endpoint="asset", view_func=show_asset)
