"""Volunteers' machines as they are, drawn from published figures.

Sources, as collected in BOINC.md part B:

- Anderson & Fedak, CCGrid 2006 (330,000 SETI@home hosts): the client runs 81 % of the time, may
  compute 84 % of that, with a CPU efficiency of 90 %; it is connected 83 % of the time it runs;
  a host stays about 91 days.
- Anderson, J. Grid Computing 18 (2020): about 700,000 devices with 4 million cores and 16.5 GFLOPS
  each on average, so 5.7 cores of 2.9 GFLOPS.
- Heien, Kondo & Anderson (2011/12), fitted on 2.7 million hosts: speeds are lognormal.
- Javadi, Kondo, Vincent & Anderson (2009/11): 21 % of 230,000 hosts come and go at random, the
  others by some pattern; a day's is taken here.
- Kondo et al. 2007: many hosts err at some time, each rarely; rates are spread over hosts.
- BOINC's wiki: about 5 % of tasks fail or time out in a healthy project; here errors are 2 %, and
  what is never reported comes from hosts that leave.

What these do not give is ours, and stands as a constant with "assumed" beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from .behaviour import HONEST, Behaviour

DAY_S = 86_400.0
RUNS = 0.81  # share of time that the client runs
ALLOWED = 0.84  # of that: may compute
EFFICIENCY = 0.90  # of the processor while it may
CONNECTED = 0.83  # of the time the client runs
LIFE_S = 91 * DAY_S  # mean
RANDOM_SHARE = 0.21  # of hosts, without any pattern
ERROR_MEAN = 0.02  # of tasks, besides those that time out

SPEED_SIGMA = 0.5  # of the logarithm; assumed
AVAILABLE_SHAPE = 2.5  # sum of the Beta's two parameters: few hosts are at the mean; assumed
ERROR_SHAPE = 0.3  # first parameter of the Beta of errors: most hosts nearly never err; assumed
CYCLE_S = 10 * 3_600.0  # mean time on and off together, of hosts without a pattern; assumed
OFFLINE_S = 2 * 3_600.0  # mean wait for a connection where there is none; assumed
#: Cores and how many of a hundred hosts have them: a mean of 5.8; the spread is assumed.
CORES = ((1, 4), (2, 20), (4, 38), (6, 10), (8, 18), (12, 4), (16, 4), (32, 2))


@dataclass(frozen=True, slots=True)
class Traits:
    """One machine. ``speed``: of a core, where 1 is the mean (2.9 GFLOPS) at full efficiency."""

    speed: float = 1.0
    cores: int = 1
    available: float = 1.0  # share of time that it computes
    patterned: bool = False  # every day at about the same hours; otherwise at random
    error_rate: float = 0.0  # of its tasks
    life_s: float = math.inf  # from now on
    offline: float = 0.0  # chance that a finished task waits for a connection
    account: int | None = None  # None: nobody's
    subnet: str = ""  # "": one of its own
    house: bool = False  # enrolled with an admin's token
    behaviour: Behaviour = HONEST


class Population(Protocol):
    """Where hosts come from."""

    def draw(self, rng: Random) -> Traits:
        """One host more."""


@dataclass(frozen=True)
class Crowd:
    """Who is not honest: share of hosts → what they do. The rest is honest."""

    odd: tuple[tuple[float, Behaviour], ...] = ()

    def draw(self, rng: Random) -> Behaviour:
        """One host's behaviour."""
        point = rng.random()
        for share, behaviour in self.odd:
            if point < share:
                return behaviour
            point -= share
        return HONEST


@dataclass(frozen=True)
class Published:
    """Hosts as the literature has them; see the head of this module."""

    crowd: Crowd = Crowd()
    life_s: float = LIFE_S
    error_mean: float = ERROR_MEAN

    def draw(self, rng: Random) -> Traits:
        """One host more."""
        behaviour = self.crowd.draw(rng)
        life = rng.expovariate(1 / self.life_s) if math.isfinite(self.life_s) else math.inf
        return Traits(
            speed=EFFICIENCY * rng.lognormvariate(-(SPEED_SIGMA**2) / 2, SPEED_SIGMA),
            cores=draw_cores(rng),
            available=_beta(rng, RUNS * ALLOWED, AVAILABLE_SHAPE),
            patterned=rng.random() >= RANDOM_SHARE,
            error_rate=_beta(rng, self.error_mean, ERROR_SHAPE / max(self.error_mean, 1e-9)),
            life_s=life if behaviour.stays_s is None else rng.expovariate(1 / behaviour.stays_s),
            offline=1 - CONNECTED,
            behaviour=behaviour,
        )


@dataclass(frozen=True)
class Uniform:
    """Hosts that are all alike but for their behaviour: for questions about trust alone."""

    traits: Traits = Traits()
    crowd: Crowd = Crowd()
    _plain: dict[Behaviour, Traits] = field(default_factory=dict, repr=False, compare=False)

    def draw(self, rng: Random) -> Traits:
        """One host more."""
        behaviour = self.crowd.draw(rng)
        if behaviour not in self._plain:
            self._plain[behaviour] = _with(self.traits, behaviour)
        return self._plain[behaviour]


@dataclass(frozen=True)
class Resembling:
    """Hosts like those of a list, each as often as it stands there; they stay as published."""

    hosts: Sequence[Traits]
    crowd: Crowd = Crowd()

    def draw(self, rng: Random) -> Traits:
        """One host more."""
        like = self.hosts[rng.randrange(len(self.hosts))]
        return _with(like, self.crowd.draw(rng), rng.expovariate(1 / LIFE_S))


def _with(traits: Traits, behaviour: Behaviour, life_s: float | None = None) -> Traits:
    return Traits(
        speed=traits.speed,
        cores=traits.cores,
        available=traits.available,
        patterned=traits.patterned,
        error_rate=traits.error_rate,
        life_s=traits.life_s if life_s is None else life_s,
        offline=traits.offline,
        account=traits.account,
        subnet=traits.subnet,
        house=traits.house,
        behaviour=behaviour,
    )


def draw_cores(rng: Random) -> int:
    """Cores of one machine."""
    point = rng.randrange(sum(weight for _, weight in CORES))
    for cores, weight in CORES:
        if point < weight:
            return cores
        point -= weight
    raise AssertionError("the weights were exhausted")


def _beta(rng: Random, mean: float, shape: float) -> float:
    """A share with this mean; ``shape`` is the sum of the Beta distribution's parameters."""
    if mean <= 0 or mean >= 1:
        return min(1.0, max(0.0, mean))
    return rng.betavariate(mean * shape, (1 - mean) * shape)
