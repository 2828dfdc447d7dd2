"""The passes: claim what is due, decide on a snapshot, apply all decisions in one command.

A pass that dies between any two steps has changed nothing or everything; what was not applied is
still due. A plan made on a snapshot that has changed since is void, and its object stays due.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from idlegrid_server.domain.batch import decide_batch, final_state
from idlegrid_server.domain.finish import HeldUnit, audits_at_end
from idlegrid_server.domain.model import BatchPlan, BatchSnapshot
from idlegrid_server.domain.unit import decide_unit
from idlegrid_server.faults import reach
from idlegrid_server.files import FileError
from idlegrid_server.store.command import (
    AUDITS_MAX,
    ApplyBatchPlan,
    ApplyUnitPlans,
    AuditUnits,
    RecheckHost,
    RecordIncident,
    ReleaseUnits,
    SettleStage,
    Store,
)
from idlegrid_server.store.sql.batch import STAGES_TO_RELEASE, STAGES_UNSETTLED
from idlegrid_server.store.sql.reputation import (
    HELD_UNCHECKED,
    HELD_UNDER_CHECK,
    HOSTS_RECHECK,
    STAGES_TO_FINISH,
)

from .answer import make_answer
from .brake import brake_pass, with_news
from .due import jobs_wait
from .snapshot import due_batches, due_units
from .standing import Fleets
from .tail import tail_pass
from .tools import Files, MissingFile, Tools

UNITS_AT_ONCE = 300
BATCHES_AT_ONCE = 20
SETTLE_AT_ONCE = 1_000
RELEASE_AT_ONCE = 1_000
HOSTS_AT_ONCE = 20
# When an answer cannot be made (a full disk, a lost file), it is tried again after this.
ANSWER_AGAIN_US = 30 * 1_000_000
log = logging.getLogger(__name__)


@dataclass
class Passed:
    """What a run of passes did. ``idle``: nothing was due any more. ``jobs``: some job waits."""

    units: int = 0
    batches: int = 0
    rounds: int = 0
    idle: bool = False
    jobs: bool = False


def transition_pass(store: Store, clock: Callable[[], int], fleets: Fleets | None = None) -> int:
    """Decide on the units that are due, at most ``UNITS_AT_ONCE``; returns how many there were.

    Raises ``StoreError``.
    """
    now = clock()
    reach("pass.transition.before")
    with store.reading() as db:
        units = due_units(db, now, UNITS_AT_ONCE, fleets)
    if not units:
        return 0
    plans = tuple(with_news(decide_unit(unit, now), unit, now) for unit in units)
    reach("pass.transition.planned")
    store.execute(ApplyUnitPlans(now=now, plans=plans))
    reach("pass.transition.after")
    brake_pass(store, plans, {unit.id: unit for unit in units}, now)
    return len(units)


def settle_pass(store: Store, clock: Callable[[], int]) -> int:
    """Mark units of stages that ended early, so that the transition pass cancels them."""
    with store.reading() as db:
        stages = db.fetch_all(STAGES_UNSETTLED, limit=1)
    for stage_id in stages:
        store.execute(SettleStage(now=clock(), stage_id=stage_id, limit=SETTLE_AT_ONCE))
    return len(stages)


def release_pass(store: Store, clock: Callable[[], int]) -> int:
    """Give units that waited for their batch's canaries their tasks; returns how many stages."""
    with store.reading() as db:
        stages = db.fetch_all(STAGES_TO_RELEASE, limit=1)
    for stage_id in stages:
        store.execute(ReleaseUnits(now=clock(), stage_id=stage_id, limit=RELEASE_AT_ONCE))
    return len(stages)


def recheck_pass(store: Store, clock: Callable[[], int]) -> int:
    """Mark what hosts that were caught say alone, so that the transition pass judges it anew."""
    with store.reading() as db:
        hosts = db.fetch_all(HOSTS_RECHECK, limit=HOSTS_AT_ONCE)
    for host_id in hosts:
        store.execute(RecheckHost(now=clock(), host_id=host_id))
    return len(hosts)


