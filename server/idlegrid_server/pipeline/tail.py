"""The tail's pass: more copies for the last units of a batch, as idle hosts come free."""

from idlegrid_server.domain.matching import SERVED
from idlegrid_server.domain.model import BatchSnapshot, StageSnapshot
from idlegrid_server.domain.tail import TailSnapshot, decide_tail, is_in_tail, look_again_us
from idlegrid_server.store.command import ApplyUnitPlans, Store
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.pulse import IDLE_SLOTS, TURNAROUNDS_OF_STAGE

from .snapshot import open_units

UNITS_AT_ONCE = 300  # of the open ones, the oldest first
SAMPLED_UNITS = 200
IDLE_SEEN_US = 600 * 1_000_000


def tail_stage(batch: BatchSnapshot) -> StageSnapshot | None:
    """The running stage on the grid of which only the end is open."""
    if batch.state != "running":
        return None
    for stage in batch.stages:
        ended = stage.assimilated + stage.failed + stage.cancelled
        if (
            stage.state == "running"
            and stage.placement == "grid"
            and stage.created == stage.expected
        ):
            return stage if is_in_tail(ended, stage.expected) else None
    return None


def tail_pass(store: Store, batch: BatchSnapshot, now: int) -> int | None:
    """Replicate where it helps; returns when to look again (µs), None if this is not the end."""
    stage = tail_stage(batch)
    if stage is None:
        return None
    with store.reading() as db:
        tail = tail_snapshot(db, stage.id, now)
    plans = decide_tail(tail, now)
    if plans:
        store.execute(ApplyUnitPlans(now=now, plans=plans, actor="tail"))
    return now + look_again_us(tail.turnarounds)


def tail_snapshot(db: Connection, stage_id: int, now: int) -> TailSnapshot:
    """The end of a stage as the decision sees it: ten statements at most."""
    turnarounds = db.fetch_all(TURNAROUNDS_OF_STAGE, stage_id=stage_id, units=SAMPLED_UNITS)
    idle = db.fetch_one(IDLE_SLOTS, states=list(SERVED), since=now - IDLE_SEEN_US) or 0
    units = open_units(db, now, stage_id, UNITS_AT_ONCE)
    return TailSnapshot(tuple(units), tuple(turnarounds), idle)
