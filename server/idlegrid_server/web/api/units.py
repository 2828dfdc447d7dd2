"""/batches/ID/units and outputs: every work unit, its story, its result."""

import msgspec
from flask import Response, request

from idlegrid_server.domain.model import UnitState
from idlegrid_server.domain.reason import TASK
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH, StageRow
from idlegrid_server.store.sql.event import EVENTS_OF_OBJECT, EVENTS_OF_OBJECTS, EventRow
from idlegrid_server.store.sql.file import MANIFEST_BY_HASH
from idlegrid_server.store.sql.host import HOST_BY_ID
from idlegrid_server.store.sql.output import OUTPUT_AT
from idlegrid_server.store.sql.unit import (
    TASK_LOG,
    TASKS_OF_UNITS,
    UNIT_INPUT,
    UNIT_OF_STAGE,
    UNITS_FAILED_AFTER,
    UNITS_OF_STAGE_AFTER,
    UNITS_OF_STAGE_IN_STATE_AFTER,
    TaskRow,
    UnitRow,
)
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.file import PRIVATE_CACHE, find_file, send_content
from idlegrid_server.web.problem import malformed, not_found
from idlegrid_server.web.services import Services
from idlegrid_shared.manifest import Manifest, parse_manifest

from .batches import find_batch
from .page import moment, number, page_limit
from .reply import EventReply, TaskReply, UnitEntry, UnitList, UnitReply
from .route import CURSOR, LIMIT, Parameter, Routes, reply

EVENTS_SHOWN = 1_000
STDERR_CHARS = 4_000
STATES = frozenset(UnitState.__args__)  # type: ignore[attr-defined]
STAGE = Parameter("stage", "Which stage, 0 unless said.", int)
STATE = Parameter("state", "Only units in this state.")
routes = Routes("units")


def _stage(db: Connection, account: Account, batch: str) -> StageRow:
    wanted = number("stage", 0)
    row = find_batch(db, account, batch)
    for stage in db.fetch_all(STAGES_OF_BATCH, batch_id=row.id):
        if stage.idx == wanted:
            return stage
    raise not_found("stage")


@routes.add(
    "GET",
    "/batches/<batch>/units",
    access="token:batch:read",
    summary="The units of a stage, in the order of their index",
    reply=UnitList,
    parameters=(CURSOR, LIMIT, STAGE, STATE),
    problems=(404,),
)
def list_units(account: Account, batch: str) -> Response:
    """By pages; the cursor is the index of the last one seen."""
    limit, after = page_limit(), number("cursor", -1)
    state = request.args.get("state", "")
    if state and state not in STATES:
        raise malformed(f"state must be one of {', '.join(sorted(STATES))}.")
    with_ = services()
    with with_.store.reading() as db:
        stage = _stage(db, account, batch)
        if state == "failed":
            rows = db.fetch_all(UNITS_FAILED_AFTER, stage_id=stage.id, after=after, limit=limit)
        elif state:
            rows = db.fetch_all(
                UNITS_OF_STAGE_IN_STATE_AFTER,
                stage_id=stage.id,
                after=after,
                state=state,
                limit=limit,
            )
        else:
            rows = db.fetch_all(UNITS_OF_STAGE_AFTER, stage_id=stage.id, after=after, limit=limit)
    units = tuple(
        UnitEntry(
            id=with_.ids.encode("wu", row.id),
            index=row.idx,
            state=row.state,
            reason=row.reason,
            tasks=row.n_tasks,
        )
        for row in rows
    )
    following = str(rows[-1].idx) if len(rows) == limit else None
    return reply(UnitList(units, following))


@routes.add(
    "GET",
    "/batches/<batch>/units/<int:index>",
    access="token:batch:read",
    summary="A unit with its tasks and its whole story",
    reply=UnitReply,
    parameters=(STAGE,),
    problems=(404,),
)
def show_unit(account: Account, batch: str, index: int) -> Response:
    """Who computed it, what each said, what was decided, oldest first."""
    with_ = services()
    with with_.store.reading() as db:
        stage = _stage(db, account, batch)
        unit = _unit(db, stage, index)
        given = db.fetch_one(UNIT_INPUT, unit_id=unit.id)
        tasks = db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id])
        shown = UnitReply(
            id=with_.ids.encode("wu", unit.id),
            index=unit.idx,
            stage=stage.idx,
            state=unit.state,
            reason=unit.reason,
            args=msgspec.json.decode(given.args, type=tuple[str, ...]) if given else (),
            manifest=_hex(unit.canonical_manifest),
            outputs=_manifest(db, unit.canonical_manifest),
            tasks=tuple(_task(with_, db, task) for task in tasks),
            events=_events(with_, db, unit, tasks),
        )
    return reply(shown)