def finish_pass(store: Store, clock: Callable[[], int]) -> int:
    """Have single results checked that nothing else would make final; returns how many.

    For stages that have nothing fresh to send any more. Doing it again changes nothing.
    """
    marked = 0
    after = 0
    while True:
        with store.reading() as db:
            stage_id = db.fetch_one(STAGES_TO_FINISH, after=after, limit=1)
            if stage_id is None:
                return marked
            held = [
                HeldUnit(row.id, row.held_by, row.final_at, row.checks)
                for row in db.fetch_all(HELD_UNCHECKED, stage_id=stage_id)
            ]
            under_check = dict(db.fetch_all(HELD_UNDER_CHECK, stage_id=stage_id))
        after = stage_id
        units = audits_at_end(held, under_check)
        for start in range(0, len(units), AUDITS_MAX):
            piece = tuple(units[start : start + AUDITS_MAX])
            store.execute(AuditUnits(now=clock(), unit_ids=piece))
        marked += len(units)


def batch_pass(
    store: Store, files: Files, clock: Callable[[], int], tools: Tools | None = None
) -> int:
    """Decide on the batches that are due: stages, failures, answers; returns how many there were.

    Raises ``StoreError``.
    """
    now = clock()
    tools = tools or Tools(store, files, clock)
    reach("pass.batch.before")
    with store.reading() as db:
        batches = due_batches(db, now, BATCHES_AT_ONCE)
    for batch in batches:
        plan = decide_batch(batch, now)
        reach("pass.batch.planned")
        if plan.answer is not None and not plan.steps and not plan.stages:
            _answer(tools, batch, plan.answer)
        else:
            # An answer is made on the batch as it will be then: look again at once.
            again = now if plan.answer is not None else plan.due_at
            if again is None and not plan.steps and not plan.stages:
                again = tail_pass(store, batch, now)
            store.execute(ApplyBatchPlan(now=now, plan=msgspec.structs.replace(plan, due_at=again)))
        reach("pass.batch.after")
    return len(batches)


def _answer(tools: Tools, batch: BatchSnapshot, revision: int) -> None:
    state, reason = final_state(batch)
    try:
        make_answer(tools, batch, revision, state, reason)
    except (MissingFile, FileError, OSError) as error:
        log.error("An answer could not be made: %s.", error, extra={"batch": batch.id})
        now = tools.clock()
        tools.store.execute(
            RecordIncident(
                now=now, code="answer_failed", source=f"batch:{batch.id}", text=str(error)
            )
        )
        later = BatchPlan(batch_id=batch.id, version=batch.version, due_at=now + ANSWER_AGAIN_US)
        tools.store.execute(ApplyBatchPlan(now=now, plan=later))


def run_passes(
    store: Store,
    files: Files,
    clock: Callable[[], int],
    until_idle: bool = True,
    *,
    tools: Tools | None = None,
    limit_s: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Passed:
    """Run all passes once, or ``until_idle``: until nothing is due, time is up or ``stopping()``.

    ``limit_s`` is real time, whatever ``clock`` says. Raises ``StoreError``.
    """
    done = Passed()
    end = None if limit_s is None else time.monotonic() + limit_s
    fleets = tools.fleets if tools is not None else Fleets()
    while True:
        units = transition_pass(store, clock, fleets) + settle_pass(store, clock)
        units += recheck_pass(store, clock)
        units += release_pass(store, clock)
        batches = batch_pass(store, files, clock, tools)
        if not units and not batches:
            units = finish_pass(store, clock)
        done.units += units
        done.batches += batches
        done.rounds += 1
        done.idle = not units and not batches
        late = end is not None and time.monotonic() >= end
        if done.idle or not until_idle or late or stopping():
            break
    with store.reading() as db:
        done.jobs = jobs_wait(db)
    return done
