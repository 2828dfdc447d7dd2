"""What validators found out, kept; and the units that wait for it, woken."""

from idlegrid_server.store import command as c
from idlegrid_server.store.apply.lease import own
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import job as job_sql
from idlegrid_server.store.sql import unit as unit_sql
from idlegrid_server.store.sql import validation as sql

NOTES_TOLD = 20  # of one unit in one line of the event log


def add_findings(db: Connection, command: c.AddFindings) -> c.JobResult:
    """Keep findings; end the job that made them, unless it goes on."""
    # The unit's row first, as passes lock them.
    units = [] if command.unit_id is None else [command.unit_id]
    locked = db.fetch_all(unit_sql.UNITS_LOCK, unit_ids=units)
    job = db.fetch_one(job_sql.JOB_BY_ID_LOCKED, job_id=command.job_id)
    if job is None:  # done before: validations leave no row behind
        return c.JobResult("lost")
    if own(db, command.job_id, command.worker) is None:
        return c.JobResult("lost")
    now, validator = command.now, command.validator
    db.execute_many(
        sql.OUTPUT_CHECK_INSERT,
        [(validator, o.manifest, o.outcome, o.note, now) for o in command.outputs],
    )
    db.execute_many(
        sql.COMPARISON_INSERT,
        [(validator, p.a, p.b, int(p.agrees), p.note, now) for p in command.pairs],
    )
    for unit in locked:
        _wake(db, command, unit)
    if command.ends_job:
        db.execute(job_sql.JOB_FORGET, job_id=job.id)
    return c.JobResult("ok")


def _wake(db: Connection, command: c.AddFindings, unit: unit_sql.UnitRow) -> None:
    db.execute(unit_sql.UNITS_WAKE, unit_ids=[unit.id], now=command.now)
    told = [
        {"output": o.manifest.hex(), "found": o.outcome, "note": o.note} for o in command.outputs
    ] + [
        {"a": p.a.hex(), "b": p.b.hex(), "found": "agree" if p.agrees else "differ", "note": p.note}
        for p in command.pairs
    ]
    if told:
        ledger = Ledger(db, command.now, command.actor)
        ledger.note(
            "unit",
            unit.id,
            unit.state,
            "validated",
            {"validator": command.validator.hex(), "found": told[:NOTES_TOLD]},
        )
        ledger.write()
