"""One made-up machine: what it can do, what it has, and what the project thinks of it."""

import heapq
import math
from random import Random

from idlegrid_server.domain.model import HostSnapshot, HostState

from .population import OFFLINE_S, Traits
from .timeline import Timeline

#: As a client keeps its stock: one task a core, and what is eaten until the next chance to ask.
AHEAD_PER_CORE_MAX = 64


class Machine:
    """A host as itself and as the project sees it. Times in seconds."""

    __slots__ = (
        "account",
        "alive",
        "asked_at",
        "caught",
        "done",
        "holding",
        "id",
        "idle_at",
        "in_progress",
        "leaves",
        "n_bad",
        "n_valid",
        "out_until",
        "shut_out",
        "slots",
        "state",
        "subnet",
        "tasks_max",
        "timeline",
        "traits",
    )

    def __init__(self, number: int, traits: Traits, born: float, cap: int, rng: Random) -> None:
        self.id = number
        self.traits = traits
        self.timeline = Timeline(traits, born, rng)
        self.leaves = born + traits.life_s
        self.account = traits.account
        self.subnet = traits.subnet or f"net {number}"
        self.alive = True
        self.caught = False
        # As the machine knows it:
        self.slots = [born] * traits.cores  # a heap: when each core has done what it was given
        self.holding = 0  # tasks
        self.done = 0  # answers given
        self.asked_at = born
        self.idle_at = -1  # its place among the idle
        # As the project counts it:
        self.state: HostState = "new"
        self.tasks_max = cap
        self.in_progress = 0
        self.n_valid = 0
        self.n_bad = 0
        self.shut_out = 0  # times
        self.out_until = 0  # µs

    def snapshot(self) -> HostSnapshot:
        """The host as dispatch sees it."""
        return HostSnapshot(
            id=self.id,
            state=self.state,
            account_id=self.account,
            subnet=self.subnet,
            in_progress=self.in_progress,
            tasks_max=self.tasks_max,
            house=self.traits.house,
        )

    def wants(self, task_s: float, horizon_s: float) -> int:
        """How many tasks more it asks for, when one takes ``task_s`` on a core of speed 1."""
        cores = self.traits.cores
        ahead = math.ceil(cores * horizon_s * self.traits.speed / task_s)
        return cores + min(max(1, ahead), AHEAD_PER_CORE_MAX * cores) - self.holding

    def compute(self, now: float, work_s: float, rng: Random) -> float:
        """Take one task more, of ``work_s`` on a core of speed 1; when its result arrives."""
        begin = max(now, self.slots[0])
        end = self.timeline.finish(begin, work_s / self.traits.speed, rng)
        heapq.heapreplace(self.slots, end)
        self.holding += 1
        if self.traits.offline and rng.random() < self.traits.offline:
            end += rng.expovariate(1 / OFFLINE_S)
        return end
