"""One host's search for tasks: what it may still have, what was found, what stood against it."""

from dataclasses import dataclass, field

from idlegrid_server.domain.estimate import Queue, Spread, Sums, feasible, run_time, spread_of
from idlegrid_server.domain.model import HostSnapshot
from idlegrid_server.domain.order import pace
from idlegrid_server.domain.share import charge
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.policy import policy
from idlegrid_server.store.apply.resend import ops_of
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import queue as sql


@dataclass
class Search:
    """The tasks found so far for one host."""

    db: Connection
    ledger: Ledger
    host: HostSnapshot
    command: c.Exchange
    wanted: int
    kind: str
    load: Queue
    lateness: Spread
    files: frozenset[str]  # large ones that the host has
    limit: int = 0  # how many tasks of the stage that is looked into may still be given
    tasks: list[c.Assignment] = field(default_factory=list)
    barred: int = 0
    foreign: int = 0
    reserved: int = 0
    too_late: int = 0
    ops: Spread | None = None  # of tasks of that stage, and how long one runs on this host
    run: Spread | None = None
    charges: dict[int, float] = field(default_factory=dict)  # of accounts, in virtual time
    of_accounts: dict[int, int] = field(default_factory=dict)  # tasks of those under a cap
    of_apps: dict[int, int] = field(default_factory=dict)
    turned_away: list[c.TurnedAway] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Units that the host was not given, by the reason."""
        return {
            "partner": self.barred,
            "kind": self.foreign,
            "reserved": self.reserved,
            "deadline": self.too_late,
        }

    @property
    def left(self) -> int:
        """How many tasks are still to be found."""
        return min(self.wanted - len(self.tasks), self.limit)

    def enter(self, queue: sql.QueueRow) -> None:
        """Go to another stage: how many tasks of it may be given."""
        self.limit = left = self.wanted - len(self.tasks)
        self.ops = ops_of(queue)
        self.run = run_time(self.ops, speed_here(queue))
        deadline_s = policy(queue.policy).deadline_s
        in_time = feasible(self.load, self.run, self.lateness, deadline_s)
        if in_time is not None and in_time < left:
            self.limit = in_time
            self.too_late += left - in_time
        if queue.room is not None:
            self.limit = min(self.limit, queue.room - self.of_accounts.get(queue.account_id, 0))
        if queue.app_room is not None:
            self.limit = min(self.limit, queue.app_room - self.of_apps.get(queue.app_id, 0))

    def gave(self, queue: sql.QueueRow, count: int) -> None:
        """Note ``count`` tasks of the stage as given."""
        ops = None if self.ops is None else self.ops.median
        due = charge(ops, count, queue.weight)
        self.charges[queue.account_id] = self.charges.get(queue.account_id, 0.0) + due
        if queue.room is not None:
            self.of_accounts[queue.account_id] = self.of_accounts.get(queue.account_id, 0) + count
        if queue.app_room is not None:
            self.of_apps[queue.app_id] = self.of_apps.get(queue.app_id, 0) + count
        self.load = self.load.with_tasks(count, 0.0 if self.run is None else self.run.median)
        self.limit -= count


def speed_here(queue: sql.QueueRow) -> Spread | None:
    """How fast the host that asks is at the stage's subject, as far as is known."""
    own = Sums(queue.own_weight, queue.own_total, queue.own_square)
    return spread_of(own, _fleet(queue))


def pace_here(queue: sql.QueueRow) -> int:
    """Whether the host is faster than others at that (:func:`pace`)."""
    own = spread_of(Sums(queue.own_weight, queue.own_total, queue.own_square))
    return pace(own, _fleet(queue))


def _fleet(queue: sql.QueueRow) -> Spread | None:
    return spread_of(Sums(queue.fleet_weight, queue.fleet_total, queue.fleet_square))
