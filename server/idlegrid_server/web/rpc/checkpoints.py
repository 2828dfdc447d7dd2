"""GET /rpc/v1/checkpoints: what one host left, for the host that continues it."""

from flask import Blueprint, Response, request

from idlegrid_server.store.sql.checkpoint import CHECKPOINT_BY_HASH
from idlegrid_server.web.access import access, services
from idlegrid_server.web.file import PRIVATE_CACHE, send_stream
from idlegrid_server.web.problem import not_found
from idlegrid_shared.manifest import ManifestError, check_sha256


@access("public")
def show_checkpoint(sha256: str) -> Response:
    """A checkpoint with the ticket of the task that continues it; else 404."""
    with_ = services()
    try:
        digest = bytes.fromhex(check_sha256(sha256))
    except ManifestError as error:
        raise not_found("checkpoint") from error
    ticket = request.args.get("token", "")
    if with_.tickets.check(ticket, sha256, with_.clock()) is None:
        raise not_found("checkpoint")
    with with_.store.reading() as db:
        row = db.fetch_one(CHECKPOINT_BY_HASH, sha256=digest)
    if row is None:
        raise not_found("checkpoint")
    try:
        content = with_.checkpoints.path(row.task_id, digest).open("rb")
    except FileNotFoundError as error:
        raise not_found("checkpoint") from error
    return send_stream(content, row.size, digest, name=sha256, cache=PRIVATE_CACHE)


def register(blueprint: Blueprint) -> None:
    """Add the route."""
    blueprint.get("/checkpoints/<sha256>")(show_checkpoint)
