"""/batches/…/validations: another validator for a batch, tried first, then applied if so wanted."""

import msgspec
from flask import Response, request

from idlegrid_server.store.command import ApplyRevalidation, StoreRefused, TryValidator
from idlegrid_server.store.sql.batch import STAGE_FACTS, STAGES_OF_BATCH
from idlegrid_server.store.sql.validation import (
    REVALIDATION_BY_ID,
    REVALIDATIONS_OF_BATCH,
    RevalidationRow,
)
from idlegrid_server.web.access import Account, read_body, services
from idlegrid_server.web.problem import Refusal, malformed, not_found
from idlegrid_shared.documents import Release
from idlegrid_shared.signing import Signed
from idlegrid_shared.validator import RuleError, Validator, parse_validator

from .batches import find_batch
from .page import decode_id, moment
from .reply import DoneReply, ValidationList, ValidationReply
from .route import Routes, reply

SHOWN = 20
routes = Routes("validations")


class ValidationForm(msgspec.Struct):
    """A rule, as it would stand in a release; null: outputs are compared byte by byte."""

    rule: Validator | None


class _Form(msgspec.Struct):
    rule: msgspec.Raw


_decoder = msgspec.json.Decoder(_Form)


def _read_rule(data: bytes) -> Validator | None:
    try:
        raw = bytes(_decoder.decode(data).rule)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(f"The body cannot be read: {error}.") from error
    return None if raw.strip() == b"null" else parse_validator(raw)


def _bad_rule(error: RuleError) -> Refusal:
    return Refusal(422, "bad_rule", f"The rule is not good: {error}.", errors=(str(error),))


def _shown(public: str, row: RevalidationRow) -> ValidationReply:
    return ValidationReply(
        id=public,
        state=row.state,
        reason=row.reason,
        rule=msgspec.json.decode(row.rule or "null"),
        report=msgspec.json.decode(row.report),
        created_at=moment(row.created_at) or "",
    )


def _find(account: Account, batch: str, validation: str) -> RevalidationRow:
    with_ = services()
    with with_.store.reading() as db:
        owner = find_batch(db, account, batch)
        number = decode_id("validation", validation, "validation")
        row = db.fetch_one(REVALIDATION_BY_ID, revalidation_id=number)
    if row is None or row.batch_id != owner.id:
        raise not_found("validation")
    return row


@routes.add(
    "POST",
    "/batches/<batch>/validations",
    access="token:batch:write",
    summary="Find out what another validator would change; nothing is changed",
    body=ValidationForm,
    reply=ValidationReply,
    status=201,
    problems=(404, 422),
)
def try_validator(account: Account, batch: str) -> Response:
    """Its report is made by the compute worker: ask for it until it is ready."""
    with_ = services()
    data = read_body(with_, request)
    with with_.store.reading() as db:
        owner = find_batch(db, account, batch)
        stage = db.fetch_all(STAGES_OF_BATCH, batch_id=owner.id)[0]
        facts = db.fetch_one(STAGE_FACTS, stage_id=stage.id)
    if facts is None:
        raise not_found("batch")
    try:
        rule = _read_rule(data)
        if rule is not None:
            signed = msgspec.json.decode(facts.release, type=Signed)
            msgspec.json.decode(signed.body, type=Release).check_rules(rule)
    except RuleError as error:
        raise _bad_rule(error) from error
    made = with_.store.execute(
        TryValidator(
            now=with_.clock(),
            batch_id=owner.id,
            stage_id=stage.id,
            rule=None if rule is None else msgspec.json.encode(rule).decode(),
            rule_hash=None if rule is None else rule.digest(facts.release_hash),
        )
    )
    with_.wake_compute()
    public = with_.ids.encode("validation", made.revalidation_id)
    return reply(_shown(public, _find(account, batch, public)), 201)


@routes.add(
    "GET",
    "/batches/<batch>/validations",
    access="token:batch:read",
    summary="The validators that were tried on a batch, newest first",
    reply=ValidationList,
    problems=(404,),
)
def list_validations(account: Account, batch: str) -> Response:
    """The newest ones."""
    with_ = services()
    with with_.store.reading() as db:
        owner = find_batch(db, account, batch)
        rows = db.fetch_all(REVALIDATIONS_OF_BATCH, batch_id=owner.id, limit=SHOWN)
    shown = tuple(_shown(with_.ids.encode("validation", row.id), row) for row in rows)
    return reply(ValidationList(shown))


@routes.add(
    "GET",
    "/batches/<batch>/validations/<validation>",
    access="token:batch:read",
    summary="What another validator would change",
    reply=ValidationReply,
    problems=(404,),
)
def show_validation(account: Account, batch: str, validation: str) -> Response:
    """Its state, and its report once that is ready."""
    return reply(_shown(validation, _find(account, batch, validation)))


@routes.add(
    "POST",
    "/batches/<batch>/validations/<validation>/apply",
    access="token:batch:write",
    summary="Decide the batch's units again under that validator",
    reply=DoneReply,
    problems=(404, 409),
)
def apply_validation(account: Account, batch: str, validation: str) -> Response:
    """A finished batch runs again until its next answer; credit that was granted stays."""
    with_ = services()
    row = _find(account, batch, validation)
    try:
        done = with_.store.execute(
            ApplyRevalidation(
                now=with_.clock(), revalidation_id=row.id, actor=f"account:{account.id}"
            )
        )
    except StoreRefused as error:
        raise Refusal(409, error.code, f"It cannot be applied: {error}.") from error
    with_.wake_compute()
    with_.wake()
    return reply(DoneReply(done.status == "applying"))
