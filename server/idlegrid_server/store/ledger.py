"""The one way in which a state changes: checked against its table, written to the event log.

A :class:`Ledger` lives as long as a command. Each step is checked when it is made, so a command
that contradicts the life cycle fails before anything else happens; the lines are written together.
"""

import json

from idlegrid_server.domain.transition import TABLES, InvalidTransition, Kind
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import event as sql

STORY_MAX = 50  # lines of an object's story in an error


class Ledger:
    """The steps of one command, at one time, by one actor (host:5, account:1, pass, submit…)."""

    __slots__ = ("_lines", "actor", "db", "now")

    def __init__(self, db: Connection, now: int, actor: str) -> None:
        self.db = db
        self.now = now
        self.actor = actor
        self._lines: list[tuple[object, ...]] = []

    def step(
        self, kind: Kind, object_id: int, before: str | None, after: str, reason: str = ""
    ) -> None:
        """Note that an object goes from ``before`` (None = it is made now) to ``after``.

        Raises :class:`InvalidTransition`, with the object's story, if no table allows that.
        """
        if (before or "", after) not in TABLES[kind]:
            raise InvalidTransition(kind, before or "", after, self.story(kind, object_id))
        self._lines.append((self.now, kind, object_id, before, after, reason, self.actor, None))

    def note(
        self, kind: str, object_id: int, state: str, reason: str, detail: object = None
    ) -> None:
        """Write a line about an object whose state stays what it is."""
        text = None if detail is None else json.dumps(detail, separators=(",", ":"))
        self._lines.append((self.now, kind, object_id, state, state, reason, self.actor, text))

    def write(self) -> None:
        """Append the lines to the event log, in the command's transaction."""
        self.db.execute_many(sql.EVENT_INSERT, self._lines)
        self._lines.clear()

    def story(self, kind: str, object_id: int) -> list[str]:
        """What happened to an object so far, a line each, this command's steps included."""
        rows = self.db.fetch_all(
            sql.EVENTS_OF_OBJECT, kind=kind, object_id=object_id, after=0, limit=STORY_MAX
        )
        lines = [
            f"{row.at}: {row.from_state or 'nothing'} → {row.to_state} ({row.reason}, {row.actor})"
            for row in rows
        ]
        for at, line_kind, line_id, before, after, reason, actor, _ in self._lines:
            if (line_kind, line_id) == (kind, object_id):
                lines.append(f"{at}: {before or 'nothing'} → {after} ({reason}, {actor})")
        return lines
