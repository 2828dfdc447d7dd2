"""/batches/ID/answer: what a batch ended in, revision by revision."""

import msgspec
from flask import Response

from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import (
    ANSWER_OF_REVISION,
    ANSWERS_OF_BATCH,
    AnswerRow,
    BatchRow,
)
from idlegrid_server.store.sql.file import MANIFEST_BY_HASH
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.file import PRIVATE_CACHE, find_file, send_content
from idlegrid_server.web.problem import Refusal, not_found
from idlegrid_shared.manifest import Manifest, ManifestEntry, parse_manifest

from .batches import find_batch
from .page import moment, number
from .reply import AnswerReply
from .route import Parameter, Routes, reply

REVISIONS_SHOWN = 100
REVISION = Parameter("revision", "Which revision; the newest unless said.", int)
routes = Routes("answers")


def find_answer(db: Connection, batch: BatchRow, revision: int) -> tuple[AnswerRow, Manifest]:
    """A revision of a batch's answer (0: the newest) with its files; raises a 404 refusal."""
    answer = db.fetch_one(
        ANSWER_OF_REVISION, batch_id=batch.id, revision=min(revision or batch.revision, 2**31 - 1)
    )
    body = db.fetch_one(MANIFEST_BY_HASH, hash=answer.manifest) if answer is not None else None
    if answer is None or body is None:
        if batch.revision == 0:
            raise Refusal(404, "no_answer", f"There is no answer yet: the batch is {batch.state}.")
        raise Refusal(
            404, "not_found", f"There is no revision {revision}, the newest is {batch.revision}."
        )
    return answer, parse_manifest(body)


def find_entry(manifest: Manifest, name: str) -> ManifestEntry:
    """The file of that name; raises a 404 refusal."""
    for entry in manifest:
        if entry.name == name:
            return entry
    raise not_found("file in this answer")


@routes.add(
    "GET",
    "/batches/<batch>/answer",
    access="token:batch:read",
    summary="The files of an answer, and the notes beside them",
    reply=AnswerReply,
    parameters=(REVISION,),
    problems=(404,),
)
def show_answer(account: Account, batch: str) -> Response:
    """Older revisions stay readable."""
    wanted = number("revision", 0)
    with services().store.reading() as db:
        row = find_batch(db, account, batch)
        answer, manifest = find_answer(db, row, wanted)
        revisions = db.fetch_all(ANSWERS_OF_BATCH, batch_id=row.id, limit=REVISIONS_SHOWN)
    return reply(
        AnswerReply(
            revision=answer.revision,
            revisions=tuple(other.revision for other in revisions),
            created_at=moment(answer.created_at) or "",
            manifest_hash=answer.manifest.hex(),
            manifest=manifest,
            detail=msgspec.json.decode(answer.detail, type=dict[str, object]),
        )
    )


@routes.add(
    "GET",
    "/batches/<batch>/answer/files/<path:name>",
    access="token:batch:read",
    summary="One file of an answer",
    parameters=(REVISION,),
    problems=(404, 416),
)
def show_answer_file(account: Account, batch: str, name: str) -> Response:
    """Its bytes; ranges are answered."""
    with_ = services()
    wanted = number("revision", 0)
    with with_.store.reading() as db:
        _, manifest = find_answer(db, find_batch(db, account, batch), wanted)
    row = find_file(with_, bytes.fromhex(find_entry(manifest, name).sha256))
    return send_content(with_, row, name=name.rpartition("/")[2], cache=PRIVATE_CACHE)


__all__ = ["find_answer", "find_entry", "routes"]
