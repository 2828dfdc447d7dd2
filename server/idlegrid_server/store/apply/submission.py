"""A batch comes to be: its row, its stages, its units."""

from idlegrid_server.domain.canary import (
    PROVEN_FIRST_S,
    PROVEN_SEEN_S,
    WAIT_MOST_S,
    choose_canaries,
)
from idlegrid_server.domain.estimate import Sums, at_most_one
from idlegrid_server.domain.matching import FRESH, NAMED, RESERVED, SERVED, Rank
from idlegrid_server.domain.transition import BATCH_ENDED
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.locality import unit_files
from idlegrid_server.store.apply.policy import policy
from idlegrid_server.store.apply.stage import SENDING, set_batch_state, set_stage_state
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import batch as sql
from idlegrid_server.store.sql import estimate as estimate_sql
from idlegrid_server.store.sql import file as file_sql
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import job as job_sql
from idlegrid_server.store.sql import unit as unit_sql

SECOND = 1_000_000


def create(db: Connection, command: c.CreateBatch) -> c.CreateBatchResult:
    """A batch in state checking, and the job that checks its table."""
    if command.idempotency_key is not None:
        same_key = db.fetch_one(
            sql.BATCH_BY_KEY,
            account_id=command.account_id,
            idempotency_key=command.idempotency_key,
        )
        if same_key is not None:
            same = same_key.spec == command.spec
            return c.CreateBatchResult("existing" if same else "conflict", same_key.id)
    hashes = list(dict.fromkeys(command.files))
    usable = set(db.fetch_all(file_sql.FILES_USABLE, account_id=command.account_id, hashes=hashes))
    missing = tuple(digest for digest in hashes if digest not in usable)
    if missing:
        return c.CreateBatchResult("missing_files", missing=missing)
    ledger = Ledger(db, command.now, f"account:{command.account_id}")
    batch_id = db.insert(
        sql.BATCH_INSERT,
        account_id=command.account_id,
        app_version_id=command.app_version_id,
        name=command.name,
        idempotency_key=command.idempotency_key,
        spec=command.spec,
        seed=command.seed,
        priority=command.priority,
        on_failure=command.on_failure,
        now=command.now,
    )
    ledger.step("batch", batch_id, None, "draft", "submitted")
    for stage in command.stages:
        before = db.fetch_one(
            estimate_sql.STAGE_OPS_BEFORE,
            app_version_id=stage.app_version_id,
            program=stage.program,
        )
        known = at_most_one(Sums(*before)) if before is not None else Sums()
        stage_id = db.insert(
            sql.STAGE_INSERT,
            batch_id=batch_id,
            idx=stage.index,
            kind=stage.kind,
            placement=stage.placement,
            app_version_id=stage.app_version_id,
            program=stage.program,
            inputs=stage.inputs,
            policy=stage.policy,
            memory_bytes=stage.memory_bytes,
            profile=stage.profile,
            subject=stage.subject or stage.profile,
            cores=stage.cores,
            disk_bytes=stage.disk_bytes,
            features=" ".join(stage.features),
            audience=stage.audience,
            files=stage.files,
            ops_weight=known.weight,
            ops_total=known.total,
            ops_square=known.square,
            homogeneous=stage.homogeneous,
            migrates=int(stage.migrates),
            validator=stage.validator,
            validator_hash=stage.validator_hash,
            expected=stage.expected,
        )
        db.execute_many(sql.STAGE_HOST_INSERT, [(stage_id, host) for host in stage.hosts])
        ledger.step("stage", stage_id, None, "waiting")
    batch = db.fetch_one(sql.BATCH_BY_ID, batch_id=batch_id)
    assert batch is not None  # noqa: S101  inserted above, in this transaction
    set_batch_state(db, ledger, batch, "checking", "")
    db.execute(job_sql.JOB_INSERT, kind="submit", object_id=batch_id, now=command.now)
    ledger.write()
    return c.CreateBatchResult("created", batch_id)


def start(db: Connection, command: c.StartBatch) -> c.Done:
    """The table is good: the first stage runs, its units may come and go out."""
    batch = db.fetch_one(sql.BATCH_BY_ID_LOCKED, batch_id=command.batch_id)
    if batch is None:
        raise c.StoreRefused("unknown_batch", f"there is no batch {command.batch_id}")
    if batch.state != "checking":
        return c.Done(changed=False)
    stage = db.fetch_all(sql.STAGES_OF_BATCH, batch_id=batch.id)[0]
    ledger = Ledger(db, command.now, command.actor)
    db.execute(sql.STAGE_SET_EXPECTED, stage_id=stage.id, expected=command.expected)
    canaries = min(command.canaries, command.expected - 1)
    set_batch_state(db, ledger, batch, "canary" if canaries > 0 else "running", "")
    if canaries > 0:
        _send_canaries_first(db, batch.id, canaries, command.now)
    set_stage_state(db, ledger, stage, "running", "")
    db.execute(sql.STAGE_QUEUED, stage_id=stage.id)
    ledger.write()
    return c.Done()


