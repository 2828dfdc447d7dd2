"""Invariant 12: log, queue, upload and retries are bounded, however long everything goes wrong.

Bodies are looked at as they are answered (`invariant.Watch.at_reply`), rounds as they are made
(`Watch.at_pass`), members of archives by tests/sandbox/test_pack.py.
"""

import msgspec

from idlegrid_server.store.connection import Connection
from idlegrid_shared.documents import Policy

from .invariant import demand, rows

TASK_EVENTS_MAX = 12  # of one task: sent, again after each loss, reported, judged, credited
CLAIMS_MAX = 50  # of one job: what no worker survives is given up
UPLOADS_MAX = 100  # open at once in so small a project


def look_at_bounds(db: Connection) -> None:
    """What must stay small however long everything goes wrong."""
    too_many = []
    for unit_id, policy, tasks in rows(
        db,
        "SELECT u.id, s.policy, COUNT(t.id) FROM work_unit u JOIN stage s ON s.id = u.stage_id"
        " JOIN task t ON t.unit_id = u.id WHERE s.placement = 'grid' GROUP BY u.id, s.policy",
    ):
        if tasks > msgspec.json.decode(str(policy), type=Policy).max_tasks:  # type: ignore[operator]
            too_many.append(f"unit {unit_id}: {tasks}")
    demand(too_many, "a unit has more tasks than its policy allows")
    demand(
        rows(
            db,
            "SELECT object_id, COUNT(*) FROM event WHERE kind = 'task' AND from_state <> to_state"
            " GROUP BY object_id HAVING COUNT(*) > ?",
            TASK_EVENTS_MAX,
        ),
        "the log of one task grows without end",
    )
    demand(
        rows(db, "SELECT id, kind, attempts FROM job WHERE attempts > ?", CLAIMS_MAX + 1),
        "a job was claimed again and again",
    )
    demand(
        rows(db, "SELECT COUNT(*) FROM upload HAVING COUNT(*) > ?", UPLOADS_MAX),
        "uploads pile up",
    )
    demand(
        rows(
            db,
            "SELECT host_id, COUNT(*) FROM task WHERE state = 'in_progress'"
            " GROUP BY host_id HAVING COUNT(*) > 512",
        ),
        "a host's queue is beyond any limit",
    )
