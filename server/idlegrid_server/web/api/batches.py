"""/batches: submitted, listed, looked at, steered."""

import contextlib
from collections.abc import Sequence

import msgspec
from flask import Response, request

from idlegrid_server.domain.matching import SERVED
from idlegrid_server.domain.reason import TASK, UNIT
from idlegrid_server.store.command import CancelBatch, CreateBatch, PauseBatch, ResumeBatch
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.app import VERSION_BY_ID
from idlegrid_server.store.sql.batch import (
    BATCH_BY_ID,
    BATCHES_BEFORE,
    BATCHES_OF_ACCOUNT_BEFORE,
    STAGES_OF_BATCH,
    STAGES_OF_BATCHES,
    BatchRow,
    StageRow,
)
from idlegrid_server.store.sql.host import HOST_COUNTS
from idlegrid_server.store.sql.pulse import FAILURE_CAUSES
from idlegrid_server.store.sql.unit import TASK_LOG, TASKS_OF_UNITS, UNIT_FAILURES, UNIT_OF_STAGE
from idlegrid_server.web.access import Account, body_bytes_max, read_body, services, too_large
from idlegrid_server.web.body import unpack
from idlegrid_server.web.forecast import find_forecast
from idlegrid_server.web.problem import Refusal, malformed, not_found
from idlegrid_server.web.services import Services
from idlegrid_shared.seeds import batch_seed

from .page import NEWEST, decode_id, id_cursor, moment, page_limit
from .reply import (
    BatchCreated,
    BatchList,
    BatchReply,
    DoneReply,
    FailureReply,
    ForecastReply,
    StageReply,
)
from .route import CURSOR, LIMIT, Parameter, Routes, reply
from .spec import BatchForm, check_form, read_form
from .why import Computers, why_sentence

DAY_US = 86_400 * 1_000_000
KEY_CHARS_MAX = 100
FAILURES_SHOWN = 20
FAILURES_LOOKED_AT = 200
STDERR_CHARS = 2_000
ALL = Parameter("all", "`1`: everybody's batches; for admins.")
KEY = Parameter("Idempotency-Key", "A repeat with the same key is recognised.", place="header")
routes = Routes("batches")


class Steering(msgspec.Struct):
    """Why; it is told to everybody who looks at the batch."""

    reason: str = ""


class _Public(msgspec.Struct):
    public: bool = False


_steering_decoder = msgspec.json.Decoder(Steering)
_public_decoder = msgspec.json.Decoder(_Public)


def is_public(batch: BatchRow) -> bool:
    """Whether its scientist lets everybody look at it."""
    return _public_decoder.decode(batch.spec).public


def find_batch(db: Connection, account: Account, batch: str) -> BatchRow:
    """The account's own batch (an admin's: any); raises a 404 refusal."""
    row = db.fetch_one(BATCH_BY_ID, batch_id=decode_id("batch", batch, "batch"))
    if row is None or (row.account_id != account.id and not account.is_admin):
        raise not_found("batch")
    return row


def _read_form(with_: Services, source: str) -> BatchForm:
    limit = body_bytes_max(with_)
    try:
        data = unpack(read_body(with_, request), request.headers.get("Content-Encoding", ""), limit)
        form, faults = read_form(data)
    except OverflowError:
        raise too_large(with_, request, limit) from None
    except (msgspec.DecodeError, ValueError) as error:
        with_.incidents.record("malformed", source, f"a batch: {error}")
        raise malformed(f"The body cannot be read: {error}.") from error
    if form is None:
        raise bad_batch(with_, source, faults)
    return form


def bad_batch(with_: Services, source: str, faults: Sequence[str]) -> Refusal:
    """422 with all faults; the first of them stands in the admin's list."""
    with_.incidents.record("bad_batch", source, faults[0])
    return Refusal(
        422,
        "bad_batch",
        f"The batch was not taken: {faults[0]}"
        + (f" (and {len(faults) - 1} more)" * (len(faults) > 1))
        + ".",
        errors=tuple(faults),
    )


