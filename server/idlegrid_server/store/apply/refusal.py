"""How often hosts were refused work, hour by hour, for a day and a bit."""

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import explain as sql

HOUR_US = 3600 * 1_000_000
HOURS_KEPT = 26


def record(db: Connection, command: c.RecordRefusals) -> c.Done:
    """Add to the hour that it is."""
    hour = command.now // HOUR_US
    db.execute_many(
        sql.REFUSAL_ADD,
        sorted((hour, row.stage_id, row.code, row.times) for row in command.refusals),
    )
    db.execute(sql.REFUSALS_FORGET, hour=hour - HOURS_KEPT)
    return c.Done()
