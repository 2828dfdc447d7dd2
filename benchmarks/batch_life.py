"""Batches of many kinds on hosts of many kinds, and what a project would know on the way.

Two worlds that share nothing but their form: one to tune the forecast on, one to judge it by.
"""

from dataclasses import dataclass
from random import Random

from idlegrid_server.domain.forecast import ForecastSnapshot
from idlegrid_server.domain.model import PulseSeen
from idlegrid_server.domain.pulse import slice_start
from idlegrid_server.whatif.grid import Grid, Observer, Settings
from idlegrid_server.whatif.population import Population, Traits, draw_cores
from idlegrid_server.whatif.work import Batch, Unit
from idlegrid_shared.documents import Policy

US = 1_000_000
DAY_S = 86_400.0
MOMENTS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.97)  # shares of a batch at which it is looked at
SLICES_READ = 400
SAMPLES_READ = 400


@dataclass(frozen=True)
class World:
    """Ranges that a batch and its hosts are drawn from, evenly (lengths by their logarithm)."""

    units: tuple[int, int]
    hosts: tuple[int, int]
    unit_s: tuple[float, float]
    spread: tuple[float, float]  # of unit lengths, sigma of the logarithm
    quorum: tuple[int, ...]
    speed_sigma: tuple[float, float]
    available: tuple[float, float]  # mean share of time
    shape: tuple[float, float]  # of the Beta distribution around it
    patterned: tuple[float, float]  # share of hosts with a daily pattern
    errors: tuple[float, float]
    life_days: tuple[float, float]
    join_s: tuple[float, float]


#: For tuning: whatever hosts may be like, evenly; wider than anybody has measured.
TUNING = World(
    units=(60, 2_500),
    hosts=(8, 250),
    unit_s=(120, 14_400),
    spread=(0.05, 0.9),
    quorum=(1, 2, 3),
    speed_sigma=(0.1, 0.8),
    available=(0.3, 0.98),
    shape=(1.2, 12.0),
    patterned=(0.0, 1.0),
    errors=(0.0, 0.08),
    life_days=(7, 250),
    join_s=(60, 14_400),
)
#: For judging: volunteers who do not stay, with uneven units.
RESTLESS = World(
    units=(80, 4_000),
    hosts=(10, 250),
    unit_s=(240, 10_800),
    spread=(0.05, 0.8),
    quorum=(1, 2, 3),
    speed_sigma=(0.15, 0.75),
    available=(0.4, 0.98),
    shape=(1.5, 10.0),
    patterned=(0.0, 0.9),
    errors=(0.0, 0.07),
    life_days=(8, 120),
    join_s=(60, 10_800),
)
#: For judging: the rooms of a school, on by day and all alike, with a machine or two that is slow.
SCHOOL = World(
    units=(100, 2_000),
    hosts=(20, 120),
    unit_s=(200, 3_000),
    spread=(0.0, 0.3),
    quorum=(2,),
    speed_sigma=(0.02, 0.12),
    available=(0.35, 0.6),
    shape=(20.0, 60.0),
    patterned=(1.0, 1.0),
    errors=(0.0, 0.01),
    life_days=(300, 2_000),
    join_s=(10, 600),
)
#: For judging: a handful of servers that never sleep.
SERVERS = World(
    units=(100, 3_000),
    hosts=(3, 12),
    unit_s=(60, 4_000),
    spread=(0.1, 1.0),
    quorum=(1, 2),
    speed_sigma=(0.05, 0.4),
    available=(0.98, 0.995),
    shape=(50.0, 100.0),
    patterned=(0.0, 0.2),
    errors=(0.0, 0.02),
    life_days=(300, 2_000),
    join_s=(1, 60),
)


@dataclass(frozen=True)
class Hosts:
    """A population of one draw of a world."""

    speed_sigma: float
    available: float
    shape: float
    patterned: float
    errors: float
    life_s: float

    def draw(self, rng: Random) -> Traits:
        """One host more."""
        share, shape = self.available, self.shape
        rate = self.errors
        return Traits(
            speed=rng.lognormvariate(-(self.speed_sigma**2) / 2, self.speed_sigma),
            cores=draw_cores(rng),
            available=rng.betavariate(share * shape, (1 - share) * shape),
            patterned=rng.random() < self.patterned,
            error_rate=rng.betavariate(0.3, 0.3 * (1 - rate) / rate) if rate > 1e-3 else 0.0,
            life_s=rng.expovariate(1 / self.life_s),
            offline=0.1,
        )


@dataclass(frozen=True)
class Moment:
    """What was known when so much was done, and how long it then took (µs)."""

    share: float
    seen: ForecastSnapshot
    rest: int


class Watch(Observer):
    """Notes at each moment what a project would read from its tables."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.grid: Grid | None = None
        self.ended_units = 0
        self.slices: dict[int, list[int]] = {}
        self.seen: list[tuple[float, ForecastSnapshot]] = []
        self.waiting = list(MOMENTS)

    def ended(self, unit: Unit, wrong: bool, now: float) -> None:
        """One unit more."""
        del unit, wrong
        self.ended_units += 1
        at = round(now * US)
        self.slices.setdefault(slice_start(at, 0), [0])[0] += 1
        if self.waiting and self.ended_units >= self.waiting[0] * self.units:
            share = self.waiting.pop(0)
            while self.waiting and self.ended_units >= self.waiting[0] * self.units:
                share = self.waiting.pop(0)
            if self.ended_units < self.units:
                self.seen.append((share, self._look(at)))

    def _look(self, now: int) -> ForecastSnapshot:
        assert self.grid is not None
        slices = sorted(self.slices.items())[-SLICES_READ:]
        return ForecastSnapshot(
            now=now,
            since=0,
            expected=self.units,
            ended=self.ended_units,
            fresh=self.units - self.grid.queue.fresh,
            pulses=tuple(PulseSeen(at, ended=count[0]) for at, count in slices),
            turnarounds=tuple(list(self.grid.ending.turnarounds)[-SAMPLES_READ:]),
        )


def live(world: World, seed: int, population: Population | None = None) -> list[Moment]:
    """One batch from start to end; empty if it does not end within a year.

    Its hosts are of ``population``, or such as the world draws.
    """
    rng = Random(f"{seed}")

    def even(limits: tuple[float, float]) -> float:
        return rng.uniform(*limits)

    def wide(limits: tuple[float, float]) -> float:
        return limits[0] * (limits[1] / limits[0]) ** rng.random()

    units = round(wide(world.units))
    hosts = round(wide(world.hosts))
    quorum = rng.choice(world.quorum)
    batch = Batch(
        units,
        wide(world.unit_s),
        Policy(quorum=quorum, replicas=quorum, deadline_s=round(2 * DAY_S)),
        even(world.spread),
    )
    drawn = Hosts(
        speed_sigma=even(world.speed_sigma),
        available=even(world.available),
        shape=even(world.shape),
        patterned=even(world.patterned),
        errors=even(world.errors),
        life_s=wide(world.life_days) * DAY_S,
    )
    watch = Watch(units)
    settings = Settings(hosts=hosts, join_s=wide(world.join_s))
    watch.grid = Grid(batch, population or drawn, settings, seed=seed, observer=watch)
    outcome = watch.grid.run()
    end = round(outcome.makespan_s * US) if outcome.ended >= units else None
    if end is None:
        return []
    return [Moment(share, seen, end - seen.now) for share, seen in watch.seen]
