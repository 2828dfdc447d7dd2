"""The decisions of production, as the engine calls them; override one to compare another."""

from collections.abc import Sequence

from idlegrid_server.domain.host import first_limit, next_limit, next_state
from idlegrid_server.domain.matching import Choice, Distinct, choose, room
from idlegrid_server.domain.model import (
    Candidate,
    HostSnapshot,
    HostState,
    UnitPlan,
    UnitSnapshot,
)
from idlegrid_server.domain.tail import TailSnapshot, decide_tail
from idlegrid_server.domain.trust import next_standing
from idlegrid_server.domain.unit import decide_unit


class Rules:
    """What the project does. Every method is a function of ``domain/``."""

    distinct: Sequence[Distinct] = ("host", "account", "subnet")

    def decide(self, unit: UnitSnapshot, now: int) -> UnitPlan:
        """What to do with a unit at ``now`` (µs)."""
        return decide_unit(unit, now)

    def room(self, host: HostSnapshot, wanted: int) -> int:
        """How many tasks the host may get now."""
        return room(host, wanted)[0]

    def choose(self, host: HostSnapshot, candidates: Sequence[Candidate], wanted: int) -> Choice:
        """Which of the candidate units it gets a task of."""
        return choose(host, candidates, wanted, self.distinct)

    def first_limit(self, cores: int) -> int:
        """A new host's cap of tasks in progress."""
        return first_limit(cores)

    def next_limit(self, limit: int, cores: int, valid: int, bad: int) -> int:
        """The cap after ``valid`` confirmed results, then ``bad`` errors and invalid ones."""
        return next_limit(limit, cores, valid, bad)

    def next_state(
        self, state: HostState, n_valid: int, *, proven: bool, by_quorum: bool
    ) -> tuple[HostState, str] | None:
        """(state, reason) that a host's confirmed results bring it to."""
        return next_state(state, n_valid, proven=proven, by_quorum=by_quorum)

    def next_standing(
        self, state: HostState, passed: float, failed: float
    ) -> tuple[HostState, str] | None:
        """(state, reason) that a failed check brings a host to."""
        return next_standing(state, passed, failed)

    def tail(self, tail: TailSnapshot, now: int) -> tuple[UnitPlan, ...]:
        """More copies for the last units of a batch."""
        return decide_tail(tail, now)


PRODUCTION = Rules()
