"""How long a task will take on a host, with the spread of that, and how many it may have in time.

Ops of a stage's tasks, speeds of hosts and the lateness of their results are all positive and
skewed, so their logarithms are kept: as decayed sums, of which any number of samples changes each
in one addition. A run time is then ops divided by speed, and its spread adds up.
"""

import math
from collections.abc import Sequence

from .model import Value

KEEP = 31 / 32  # of what is known, with each new sample: a weight of 32 samples at most
PRIOR_WEIGHT = 2.0  # samples that what is known of all outweighs in what is known of one
VARIANCE_MIN = 0.01  # of logarithms: nothing is known better than to a tenth
QUANTILE = 1.2816  # of the normal distribution: nine of ten are done by then
REFERENCE_OPS_PER_S = 1e9  # what a second counts where a runtime counts no ops
US = 1_000_000


class Sums(Value, frozen=True):
    """Decayed sums over logarithms: of one, of the values, of their squares."""

    weight: float = 0.0
    total: float = 0.0
    square: float = 0.0


class Folded(Value, frozen=True):
    """What samples do to sums: multiply them by ``keep``, then add ``more``."""

    keep: float
    more: Sums


class Spread(Value, frozen=True):
    """A quantity whose logarithm is normally distributed."""

    mean: float
    variance: float

    @property
    def median(self) -> float:
        """As many lie above as below."""
        return math.exp(self.mean)


#: How much later than expected a result comes, of a host of which nothing is known: half as long
#: again, give or take a factor of two. Machines are switched off, and have other work.
LATENESS = Spread(math.log(1.5), math.log(2.0) ** 2)


def fold(samples: Sequence[float]) -> Folded:
    """What ``samples`` (each above 0), oldest first, do to the sums of a quantity."""
    weight = total = square = 0.0
    for sample in samples:
        value = math.log(sample)
        weight = weight * KEEP + 1.0
        total = total * KEEP + value
        square = square * KEEP + value * value
    return Folded(KEEP ** len(samples), Sums(weight, total, square))


def add(sums: Sums, folded: Folded) -> Sums:
    """The sums after :func:`fold`, as the store's statements compute them."""
    return Sums(
        sums.weight * folded.keep + folded.more.weight,
        sums.total * folded.keep + folded.more.total,
        sums.square * folded.keep + folded.more.square,
    )


def at_most_one(sums: Sums) -> Sums:
    """The same distribution, of no more weight than one sample: a first guess for something new."""
    if sums.weight <= 1:
        return sums
    return Sums(1.0, sums.total / sums.weight, sums.square / sums.weight)


def spread_of(sums: Sums, prior: Spread | None = None) -> Spread | None:
    """The distribution that samples came from; ``prior`` counts as some samples more.

    None if nothing is known at all.
    """
    weight, total, square = sums.weight, sums.total, sums.square
    if prior is not None:
        weight += PRIOR_WEIGHT
        total += PRIOR_WEIGHT * prior.mean
        square += PRIOR_WEIGHT * (prior.variance + prior.mean**2)
    if weight <= 0:
        return None
    mean = total / weight
    return Spread(mean, max(VARIANCE_MIN, square / weight - mean**2))


def work_of(ops: int, elapsed_us: int) -> int:
    """The ops of a result; where its runtime counts none, the time it took at a reference speed."""
    return ops if ops > 0 else round(elapsed_us * REFERENCE_OPS_PER_S / US)


def speed_of(ops: int, elapsed_us: int, away_us: int) -> float | None:
    """Ops/s that a host showed by a result, None if it shows none.

    ``elapsed_us`` is the host's word, and no longer than the time that the task was away.
    """
    elapsed_us = min(elapsed_us, away_us)
    if elapsed_us <= 0:
        return None
    return max(1.0, work_of(ops, elapsed_us) * US / elapsed_us)


def lateness_of(away_us: int, expected_us: int) -> float:
    """How often as long a task was away as was expected, within a thousandfold."""
    return min(1000.0, max(0.001, max(1, away_us) / max(1, expected_us)))


def run_time(ops: Spread | None, speed: Spread | None) -> Spread | None:
    """Seconds that a task of such ops takes at such a speed; None if one of them is not known."""
    if ops is None or speed is None:
        return None
    return Spread(ops.mean - speed.mean, ops.variance + speed.variance)


class Queue(Value, frozen=True):
    """What a host has to do already: how many tasks, how long they will run in all, its cores."""

    tasks: int
    run_s: float
    cores: int

    def with_tasks(self, count: int, run_s: float) -> "Queue":
        """The queue with ``count`` tasks more, of ``run_s`` each."""
        return Queue(self.tasks + count, self.run_s + count * run_s, self.cores)

    def done_s(self, count: int, run_s: float) -> float:
        """When the last of ``count`` tasks more is expected to be done, from now.

        A task that finds a core free starts at once. What is under way counts as not begun.
        """
        if self.tasks + count <= self.cores:
            return run_s
        return max(run_s, (self.run_s + count * run_s) / self.cores)


def done_by_s(expected_s: float, run: Spread, lateness: Spread) -> float:
    """By when nine of ten are done of those that are expected after ``expected_s``."""
    spread = math.sqrt(run.variance + lateness.variance)
    return expected_s * math.exp(lateness.mean + QUANTILE * spread)


def feasible(queue: Queue, run: Spread | None, lateness: Spread, deadline_s: float) -> int | None:
    """How many tasks more a host will likely return in time; None = nothing speaks against any.

    A host with nothing to do may always have one: what it cannot do shows by trying, once.
    """
    if run is None:
        return None
    run_s = run.median
    time_s = deadline_s / done_by_s(1.0, run, lateness)  # the last must be expected by then
    count = 0
    if run_s <= time_s:
        free = max(0, queue.cores - queue.tasks)
        count = max(free, math.floor((time_s * queue.cores - queue.run_s) / run_s))
    return max(count, 1 if queue.tasks == 0 else 0)
