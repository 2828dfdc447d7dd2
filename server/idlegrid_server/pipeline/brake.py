"""The brake's pass: after errors came in, whether their batches fail everywhere."""

import logging
from collections.abc import Collection

import msgspec

from idlegrid_server.domain.brake import WINDOW, Brake, decide_brake
from idlegrid_server.domain.model import Holder, News, UnitPlan, UnitSnapshot
from idlegrid_server.domain.pulse import read_news, slice_start
from idlegrid_server.store.command import PauseBatch, Store, StoreRefused
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import BATCH_BY_ID
from idlegrid_server.store.sql.pulse import (
    FAILURES_OF_STAGE,
    HOLDERS_OF_STAGE,
    PULSES_OF_STAGE,
)

PULSES_LOOKED_AT = 200
UNITS_LOOKED_AT = 20_000
HOLDERS_LOOKED_AT = 2_000
BRAKED = frozenset({"canary", "running"})
log = logging.getLogger(__name__)


def with_news(plan: UnitPlan, unit: UnitSnapshot, now: int) -> UnitPlan:
    """The plan with what its pass saw of reports, for the stage's pulse."""
    news = read_news(unit, now)
    if news is None and plan.steps and unit.placement == "grid":
        news = News(slice_start(now, unit.batch_since), 0)
    return plan if news is None else msgspec.structs.replace(plan, news=news)


def brake_pass(
    store: Store, plans: Collection[UnitPlan], units: dict[int, UnitSnapshot], now: int
) -> int:
    """Pause the batches that fail everywhere; returns how many."""
    stages = {
        units[plan.unit_id].stage_id: units[plan.unit_id].batch_id
        for plan in plans
        if plan.news is not None and plan.news.errors
    }
    braked = 0
    for stage_id, batch_id in sorted(stages.items()):
        with store.reading() as db:
            brake = find_brake(db, stage_id, batch_id, now)
        if brake is None:
            continue
        log.warning("A batch fails everywhere: %s", brake.text, extra={"batch": batch_id})
        try:
            store.execute(PauseBatch(now=now, batch_id=batch_id, reason=brake.text, actor="brake"))
        except StoreRefused:
            continue  # it ended meanwhile
        braked += 1
    return braked


def find_brake(db: Connection, stage_id: int, batch_id: int, now: int) -> Brake | None:
    """Why the batch is to pause, or nothing."""
    batch = db.fetch_one(BATCH_BY_ID, batch_id=batch_id)
    if batch is None or batch.state not in BRAKED:
        return None
    after = batch.brake_after or 0
    errors = db.fetch_all(FAILURES_OF_STAGE, stage_id=stage_id, after=after, limit=WINDOW)
    if not errors:
        return None
    pulses = db.fetch_all(PULSES_OF_STAGE, stage_id=stage_id, limit=PULSES_LOOKED_AT)
    if decide_brake(errors, pulses, ()) is None:
        return None  # not even if nobody else held anything
    rows = db.fetch_all(
        HOLDERS_OF_STAGE, stage_id=stage_id, looked_at=UNITS_LOOKED_AT, limit=HOLDERS_LOOKED_AT
    )
    holders = [Holder(host_id, now - sent_at) for host_id, sent_at in rows]
    return decide_brake(errors, pulses, holders)
