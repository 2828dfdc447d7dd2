"""Provisional units: marked to be judged anew, or to be checked by another host."""

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import reputation as sql
from idlegrid_server.store.sql import unit as unit_sql


def recheck_host(db: Connection, command: c.RecheckHost) -> c.RecheckHostResult:
    """Mark the next single results of a host: a slice, since a busy host may have very many."""
    host = db.fetch_one(host_sql.HOST_BY_ID_LOCKED, host_id=command.host_id)
    if host is None or host.recheck_from is None:
        return c.RecheckHostResult(0)
    units = db.fetch_all(
        sql.HELD_BY_HOST, host_id=host.id, recheck_from=host.recheck_from, limit=command.limit
    )
    if units:
        db.execute(unit_sql.UNITS_WAKE, unit_ids=units, now=command.now)
    more = len(units) == command.limit
    db.execute(sql.HOST_RECHECK_FROM, host_id=host.id, recheck_from=units[-1] + 1 if more else None)
    return c.RecheckHostResult(len(units), more)


def audit_units(db: Connection, command: c.AuditUnits) -> c.Done:
    """Have provisional results checked; a pass makes the tasks."""
    unit_ids = sorted(set(command.unit_ids))
    db.fetch_all(unit_sql.UNITS_LOCK, unit_ids=unit_ids)
    return c.Done(db.execute(sql.UNITS_AUDIT, unit_ids=unit_ids, now=command.now) > 0)