def _send_canaries_first(db: Connection, batch_id: int, canaries: int, now: int) -> None:
    """Note how many they are, for how long proven hosts come first, and how long they have."""
    proven = db.fetch_one(
        host_sql.HOST_PROVEN_SEEN, states=list(SERVED), since=now - PROVEN_SEEN_S * SECOND
    )
    db.execute(
        sql.BATCH_CANARIES,
        batch_id=batch_id,
        canaries=canaries,
        proven_until=None if proven is None else now + PROVEN_FIRST_S * SECOND,
        until=now + WAIT_MOST_S * SECOND,
        due_at=now + (WAIT_MOST_S if proven is None else PROVEN_FIRST_S) * SECOND,
    )


def _canaries(batch: sql.BatchRow, stage: sql.StageRow) -> frozenset[int] | None:
    """The indexes of the only units that get tasks now; None: all do."""
    if "canary" not in (batch.state, batch.resume_state):
        return None
    return frozenset(choose_canaries(batch.seed, stage.expected, batch.canaries))


def _rank(unit: c.NewUnit, rank: Rank) -> Rank:
    return rank if unit.for_host is None else NAMED


def insert_units(db: Connection, command: c.InsertUnits) -> c.InsertUnitsResult:
    """Append units and their tasks; what is already there is skipped."""
    stage = db.fetch_one(sql.STAGE_BY_ID_LOCKED, stage_id=command.stage_id)
    if stage is None:
        raise c.StoreRefused("unknown_stage", f"there is no stage {command.stage_id}")
    batch = db.fetch_one(sql.BATCH_BY_ID, batch_id=stage.batch_id)
    if batch is None or batch.state in BATCH_ENDED or stage.state != "running":
        return c.InsertUnitsResult("closed", stage.created)
    end = command.offset + len(command.units)
    if command.offset > stage.created or end > stage.expected:
        return c.InsertUnitsResult("wrong_offset", stage.created)
    fresh = command.units[stage.created - command.offset :]
    if not fresh:
        return c.InsertUnitsResult("ok", stage.created)
    target = policy(stage.policy).first_tasks
    first = stage.created
    canaries = _canaries(batch, stage)
    rank = RESERVED if canaries and batch.canary_proven_until is not None else FRESH
    tasks = [target if canaries is None or first + i in canaries else 0 for i in range(len(fresh))]
    db.execute_many(
        unit_sql.UNITS_INSERT,
        [
            (
                *(stage.id, stage.batch_id, first + i, target, tasks[i]),
                *(_rank(unit, rank if canaries and tasks[i] else FRESH), unit.args, unit.inputs),
                *(unit.for_host, unit.known),
            )
            for i, unit in enumerate(fresh)
        ],
    )
    db.execute(
        unit_sql.TASKS_FOR_UNITS_INSERT,
        stage_id=stage.id,
        target=target,
        first=first,
        end=end,
    )
    sends = stage.placement == "grid" and batch.state in SENDING
    db.execute(
        sql.STAGE_CREATED,
        stage_id=stage.id,
        count=len(fresh),
        unit_files=int(any(unit_files(unit.inputs) for unit in fresh)),
        dispatchable=int(sends),
    )
    ledger = Ledger(db, command.now, "submit")
    # One line for all: a million units would else be three million lines that say nothing more.
    ledger.note(
        "stage",
        stage.id,
        stage.state,
        "units created",
        {"first": first, "count": len(fresh), "tasks": target},
    )
    ledger.write()
    return c.InsertUnitsResult("ok", end)


def release_units(db: Connection, command: c.ReleaseUnits) -> c.ReleaseUnitsResult:
    """The canaries passed: give the next units their first tasks."""
    stage = db.fetch_one(sql.STAGE_BY_ID_LOCKED, stage_id=command.stage_id)
    if stage is None or stage.release_from is None:
        return c.ReleaseUnitsResult(0, more=False)
    first, end = stage.release_from, stage.release_from + command.limit
    more = stage.state == "running" and end < stage.created
    released = 0
    if stage.state == "running":
        values = {"stage_id": stage.id, "first": first, "end": end}
        target = policy(stage.policy).first_tasks
        db.execute(unit_sql.TASKS_FOR_UNITS_RELEASED, target=target, **values)
        released = db.execute(unit_sql.UNITS_RELEASED, target=target, **values)
    db.execute(sql.STAGE_RELEASED_TO, stage_id=stage.id, release_from=end if more else None)
    if released:
        db.execute(sql.STAGE_QUEUED, stage_id=stage.id)
        ledger = Ledger(db, command.now, "pass")
        ledger.note("stage", stage.id, stage.state, f"units {first} to {end - 1} released")
        ledger.write()
    return c.ReleaseUnitsResult(released, more=more)
