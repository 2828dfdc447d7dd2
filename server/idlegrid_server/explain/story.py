"""A story's steps, from lines of the event log; who is who in them."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from idlegrid_server.domain.story import step_words
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.event import EVENTS_OF_OBJECT, EVENTS_OF_OBJECTS, EventRow

STEPS_MAX = 1_000
_ACCOUNT = re.compile(r"\baccount (\d+)\b")

#: Who writes to the log without being a host or a person.
ACTORS = {
    "pass": "the server",
    "sweep": "the server",
    "submit": "the server, reading the table",
    "compute": "the server, computing",
    "admin": "an admin at the server",
}


class Ids(Protocol):
    """The translation of the database's ids into public ones."""

    def encode(self, kind: Any, number: int) -> str: ...


class Step(msgspec.Struct, frozen=True):
    """One step: when (µs UTC), of what, who did it, in words, and the codes for programs."""

    at: int
    object: str
    who: str
    text: str
    kind: str
    was: str | None
    now: str
    reason: str


class Explained(msgspec.Struct, frozen=True):
    """A story. ``now``: why it stands where it stands, and what it waits for."""

    kind: str
    id: str
    headline: str
    now: tuple[str, ...]
    facts: dict[str, str | int | float | None]
    steps: tuple[Step, ...]
    truncated: bool = False


@dataclass(frozen=True)
class Names:
    """Public ids. ``host``: a volunteer asks, who is told of no host but this one."""

    ids: Ids
    host: int | None = None

    def of(self, kind: str, number: int) -> str:
        """The public id of an object of the log."""
        public = {"unit": "wu", "verdict": "task", "credit": "task"}.get(kind, kind)
        if public not in ("wu", "task", "batch", "host", "account"):
            return f"{kind} {number}"
        return self.ids.encode(public, number)

    def who(self, actor: str) -> str:
        """Who did a step."""
        kind, _, digits = actor.partition(":")
        if kind == "host" and digits.isdigit():
            if self.host is not None and int(digits) != self.host:
                return "another computer"
            return self.of("host", int(digits))
        if kind == "account" and digits.isdigit():
            return self.of("account", int(digits))
        return ACTORS.get(kind, f"the server ({actor})" if actor else "the server")

    def step(self, row: EventRow) -> Step:
        """A line of the log, told."""
        detail = json.loads(row.detail) if row.detail else None
        reason = _ACCOUNT.sub(lambda m: self.of("account", int(m[1])), row.reason)
        return Step(
            at=row.at,
            object=self.of(row.kind, row.object_id),
            who=self.who(row.actor),
            text=step_words(row.kind, row.from_state, row.to_state, reason, detail),
            kind=row.kind,
            was=row.from_state,
            now=row.to_state,
            reason=reason,
        )


def steps_of(
    db: Connection, names: Names, objects: Sequence[tuple[str, Collection[int]]]
) -> tuple[tuple[Step, ...], bool]:
    """The steps of objects of several kinds, oldest first; and whether some were left out."""
    rows: list[EventRow] = []
    for kind, numbers in objects:
        if len(numbers) == 1:
            (number,) = numbers
            rows += db.fetch_all(
                EVENTS_OF_OBJECT, kind=kind, object_id=number, after=0, limit=STEPS_MAX
            )
        elif numbers:
            rows += db.fetch_all(
                EVENTS_OF_OBJECTS, kind=kind, object_ids=sorted(numbers), limit=STEPS_MAX
            )
    rows.sort(key=lambda row: row.id)
    return tuple(names.step(row) for row in rows[:STEPS_MAX]), len(rows) > STEPS_MAX


def made_in_bulk(
    db: Connection, names: Names, stage_id: int, index: int, unit_id: int
) -> Step | None:
    """The step in which a unit was made: one line of its stage's tells of many."""
    for row in db.fetch_all(
        EVENTS_OF_OBJECT, kind="stage", object_id=stage_id, after=0, limit=STEPS_MAX
    ):
        detail = json.loads(row.detail) if row.detail else {}
        first, count = detail.get("first"), detail.get("count")
        if first is not None and first <= index < first + count:
            tasks = detail.get("tasks", 0)
            copies = "one copy waits" if tasks == 1 else f"{tasks} copies wait"
            return Step(
                at=row.at,
                object=names.of("unit", unit_id),
                who=names.who(row.actor),
                text=f"Made with {count:,} units of its stage; {copies} to be sent.",
                kind="unit",
                was=None,
                now="open",
                reason="submitted",
            )
    return None
