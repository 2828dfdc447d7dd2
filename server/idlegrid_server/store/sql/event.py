"""The event log: every change of state of a unit, task, stage, batch, host, app or account."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class EventRow(NamedTuple):
    """One line of an object's story."""

    id: int
    at: int
    kind: str
    object_id: int
    from_state: str | None
    to_state: str
    reason: str
    actor: str
    detail: str | None


_EVENT = """
    SELECT id, at, kind, object_id, from_state, to_state, reason, actor, detail FROM event
"""

EVENT_INSERT = Query(
    "event_insert",
    "append to the log",
    """
    INSERT INTO event (at, kind, object_id, from_state, to_state, reason, actor, detail)
    VALUES (:at, :kind, :object_id, :from_state, :to_state, :reason, :actor, :detail)
    """,
)
EVENTS_OF_OBJECT = Query(
    "events_of_object",
    "an object's story, oldest first",
    _EVENT
    + " WHERE kind = :kind AND object_id = :object_id AND id > :after ORDER BY id LIMIT :limit",
    EventRow._make,
)
EVENTS_OF_OBJECTS = Query(
    "events_of_objects",
    "the story of a unit's tasks",
    _EVENT + " WHERE kind = :kind AND object_id {in:object_ids} ORDER BY id LIMIT :limit",
    EventRow._make,
)
EVENT_NEWEST = Query(
    "event_newest",
    "the number of the log's newest line, for statements: what is counted by then",
    "SELECT COALESCE(MAX(id), 0) FROM event",
    lambda row: int(row[0]),
)
EVENTS_AFTER = Query(
    "events_after",
    "replay the whole log, page by page",
    _EVENT + " WHERE id > :after ORDER BY id LIMIT :limit",
    EventRow._make,
)
