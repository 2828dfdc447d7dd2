"""/explain: why something stands where it stands, from its first day on."""

from flask import Response

from idlegrid_server.explain import (
    Explained,
    Names,
    explain_account,
    explain_batch,
    explain_host,
    explain_task,
    explain_unit,
)
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.account import ACCOUNT_BY_ID
from idlegrid_server.store.sql.batch import BATCH_BY_ID, STAGES_OF_BATCH, BatchRow
from idlegrid_server.store.sql.explain import UNIT_BY_ID
from idlegrid_server.store.sql.host import HOST_BY_ID
from idlegrid_server.store.sql.unit import TASKS_BY_ID, UNIT_OF_STAGE, UnitRow
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.problem import Refusal, not_found
from idlegrid_server.web.services import Services

from .batches import computers, find_batch
from .credit import may_see_host
from .page import decode_id, moment
from .reply import ExplainedReply, StepReply
from .route import Routes, reply
from .why import why_sentence

KINDS = ("unit", "task", "host", "batch", "account")
routes = Routes("explain")


@routes.add(
    "GET",
    "/explain/<kind>/<subject>",
    access="token:any",
    summary="The whole story of a unit, task, host, batch or account, in plain words",
    reply=ExplainedReply,
    problems=(404, 422),
)
def show_explanation(account: Account, kind: str, subject: str) -> Response:
    """Scientists see what is theirs, volunteers their hosts, admins all.

    ``subject`` is a public id; of a unit also `BATCH:INDEX` or `BATCH:INDEX:STAGE`.
    """
    with_ = services()
    if kind not in _TELL:
        raise Refusal(422, "bad_kind", f"Explain one of {', '.join(KINDS)}, not {kind[:40]!r}.")
    with_.tally.flush()
    with with_.store.reading() as db:
        told = _TELL[kind](with_, db, account, subject)
    return reply(
        ExplainedReply(
            kind=told.kind,
            id=told.id,
            headline=told.headline,
            now=told.now,
            facts=told.facts,
            steps=tuple(
                StepReply(
                    at=moment(step.at) or "",
                    object=step.object,
                    who=step.who,
                    text=step.text,
                    kind=step.kind,
                    was=step.was,
                    now=step.now,
                    reason=step.reason,
                )
                for step in told.steps
            ),
            truncated=told.truncated,
        )
    )


def _unit(with_: Services, db: Connection, account: Account, name: str) -> Explained:
    if ":" in name:
        unit = _unit_at(db, account, name)
    else:
        found = db.fetch_one(UNIT_BY_ID, unit_id=decode_id("wu", name, "work unit"))
        if found is None or not _may_see(account, _batch(db, found)):
            raise not_found("work unit")
        unit = found
    return explain_unit(db, Names(with_.ids), unit, with_.clock(), with_.config.dispatch.distinct)


def _unit_at(db: Connection, account: Account, name: str) -> UnitRow:
    batch, index, *rest = name.split(":")
    places = [index, *(rest or ["0"])]
    if len(places) != 2 or not all(p.isascii() and p.isdigit() and len(p) < 16 for p in places):
        raise not_found("work unit")
    for stage in db.fetch_all(STAGES_OF_BATCH, batch_id=find_batch(db, account, batch).id):
        if stage.idx == int(places[1]):
            unit = db.fetch_one(UNIT_OF_STAGE, stage_id=stage.id, idx=int(places[0]))
            if unit is not None:
                return unit
    raise not_found("work unit")


def _batch(db: Connection, unit: UnitRow) -> BatchRow | None:
    return db.fetch_one(BATCH_BY_ID, batch_id=unit.batch_id)


def _may_see(account: Account, batch: BatchRow | None) -> bool:
    return batch is not None and (batch.account_id == account.id or account.is_admin)


def _task(with_: Services, db: Connection, account: Account, name: str) -> Explained:
    tasks = db.fetch_all(TASKS_BY_ID, task_ids=[decode_id("task", name, "task")])
    unit = db.fetch_one(UNIT_BY_ID, unit_id=tasks[0].unit_id) if tasks else None
    batch = _batch(db, unit) if unit is not None else None
    if unit is None or batch is None:
        raise not_found("task")
    (task,) = tasks
    host = None if task.host_id is None else db.fetch_one(HOST_BY_ID, host_id=task.host_id)
    mine = host is not None and host.account_id == account.id
    if not _may_see(account, batch) and not mine:
        raise not_found("task")
    only = host.id if host is not None and not _may_see(account, batch) else None
    return explain_task(db, Names(with_.ids, only), task, unit, batch.name, with_.clock())


def _host(with_: Services, db: Connection, account: Account, name: str) -> Explained:
    host = db.fetch_one(HOST_BY_ID, host_id=decode_id("host", name, "host"))
    if host is None or not may_see_host(account, host):
        raise not_found("host")
    names = Names(with_.ids, None if account.is_admin else host.id)
    return explain_host(db, names, host, with_.clock(), with_.config.dispatch.distinct)


def _batch_story(with_: Services, db: Connection, account: Account, name: str) -> Explained:
    batch = find_batch(db, account, name)
    stages = db.fetch_all(STAGES_OF_BATCH, batch_id=batch.id)
    why = why_sentence(db, batch, stages, computers(with_, db))
    distinct = with_.config.dispatch.distinct
    return explain_batch(db, Names(with_.ids), batch, why, with_.clock(), distinct)


def _account(with_: Services, db: Connection, account: Account, name: str) -> Explained:
    row = db.fetch_one(ACCOUNT_BY_ID, account_id=decode_id("account", name, "account"))
    if row is None or (row.id != account.id and not account.is_admin):
        raise not_found("account")
    return explain_account(db, Names(with_.ids), row, with_.clock())


_TELL = {
    "unit": _unit,
    "task": _task,
    "host": _host,
    "batch": _batch_story,
    "account": _account,
}
