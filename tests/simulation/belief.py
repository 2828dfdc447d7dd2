"""Invariant 1 where trust decides: whose word was taken alone, and what became of it.

Asked with queries and formulas of our own (TRUST.md C, H); not with the domain's.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from idlegrid_server.store.connection import Connection
from idlegrid_shared.documents import Policy

from .invariant import demand, rows
from .server import SimServer

LEAST_CHECKS = 5  # before anybody may speak alone
FADED = 1e-3  # of a sum of checks, within the hours that a seed lasts


class Held(NamedTuple):
    """A provisional unit, and the host whose word it is."""

    unit: int
    host: int
    policy: str
    house: int
    passed: float | None  # None: it has no reputation at all
    caught_at: int | None
    received_at: int


HELD = (
    "SELECT u.id, t.host_id, s.policy, h.house, r.passed, r.caught_at, t.received_at"
    " FROM work_unit u JOIN stage s ON s.id = u.stage_id JOIN task t ON t.id = u.canonical_task"
    " JOIN host h ON h.id = t.host_id"
    " LEFT JOIN reputation r ON r.host_id = h.id AND r.subject NOT LIKE 'a:%'"
    " WHERE u.state = 'provisional'"
)


class Belief:
    """Looks at single results as they are taken, and at what is kept of them."""

    def __init__(self, server: SimServer) -> None:
        self.server = server
        self.held: set[int] = set()
        self.singles = 0  # that were ever held

    def at_pass(self) -> None:
        """Right after a transition pass: whoever is believed alone has earned it."""
        with self.server.reading() as db:
            found = list(self._held(db))
        fresh = [held for held in found if held.unit not in self.held]
        self.singles += len(fresh)
        self.held = {held.unit for held in found}
        demand(
            (held for held in fresh if not self._has_earned_it(held)),
            "the word of a host was taken alone that had not passed the checks for it",
        )

    def look(self, db: Connection) -> None:
        """At any moment: nothing provisional is in an answer, and no caught host is believed on."""
        demand(
            rows(
                db,
                "SELECT u.id, u.state FROM output o JOIN work_unit u ON u.id = o.unit_id"
                " WHERE o.until IS NULL AND u.state NOT IN ('assimilated', 'retired')",
            ),
            "an output is in the index although its unit is not accepted",
        )
        demand(
            rows(
                db,
                "SELECT u.id, t.host_id FROM work_unit u JOIN task t ON t.id = u.canonical_task"
                " JOIN host h ON h.id = t.host_id"
                " JOIN reputation r ON r.host_id = h.id AND r.subject NOT LIKE 'a:%'"
                " WHERE u.state = 'provisional' AND r.caught_at >= t.received_at"
                " AND (h.recheck_from IS NULL OR h.recheck_from > u.id)"
                " AND (u.due_at IS NULL OR u.due_at > ?)",
                self.server.clock(),
            ),
            "a caught host's word is still held, and nobody will look at it",
        )

    def _held(self, db: Connection) -> Iterator[Held]:
        return (Held(*row) for row in rows(db, HELD))  # type: ignore[arg-type]

    @staticmethod
    def _has_earned_it(held: Held) -> bool:
        if held.house:
            return True
        policy = msgspec.json.decode(held.policy, type=Policy)
        wanted = math.ceil(policy.assumed_bad / policy.error_max) - policy.finality
        if held.caught_at is not None and held.caught_at >= held.received_at:
            return True  # by another unit of the same pass; `look` sees that it is judged anew
        return (held.passed or 0.0) >= max(LEAST_CHECKS, wanted) - FADED