@routes.add(
    "POST",
    "/batches",
    access="token:batch:write",
    summary="Submit a batch whose files were uploaded before",
    body=BatchForm,
    reply=BatchCreated,
    status=201,
    parameters=(KEY,),
    problems=(409, 422),
)
def submit(account: Account) -> Response:
    """Everything is checked at the door but the table itself, which the server reads next."""
    with_ = services()
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= KEY_CHARS_MAX and key.isprintable()):
        raise malformed(f"An Idempotency-Key has 1 to {KEY_CHARS_MAX} printable characters.")
    source = with_.ids.encode("account", account.id)
    form = _read_form(with_, source)
    with with_.store.reading() as db:
        checked, faults = check_form(db, account.id, form, with_.ids, with_.clock())
    if checked is None:
        raise bad_batch(with_, source, faults)
    result = with_.store.execute(
        CreateBatch(
            now=with_.clock(),
            account_id=account.id,
            app_version_id=checked.app_version_id,
            name=form.name,
            idempotency_key=key,
            spec=msgspec.json.encode(form).decode(),
            seed=batch_seed(form.app, form.version, form.seed),
            priority=form.priority,
            on_failure=checked.on_failure,
            stages=checked.stages,
            files=checked.files,
        )
    )
    if result.status == "conflict":
        raise Refusal(409, "conflict", "This Idempotency-Key was used before for another batch.")
    if result.status == "missing_files":
        faults = [f"the file {digest.hex()} was not uploaded" for digest in result.missing]
        raise bad_batch(with_, source, faults)
    with_.wake_compute()
    made = result.status == "created"
    public = with_.ids.encode("batch", result.batch_id)
    return reply(BatchCreated(public, made), 201 if made else 200)


@routes.add(
    "GET",
    "/batches",
    access="token:batch:read",
    summary="One's own batches, newest first",
    reply=BatchList,
    parameters=(CURSOR, LIMIT, ALL),
)
def list_batches(account: Account) -> Response:
    """An admin may list everybody's."""
    limit, before = page_limit(), id_cursor("batch", NEWEST)
    everybody = request.args.get("all") == "1" and account.is_admin
    with_ = services()
    with with_.store.reading() as db:
        if everybody:
            rows = db.fetch_all(BATCHES_BEFORE, before=before, limit=limit)
        else:
            rows = db.fetch_all(
                BATCHES_OF_ACCOUNT_BEFORE, account_id=account.id, before=before, limit=limit
            )
        stages: dict[int, list[StageRow]] = {row.id: [] for row in rows}
        for stage in db.fetch_all(STAGES_OF_BATCHES, batch_ids=list(stages)):
            stages[stage.batch_id].append(stage)
        there = computers(with_, db)
        batches = tuple(batch_reply(with_, db, row, stages[row.id], there) for row in rows)
    following = with_.ids.encode("batch", rows[-1].id) if len(rows) == limit else None
    return reply(BatchList(batches, following))


@routes.add(
    "GET",
    "/batches/<batch>",
    access="token:batch:read",
    summary="Where a batch stands, and why",
    reply=BatchReply,
    problems=(404,),
)
def show_batch(account: Account, batch: str) -> Response:
    """State, counters by stage, failures grouped by cause."""
    with_ = services()
    with with_.store.reading() as db:
        row = find_batch(db, account, batch)
        stages = db.fetch_all(STAGES_OF_BATCH, batch_id=row.id)
        shown = batch_reply(with_, db, row, stages, computers(with_, db))
        failures = tuple(failure for stage in stages for failure in _failures(db, stage))
        if not failures and row.reason.startswith("brake: "):
            failures = tuple(_braking(db, row, stages[0]))
        seen = find_forecast(db, row, stages, with_.clock())
    forecast = None
    if seen is not None:
        forecast = ForecastReply(moment(seen.p50_at) or "", moment(seen.p90_at) or "")
    return reply(msgspec.structs.replace(shown, failures=failures, forecast=forecast))


def computers(with_: Services, db: Connection) -> Computers:
    """The computers that asked for work within a day and may get some."""
    since = with_.clock() - DAY_US
    counts = db.fetch_all(HOST_COUNTS, since=since)
    seen = sum(seen for state, _, seen, _ in counts if state in SERVED)
    return Computers(seen, since, with_.config.dispatch.distinct)


