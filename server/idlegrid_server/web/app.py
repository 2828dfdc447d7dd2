"""The web application: routes put together, errors told one way, and nothing else."""

import logging
import re
import secrets

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable, RequestEntityTooLarge

from idlegrid_server.store.command import StoreError
from idlegrid_shared.wire import PROTOCOL

from . import api, file, health, rpc, site
from .access import services
from .answer import store_refusal
from .problem import Refusal, problem_response
from .rpc.shortcut import with_shortcut
from .services import Services
from .site.page import error_page, wants_page

HTTP_CODES = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unknown_media_type",
    416: "bad_range",
}
VERSIONED = re.compile(r"/(?P<door>api|rpc)/v(?P<version>[0-9]{1,4})(?:/|$)")
BODY_BYTES_MAX = 64 * 1024 * 1024  # of any request; most routes allow less

log = logging.getLogger(__name__)


def create_app(with_: Services) -> Flask:
    """The application over ``with_``; several may live in one process."""
    app = Flask("idlegrid_server.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.extensions["idlegrid"] = with_
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.register_blueprint(rpc.blueprint)
    app.register_blueprint(api.make_blueprint())
    app.register_blueprint(file.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(site.blueprint)
    app.register_error_handler(Refusal, _tell)
    app.register_error_handler(StoreError, _store_trouble)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)
    app.wsgi_app = with_shortcut(app, with_)  # type: ignore[method-assign, assignment]
    return app


def _tell(refusal: Refusal) -> Response:
    """To a browser at a page: a page. To everybody else: problem details."""
    return error_page(refusal) if wants_page() else problem_response(refusal)


def _store_trouble(error: StoreError) -> Response:
    return _tell(store_refusal(error))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        moved = error.get_response(request.environ)
        return Response(status=status, headers=list(moved.headers))
    if isinstance(error, RequestEntityTooLarge):
        detail = f"A body may have at most {BODY_BYTES_MAX} bytes here."
        with_ = services()
        with_.incidents.record("too_large", with_.peers.subnet(request.environ), detail)
    elif status == 404 and (other := _other_version()) is not None:
        return _tell(other)
    elif status == 404:
        detail = "There is nothing at this address."
    elif status == 405:
        detail = f"{request.method} is not possible at this address."
    else:
        detail = error.description or error.name
    headers = {}
    if status == 405 and (allowed := getattr(error, "valid_methods", None)):
        headers["Allow"] = ", ".join(sorted(allowed))
    if isinstance(error, RequestedRangeNotSatisfiable) and error.length is not None:
        headers["Content-Range"] = f"bytes */{error.length}"
    code = HTTP_CODES.get(status, "refused")
    return _tell(Refusal(status, code, detail, headers=headers))


def _other_version() -> Refusal | None:
    """426 if the address is that of another version of the interface."""
    match = VERSIONED.match(request.path)
    if match is None or int(match["version"]) == PROTOCOL:
        return None
    with_ = services()
    source = with_.peers.subnet(request.environ)
    with_.incidents.record("upgrade", source, f"asked for /{match['door']}/v{match['version']}")
    whose = (
        "Update your program."
        if int(match["version"]) < PROTOCOL
        else "The project's server must be updated first."
    )
    return Refusal(
        426,
        "upgrade",
        f"This server speaks version {PROTOCOL} here, not {int(match['version'])}. {whose}",
        headers={"Upgrade": f"idlegrid/{PROTOCOL}"},
    )


def _fault(error: Exception) -> Response:
    """A fault of ours: logged whole, told by an id that finds it again."""
    number = secrets.token_hex(6)
    log.error(
        "A request failed by a fault of the server.",
        exc_info=error,
        extra={"fault": number, "method": request.method, "path": request.path},
    )
    services().incidents.record(
        "fault", request.url_rule.rule if request.url_rule else "?", f"{number}: {error!r}"
    )
    return _tell(
        Refusal(500, "fault", f"The server made a mistake. Its admin finds it as fault {number}.")
    )
