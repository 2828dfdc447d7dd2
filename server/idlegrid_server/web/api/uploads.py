"""/uploads and /files: an account's files, to the server and back."""

import msgspec
from flask import Response, request

from idlegrid_server.store.sql.file import FILES_USABLE, UploadRow
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.body import json_body
from idlegrid_server.web.file import PRIVATE_CACHE, find_file, send_content
from idlegrid_server.web.problem import not_found
from idlegrid_server.web.services import Services
from idlegrid_server.web.upload import (
    OFFSET_HEADER,
    Owner,
    append,
    find_upload,
    open_upload,
    read_offset,
    upload_state,
)
from idlegrid_shared.manifest import ManifestError, check_sha256
from idlegrid_shared.wire import UploadOpen, UploadState

from .reply import UploadReply
from .route import Parameter, Routes, reply

CHUNK_BYTES_MAX = 64 * 1024 * 1024  # of one request
OPEN_MAX = 1_000  # unfinished uploads of one account
OPEN_BYTES_MAX = 1 << 42  # of all of them
_decoder = msgspec.json.Decoder(UploadOpen)
routes = Routes("files")


def _state(state: UploadState) -> Response:
    return reply(UploadReply(state.upload, state.offset, state.bytes, state.done))


def _own_upload(with_: Services, account: Account, name: str) -> UploadRow:
    row = find_upload(with_, name)
    if row.account_id != account.id:
        raise not_found("upload")
    return row


@routes.add(
    "POST",
    "/uploads",
    access="token:file:write",
    summary="Make room for a file, or find how far it came before",
    body=UploadOpen,
    reply=UploadReply,
    problems=(409,),
)
def open_one(account: Account) -> Response:
    """``done`` at once if you uploaded this very file before."""
    with_ = services()
    wanted = json_body(with_, request, _decoder)
    owner = Owner(
        source=with_.ids.encode("account", account.id),
        bytes_max=with_.config.limits.upload_bytes,
        total_max=OPEN_BYTES_MAX,
        count_max=OPEN_MAX,
        account_id=account.id,
    )
    return _state(open_upload(with_, owner, wanted))


@routes.add(
    "PATCH",
    "/uploads/<name>",
    access="token:file:write",
    summary="Append bytes; the last ones make it a file",
    body="bytes",
    reply=UploadReply,
    parameters=(Parameter(OFFSET_HEADER, "Where these bytes begin.", int, "header", True),),
    problems=(404, 409, 422),
)
def append_to(account: Account, name: str) -> Response:
    """The bytes go to the disk as they come."""
    with_ = services()
    row = _own_upload(with_, account, name)
    request.max_content_length = CHUNK_BYTES_MAX
    offset = read_offset(request)
    source = with_.ids.encode("account", account.id)
    return _state(append(with_, row, offset, request.stream, source))


@routes.add(
    "GET",
    "/uploads/<name>",
    access="token:file:write",
    summary="How far an upload is",
    reply=UploadReply,
    problems=(404,),
)
def show_upload(account: Account, name: str) -> Response:
    """Where to go on."""
    with_ = services()
    return _state(upload_state(with_, _own_upload(with_, account, name)))


@routes.add(
    "GET",
    "/files/<sha256>",
    access="token:file:write",
    summary="A file of one's own, or a public one",
    problems=(404, 416),
)
def show_file(account: Account, sha256: str) -> Response:
    """Its bytes; ranges are answered."""
    with_ = services()
    try:
        digest = bytes.fromhex(check_sha256(sha256))
    except ManifestError as error:
        raise not_found("file") from error
    with with_.store.reading() as db:
        usable = db.fetch_all(FILES_USABLE, account_id=account.id, hashes=[digest])
    if not usable:
        raise not_found("file")
    return send_content(with_, find_file(with_, digest), name=sha256, cache=PRIVATE_CACHE)
