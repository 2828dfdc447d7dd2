"""Whether anybody has something to do: the question that the sweep asks every few seconds."""

from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.batch import BATCHES_DUE, STAGES_TO_RELEASE, STAGES_UNSETTLED
from idlegrid_server.store.sql.job import JOB_COUNTS
from idlegrid_server.store.sql.reputation import HOSTS_RECHECK, STAGES_TO_FINISH
from idlegrid_server.store.sql.unit import UNITS_DUE_COUNT

from .wake import QueueName


def what_waits(db: Connection, now: int) -> set[QueueName]:
    """The queues whose workers have something to do at ``now`` (µs)."""
    found: set[QueueName] = set()
    units = db.fetch_one(UNITS_DUE_COUNT, now=now, limit=1)
    if (
        (units is not None and units[0])
        or db.fetch_one(BATCHES_DUE, now=now, limit=1) is not None
        or db.fetch_one(STAGES_UNSETTLED, limit=1) is not None
        or db.fetch_one(STAGES_TO_RELEASE, limit=1) is not None
        or db.fetch_one(HOSTS_RECHECK, limit=1) is not None
        or db.fetch_one(STAGES_TO_FINISH, after=0, limit=1) is not None
    ):
        found.add("wake")
    if jobs_wait(db):
        found.add("compute")
    return found


def jobs_wait(db: Connection) -> bool:
    """Whether some job has no worker."""
    return any(state == "queued" and count for _, state, count in db.fetch_all(JOB_COUNTS))
