"""How much of a batch that fails everywhere is computed before it stops: canaries and the brake."""

import random
import statistics
from collections import deque

from idlegrid_shared import wire

from .figure import Figure, Measured, Options
from .load import SimulatedHost, decode_descriptor
from .project import APPS
from .virtual import VirtualProject

UNITS = 10_000
HOSTS = 200
CORES = 4
SEEDS = 3
LONGEST_S = 6 * 3_600.0
STOPPED = frozenset({"paused", "failed", "cancelled"})
FAST_S, SLOW_S = (5.0, 30.0), (300.0, 1_800.0)


class FailingHost:
    """A client that keeps its cores busy with programs that all fail after a while."""

    def __init__(
        self,
        project: VirtualProject,
        host: SimulatedHost,
        chance: random.Random,
        took_s: tuple[float, float],
    ) -> None:
        self.project = project
        self.host = host
        self.chance = chance
        self.took_s = took_s
        self.waiting: deque[str] = deque()
        self.running: set[str] = set()
        self.failed: list[str] = []
        self.started = 0
        self._contact_at = 0

    def contact(self) -> None:
        """One exchange: errors in, tasks out."""
        if self.project.now < self._contact_at:
            return
        self.host.seq += 1
        reports = tuple(wire.Report(task, "error", "trap") for task in self.failed)
        want = max(0, 2 * CORES - len(self.running) - len(self.waiting))
        reply = self.project.exchange(
            self.host,
            wire.ExchangeRequest(
                request_id=f"{self.chance.getrandbits(96):024x}",
                seq=self.host.seq,
                reports=reports,
                held=(*self.running, *self.waiting),
                running=tuple(wire.Running(task) for task in sorted(self.running)),
                want=wire.Want(want, 2**32) if want else None,
            ),
        )
        self.failed = []
        gone = set(reply.cancel)
        self.waiting = deque(task for task in self.waiting if task not in gone)
        self.running -= gone
        offered = [decode_descriptor(offer.descriptor.body).task for offer in reply.tasks]
        self.waiting += [task for task in offered if task not in self.running]
        self._begin()
        self._contact_at = self.project.now + round(reply.next_contact_s * 1e6)
        if len(self.running) + len(self.waiting) < 2 * CORES:
            self.project.after(reply.next_contact_s, self.contact)

    def _begin(self) -> None:
        while self.waiting and len(self.running) < CORES:
            task = self.waiting.popleft()
            self.running.add(task)
            self.started += 1
            self.project.after(self.chance.uniform(*self.took_s), lambda task=task: self._end(task))

    def _end(self, task: str) -> None:
        if task in self.running:
            self.running.remove(task)
            self.failed.append(task)
            self._begin()
            self.project.after(max(0.0, (self._contact_at - self.project.now) / 1e6), self.contact)


def wasted(
    seed: int, took_s: tuple[float, float], *, canary: bool, mode: str = "skip"
) -> dict[str, object]:
    """Tasks begun of one batch until nothing of it runs any more, in percent of its units."""
    chance = random.Random(seed)
    with VirtualProject(HOSTS) as project:
        batch = project.submit(
            APPS[0], UNITS, canary=canary, on_failure={"mode": mode}, seed=str(seed)
        )
        hosts = [FailingHost(project, host, chance, took_s) for host in project.bench.hosts]
        for host in hosts:
            project.after(chance.uniform(1, 60), host.contact)

        def over() -> bool:
            return bool(stopped_at) and not any(host.running for host in hosts)

        stopped_at: list[float] = []

        def look() -> None:
            state = project.api("GET", f"batches/{batch}")
            if state["state"] in STOPPED and not stopped_at:
                stopped_at.append((project.now - project.start) / 1e6)
                why.append(str(state["why"]))
            project.after(10, look)

        why: list[str] = []
        look()
        project.run(LONGEST_S, over)
        started = sum(host.started for host in hosts)
        return {
            "percent": round(100 * started / UNITS, 3),
            "tasks_begun": started,
            "stopped_after_s": round(stopped_at[0]) if stopped_at else None,
            "why": why[0] if why else "it never stopped",
        }


def measure(options: Options) -> Measured:
    """The worst over seeds and speeds, with canaries; without them as a detail."""
    kinds = [(seed, FAST_S) for seed in range(options.seed, options.seed + SEEDS)]
    runs = [
        {"seed": seed, "fails_after_s": list(took), **wasted(seed, took, canary=True)}
        for seed, took in (*kinds, (options.seed, SLOW_S))
    ]
    bare = wasted(options.seed, FAST_S, canary=False)
    shares = [float(str(run["percent"])) for run in runs]
    return Measured(
        max(shares),
        {
            "units": UNITS,
            "hosts": HOSTS,
            "cores": CORES,
            "median_percent": statistics.median(shares),
            "runs": runs,
            "without_canaries": bare,
            "in_flight_percent": 100 * HOSTS * CORES / UNITS,
        },
    )


FIGURES = (
    Figure(
        name="brake-waste",
        what=f"of {UNITS:,} units that all fail on {HOSTS} hosts, tasks begun before it stops",
        unit="%",
        bar=1.0,
        better="lower",
        measure=measure,
    ),
)