def batch_reply(
    with_: Services, db: Connection, row: BatchRow, stages: list[StageRow], there: Computers
) -> BatchReply:
    """A batch as it is shown, without its failures."""
    version = db.fetch_one(VERSION_BY_ID, app_version_id=row.app_version_id)
    return BatchReply(
        id=with_.ids.encode("batch", row.id),
        name=row.name,
        app=version.app if version is not None else "",
        version=version.version if version is not None else "",
        state=row.state,
        reason=row.reason,
        why=why_sentence(db, row, stages, there),
        priority=row.priority,
        revision=row.revision,
        public=is_public(row),
        created_at=moment(row.created_at) or "",
        finished_at=moment(row.finished_at),
        stages=tuple(
            StageReply(
                index=stage.idx,
                kind=stage.kind,
                program=stage.program,
                placement=stage.placement,
                state=stage.state,
                expected=stage.expected,
                created=stage.created,
                assimilated=stage.assimilated,
                failed=stage.failed,
                cancelled=stage.cancelled,
                provisional=stage.provisional,
            )
            for stage in stages
        ),
    )


def _failures(db: Connection, stage: StageRow) -> list[FailureReply]:
    if not stage.failed:
        return []
    return [
        FailureReply(
            stage=stage.idx,
            reason=reason,
            cause=cause,
            words=TASK.get(cause, UNIT.get(reason, "")),
            count=count,
            example=str(index),
            stderr=_stderr(db, stage.id, index),
        )
        for reason, cause, count, index in db.fetch_all(
            UNIT_FAILURES, stage_id=stage.id, limit=FAILURES_SHOWN
        )
    ]


def _braking(db: Connection, row: BatchRow, stage: StageRow) -> list[FailureReply]:
    """Why the batch was stopped: its units are not given up yet, but tasks of them failed."""
    causes = db.fetch_all(
        FAILURE_CAUSES, stage_id=stage.id, after=row.brake_after or 0, limit=FAILURES_LOOKED_AT
    )
    return [
        FailureReply(
            stage=stage.idx,
            reason="brake",
            cause=cause,
            words=TASK.get(cause, ""),
            count=units,
            example=str(index),
            stderr=_stderr(db, stage.id, index),
        )
        for cause, units, index in causes[:FAILURES_SHOWN]
    ]


def _stderr(db: Connection, stage_id: int, index: int) -> str:
    """The end of what the newest failed task of a unit wrote on its standard error."""
    unit = db.fetch_one(UNIT_OF_STAGE, stage_id=stage_id, idx=index)
    if unit is None:
        return ""
    for task in reversed(db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id])):
        if task.state == "error":
            return (db.fetch_one(TASK_LOG, task_id=task.id) or "")[-STDERR_CHARS:]
    return ""


def _steer(
    account: Account, batch: str, command: type[CancelBatch | PauseBatch | ResumeBatch], word: str
) -> Response:
    with_ = services()
    steering = Steering()
    data = read_body(with_, request)
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        steering = _steering_decoder.decode(data or b"{}")
    with with_.store.reading() as db:
        row = find_batch(db, account, batch)
    more = {"reason": steering.reason[:500] or word} if command is not ResumeBatch else {}
    done = with_.store.execute(
        command(now=with_.clock(), batch_id=row.id, actor=f"account:{account.id}", **more)
    )
    with_.wake()
    return reply(DoneReply(done.changed))


@routes.add(
    "POST",
    "/batches/<batch>/cancel",
    access="token:batch:write",
    summary="End a batch; its answers stay",
    body=Steering,
    reply=DoneReply,
    problems=(404, 409),
)
def cancel(account: Account, batch: str) -> Response:
    """Nothing of it is sent any more."""
    return _steer(account, batch, CancelBatch, "cancelled by its owner")


@routes.add(
    "POST",
    "/batches/<batch>/pause",
    access="token:batch:write",
    summary="Send nothing more of a batch for now",
    body=Steering,
    reply=DoneReply,
    problems=(404, 409),
)
def pause(account: Account, batch: str) -> Response:
    """What is out may come back."""
    return _steer(account, batch, PauseBatch, "paused by its owner")


@routes.add(
    "POST",
    "/batches/<batch>/resume",
    access="token:batch:write",
    summary="Let a paused batch go on",
    body=Steering,
    reply=DoneReply,
    problems=(404, 409),
)
def resume(account: Account, batch: str) -> Response:
    """Work goes out again."""
    return _steer(account, batch, ResumeBatch, "")
