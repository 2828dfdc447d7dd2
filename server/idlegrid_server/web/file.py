"""GET /files/SHA256: immutable bytes, public ones for everybody, private ones with a ticket."""

import contextlib
import io
from typing import BinaryIO

from flask import Blueprint, Response, request, send_file

from idlegrid_server.store.sql.file import FILE_BY_HASH, FileRow
from idlegrid_shared.manifest import ManifestError, check_sha256

from .access import access, services
from .problem import not_found
from .services import Services

PUBLIC_CACHE = "public, max-age=31536000, immutable"
PRIVATE_CACHE = "private, no-store"
blueprint = Blueprint("files", __name__)


def find_file(with_: Services, sha256: bytes) -> FileRow:
    """The file's row; raises a 404 refusal."""
    with with_.store.reading() as db:
        row = db.fetch_one(FILE_BY_HASH, sha256=sha256)
    if row is None:
        raise not_found("file")
    return row


def send_content(
    with_: Services,
    row: FileRow,
    *,
    name: str,
    cache: str,
    mimetype: str = "application/octet-stream",
    attachment: bool = True,
) -> Response:
    """The file's bytes, whole or the range asked for; raises a 404 refusal if they are gone."""
    try:
        content = io.BytesIO(row.data) if row.data is not None else with_.files.open(row.sha256)
    except FileNotFoundError as error:
        text = f"file {row.sha256.hex()} is in the database, but not in the folder"
        with_.incidents.record("file_lost", "server", text)
        raise not_found("file") from error
    return send_stream(
        content,
        row.size,
        row.sha256,
        name=name,
        cache=cache,
        mimetype=mimetype,
        attachment=attachment,
    )


def send_stream(
    content: BinaryIO,
    size: int,
    sha256: bytes,
    *,
    name: str,
    cache: str,
    mimetype: str = "application/octet-stream",
    attachment: bool = True,
) -> Response:
    """``content``, whole or the range asked for, so that no browser takes it for a page."""
    with contextlib.ExitStack() as given_up:
        given_up.callback(content.close)
        response = send_file(
            content,
            mimetype=mimetype,
            as_attachment=attachment,
            download_name=name,
            conditional=False,
            etag=False,
        )
        response.content_length = size
        response.set_etag(sha256.hex())
        response.headers["Cache-Control"] = cache
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.make_conditional(request.environ, accept_ranges=True, complete_length=size)
        response.call_on_close(content.close)
        given_up.pop_all()
    return response


@blueprint.get("/files/<sha256>")
@access("public")
def show(sha256: str) -> Response:
    """A public file, or a private one with its ticket; else 404, as if there were none."""
    with_ = services()
    try:
        digest = bytes.fromhex(check_sha256(sha256))
    except ManifestError as error:
        raise not_found("file") from error
    row = find_file(with_, digest)
    if row.public:
        return send_content(with_, row, name=sha256, cache=PUBLIC_CACHE)
    ticket = request.args.get("token", "")
    if with_.tickets.check(ticket, sha256, with_.clock()) is None:
        raise not_found("file")
    return send_content(with_, row, name=sha256, cache=PRIVATE_CACHE)
