"""When a batch will be done, for whoever looks at it."""

from idlegrid_server.domain.forecast import Forecast, ForecastSnapshot, forecast
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import BatchRow, StageRow
from idlegrid_server.store.sql.pulse import FRESH_OF_STAGE, PULSES_OF_STAGE, TURNAROUNDS_OF_STAGE

PULSES_READ = 400
UNITS_SAMPLED = 200
FRESH_COUNTED = 200_000  # of more units nobody can tell the difference


def find_forecast(
    db: Connection, batch: BatchRow, stages: list[StageRow], now: int
) -> Forecast | None:
    """P50 and P90 of the map stage's end; None if the batch does not run or too little is known."""
    stage = stages[0]
    if batch.state != "running" or stage.state != "running":
        return None
    return forecast(forecast_snapshot(db, batch, stage, now))


def forecast_snapshot(
    db: Connection, batch: BatchRow, stage: StageRow, now: int
) -> ForecastSnapshot:
    """What is known of a stage: three statements."""
    pulses = db.fetch_all(PULSES_OF_STAGE, stage_id=stage.id, limit=PULSES_READ)
    turnarounds = db.fetch_all(TURNAROUNDS_OF_STAGE, stage_id=stage.id, units=UNITS_SAMPLED)
    fresh = db.fetch_one(FRESH_OF_STAGE, stage_id=stage.id, limit=FRESH_COUNTED) or 0
    return ForecastSnapshot(
        now=now,
        since=batch.created_at,
        expected=stage.expected,
        ended=stage.assimilated + stage.failed + stage.cancelled,
        fresh=fresh + stage.expected - stage.created,
        pulses=tuple(pulses),
        turnarounds=tuple(turnarounds),
    )
