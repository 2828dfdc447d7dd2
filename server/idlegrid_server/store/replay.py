"""Replay the event log: the states that it tells must be those that are stored (invariant 11)."""

import json
from dataclasses import dataclass, field

from .connection import Connection
from .sql import event as event_sql
from .sql.state import STATES_AFTER

PAGE = 2_000
TOLD = 20
ONE_BY_ONE = ("stage", "batch", "host")  # the first line of each tells that it was made
KINDS = ("unit", "task", "verdict", "stage", "batch", "host")


@dataclass
class Replayed:
    """States as the log tells them. Units made in bulk are ranges: stage → [(end, tasks each)]."""

    states: dict[tuple[str, int], str] = field(default_factory=dict)
    ranges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def made_in_bulk(self, stage_id: int, index: int, n: int | None) -> str | None:
        """The first state of a unit (``n`` None) or of its task ``n``, if a range holds it."""
        for end, tasks in self.ranges.get(stage_id, ()):
            if index < end:
                return "open" if n is None else "unsent" if n < tasks else None
        return None


def read_log(db: Connection) -> Replayed:
    """Follow the whole log from its start, checking that each line goes on where the last ended."""
    replayed = Replayed()
    after = 0
    while page := db.fetch_all(event_sql.EVENTS_AFTER, after=after, limit=PAGE):
        for row in page:
            after = row.id
            _follow(replayed, row)
    return replayed


def _follow(replayed: Replayed, row: event_sql.EventRow) -> None:
    if row.kind not in KINDS:
        return
    key = (row.kind, row.object_id)
    if row.kind == "stage" and row.detail is not None:
        detail = json.loads(row.detail)
        ranges = replayed.ranges.setdefault(row.object_id, [])
        before = ranges[-1][0] if ranges else 0
        if detail["first"] != before:
            replayed.faults.append(
                f"event {row.id}: units of stage {row.object_id} from {detail['first']} on, "
                f"but {before} were made"
            )
        ranges.append((detail["first"] + detail["count"], detail["tasks"]))
    known = replayed.states.get(key)
    if known is None and row.from_state is not None and row.kind in ONE_BY_ONE:
        replayed.faults.append(
            f"event {row.id}: {row.kind} {row.object_id} was {row.from_state} before it was made"
        )
    if known is not None and known != row.from_state:
        replayed.faults.append(
            f"event {row.id}: {row.kind} {row.object_id} goes from {row.from_state}, "
            f"but it was {known}"
        )
    replayed.states[key] = row.to_state
    if row.kind == "task":
        _follow_verdict(replayed, row)


def _follow_verdict(replayed: Replayed, row: event_sql.EventRow) -> None:
    """A result waits for a verdict from the moment it comes; an error has none."""
    key = ("verdict", row.object_id)
    if row.to_state == "success" and row.from_state != "success":
        replayed.states[key] = "pending"
    elif row.from_state == "success" and row.to_state != "success":
        replayed.states.pop(key, None)


def replay(db: Connection) -> list[str]:
    """Every difference between the log and the tables, in words; empty if there is none."""
    replayed = read_log(db)
    found = replayed.faults[:TOLD]
    for kind, query in STATES_AFTER.items():
        unseen = {object_id for k, object_id in replayed.states if k == kind}
        differences = []
        after = 0
        while page := db.fetch_all(query, after=after, limit=PAGE):
            for object_id, state, stage_id, index, n in page:
                after = object_id
                unseen.discard(object_id)
                told = replayed.states.get((kind, object_id))
                if told is None and stage_id is not None:
                    told = replayed.made_in_bulk(stage_id, index, n)
                if told != state:
                    differences.append(
                        f"{kind} {object_id} is {state}, but the log tells {told or 'nothing'}"
                    )
        differences += [
            f"the log tells of {kind} {object_id}, which is gone" for object_id in unseen
        ]
        found += differences[:TOLD]
    return found