def _unit(db: Connection, stage: StageRow, index: int) -> UnitRow:
    unit = db.fetch_one(UNIT_OF_STAGE, stage_id=stage.id, idx=index) if index < 2**62 else None
    if unit is None:
        raise not_found("work unit")
    return unit


def _hex(digest: bytes | None) -> str | None:
    return digest.hex() if digest is not None else None


def _manifest(db: Connection, digest: bytes | None) -> Manifest:
    body = db.fetch_one(MANIFEST_BY_HASH, hash=digest) if digest is not None else None
    return parse_manifest(body) if body is not None else ()


def _task(with_: Services, db: Connection, task: TaskRow) -> TaskReply:
    host = db.fetch_one(HOST_BY_ID, host_id=task.host_id) if task.host_id is not None else None
    return TaskReply(
        id=with_.ids.encode("task", task.id),
        n=task.n,
        state=task.state,
        verdict=task.verdict,
        reason=task.reason,
        reason_text=TASK.get(task.reason, ""),
        host=with_.ids.encode("host", host.id) if host is not None else None,
        host_name=host.name if host is not None else None,
        sent_at=moment(task.sent_at),
        deadline_at=moment(task.deadline_at),
        received_at=moment(task.received_at),
        manifest=_hex(task.manifest),
        ops=task.ops,
        elapsed_s=task.elapsed_us / 1e6 if task.elapsed_us is not None else None,
        exit_code=task.exit_code,
        credit_micro=task.credit_micro,
        stderr=(db.fetch_one(TASK_LOG, task_id=task.id) or "")[-STDERR_CHARS:],
        resumed_from=None
        if task.resumed_from is None
        else with_.ids.encode("task", task.resumed_from),
    )


def _events(
    with_: Services, db: Connection, unit: UnitRow, tasks: list[TaskRow]
) -> tuple[EventReply, ...]:
    found = [
        (row, with_.ids.encode("wu", unit.id))
        for row in db.fetch_all(
            EVENTS_OF_OBJECT, kind="unit", object_id=unit.id, after=0, limit=EVENTS_SHOWN
        )
    ]
    found += [
        (row, with_.ids.encode("task", row.object_id))
        for row in db.fetch_all(
            EVENTS_OF_OBJECTS,
            kind="task",
            object_ids=[task.id for task in tasks],
            limit=EVENTS_SHOWN,
        )
    ]
    found.sort(key=lambda pair: pair[0].id)
    return tuple(event_reply(with_, row, name) for row, name in found[:EVENTS_SHOWN])


def event_reply(with_: Services, row: EventRow, name: str) -> EventReply:
    """An event as it is shown: the actor by public id."""
    kind, _, digits = row.actor.partition(":")
    actor = row.actor
    if kind in ("host", "account") and digits.isdigit():
        actor = with_.ids.encode(kind, int(digits))  # type: ignore[arg-type]
    return EventReply(
        at=moment(row.at) or "",
        object=name,
        was=row.from_state,
        now=row.to_state,
        reason=row.reason,
        actor=actor,
    )


@routes.add(
    "GET",
    "/batches/<batch>/outputs/<int:index>/<path:name>",
    access="token:batch:read",
    summary="One file of a unit's accepted result",
    parameters=(STAGE,),
    problems=(404, 416),
)
def show_output(account: Account, batch: str, index: int, name: str) -> Response:
    """As it stands in the index now."""
    with_ = services()
    with with_.store.reading() as db:
        stage = _stage(db, account, batch)
        output = db.fetch_one(OUTPUT_AT, stage_id=stage.id, idx=index) if index < 2**62 else None
    if output is None:
        raise not_found("output")
    for entry in parse_manifest(output.body):
        if entry.name == name:
            row = find_file(with_, bytes.fromhex(entry.sha256))
            return send_content(with_, row, name=name.rpartition("/")[2], cache=PRIVATE_CACHE)
    raise not_found("output")
