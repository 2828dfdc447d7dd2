"""The batch: units that nobody has begun are a number, open ones an object, ended ones a count."""

import heapq
from array import array
from dataclasses import dataclass
from random import Random

from idlegrid_server.domain.matching import BEGUN, FRESH, RESERVED
from idlegrid_server.domain.model import (
    Candidate,
    Fleet,
    Hold,
    Peer,
    Standing,
    TaskSnapshot,
    UnitSnapshot,
    UnitState,
)
from idlegrid_shared.documents import Policy

ENDED = frozenset({"assimilated", "failed"})
SPARE = 2  # begun units looked at beyond what is wanted, as dispatch does


@dataclass(frozen=True)
class Batch:
    """``units`` units of ``unit_s`` seconds each on a core of speed 1, under ``policy``.

    ``spread`` is the sigma of the logarithm of a unit's length; the mean stays ``unit_s``.
    """

    units: int
    unit_s: float
    policy: Policy
    spread: float = 0.3

    def length_s(self, rng: Random) -> float:
        """How long the next unit takes."""
        if not self.spread:
            return self.unit_s
        return self.unit_s * rng.lognormvariate(-(self.spread**2) / 2, self.spread)


class Unit:
    """A unit that somebody has begun, until nothing of it is on its way any more."""

    __slots__ = (
        "canonical_manifest",
        "canonical_task",
        "due",
        "flying",
        "hold",
        "id",
        "length_s",
        "noted",
        "queued",
        "rank",
        "reason",
        "reserved_until",
        "state",
        "target",
        "tasks",
        "unsent",
        "version",
    )

    def __init__(self, number: int, tasks: int, length_s: float) -> None:
        self.id = number
        self.length_s = length_s
        self.state: UnitState = "open"
        self.reason = ""
        self.version = 0
        self.target = tasks
        self.tasks = [TaskSnapshot(id=n, n=n, state="unsent") for n in range(tasks)]
        self.unsent = tasks
        self.canonical_task: int | None = None
        self.canonical_manifest: bytes | None = None
        self.due: int | None = None  # µs: when a pass must look at it
        self.noted: int | None = None  # µs: what of that the engine's heap knows
        self.flying = 0  # tasks whose report will come
        self.rank: int = BEGUN
        self.reserved_until: int | None = None  # µs
        self.hold: Hold | None = None
        self.queued: int | None = None  # the rank under which it waits for hosts

    def snapshot(
        self, policy: Policy, standings: tuple[Standing, ...], fleet: Fleet, draw_seed: bytes
    ) -> UnitSnapshot:
        """The unit as a pass sees it."""
        return UnitSnapshot(
            id=self.id,
            stage_id=0,
            batch_id=0,
            index=self.id,
            state=self.state,
            version=self.version,
            policy=policy,
            tasks=tuple(self.tasks),
            target=self.target,
            reason=self.reason,
            canonical_task=self.canonical_task,
            canonical_manifest=self.canonical_manifest,
            rank=self.rank,
            reserved_until=self.reserved_until,
            standings=standings,
            fleet=fleet,
            draw_seed=draw_seed,
            hold=self.hold,
            due_at=self.due,
        )

    def peers(self) -> tuple[Peer, ...]:
        """Who has or had its tasks."""
        return tuple(
            Peer(task.state, task.host_id, task.account_id, task.subnet)
            for task in self.tasks
            if task.host_id is not None
        )


class Queue:
    """What waits for a host: begun units by number, then fresh ones."""

    def __init__(self, batch: Batch, rng: Random) -> None:
        self.batch = batch
        self.open: dict[int, Unit] = {}
        self.waiting: dict[int, list[int]] = {RESERVED: [], BEGUN: []}  # heaps of numbers
        self.fresh = 0  # the next unit that nobody has begun
        self.unsent = batch.units * batch.policy.first_tasks
        self.ended = bytearray(batch.units)  # 1: accepted, 2: failed
        self.finished_s = array("d")
        self._rng = rng

    def candidates(self, wanted: int, *, proven: bool) -> list[Candidate]:
        """A short list, as dispatch makes it; give what was not taken back with `put_back`."""
        found = self._pop(RESERVED, wanted + SPARE) if proven else []
        if len(found) < wanted + SPARE:
            found += self._pop(BEGUN, wanted + SPARE - len(found))
        last = min(self.batch.units, self.fresh + wanted)
        found += [Candidate(number, FRESH) for number in range(self.fresh, last)]
        return found

    def _pop(self, rank: int, most: int) -> list[Candidate]:
        found: list[Candidate] = []
        heap = self.waiting[rank]
        while heap and len(found) < most:
            unit = self.open.get(heapq.heappop(heap))
            if unit is None or unit.queued != rank:
                continue
            unit.queued = None
            if unit.unsent and unit.rank == rank:
                found.append(Candidate(unit.id, rank, unit.peers()))
            else:
                self.put(unit)
        return found

    def put_back(self, candidates: list[Candidate]) -> None:
        """The begun units of the list are in the queue again, as far as they have tasks to send."""
        for candidate in candidates:
            if candidate.rank != FRESH:
                self.put(self.open[candidate.unit_id])

    def put(self, unit: Unit) -> None:
        """Have a begun unit wait for hosts, if it has tasks for them."""
        if unit.unsent and unit.queued != unit.rank:
            unit.queued = unit.rank
            heapq.heappush(self.waiting[unit.rank], unit.id)

    def begin(self, number: int) -> Unit:
        """The unit becomes an object: somebody gets its first task."""
        if number != self.fresh:
            raise ValueError(f"unit {number} is begun before unit {self.fresh}")
        self.fresh += 1
        unit = Unit(number, self.batch.policy.first_tasks, self.batch.length_s(self._rng))
        self.open[number] = unit
        return unit

    def close(self, unit: Unit) -> None:
        """Forget the unit if it has ended and no task of it is out or on its way."""
        if unit.flying or unit.unsent or unit.state not in ENDED:
            return
        if all(task.state != "in_progress" for task in unit.tasks):
            self.open.pop(unit.id, None)

    def is_over(self) -> bool:
        """Whether every unit has ended."""
        return len(self.finished_s) >= self.batch.units
