"""The automatic brake: a batch that fails everywhere pauses itself, and says which error where.

"Everywhere" is a statement about hosts, not about tasks. One broken host can fail a thousand tasks
while a hundred others still compute, and a program that fails does so sooner than one that works.
So of the newest errors:

1. A host's word counts once for each unit that it failed, at most ``CAP_PER_HOST`` times; an error
   of the host's own making (its disk, its network) counts once in all.
2. Against them stand the results that came meanwhile, and every host that has held a task more
   than twice as long as it took the others to fail.
3. The brake is pulled if so few good signs would be rarer than one in a thousand were the chance
   of each sign even (the sign test: a binomial tail at one half), and at least ``HOSTS_MIN``
   hosts failed; or if ``SOLO_ERRORS`` units failed on the only host that works on the batch.

With none in favour ten signs suffice: ten hosts with one unit each, or two with five.
"""

from collections.abc import Sequence
from math import comb
from statistics import median

from .model import ErrorSeen, Holder, PulseSeen, Value
from .reason import APP_ERRORS, TASK

WINDOW = 200  # the newest errors that are looked at
CAP_PER_HOST = 5
HOSTS_MIN = 2
SOLO_ERRORS = 20
RARE_ONE_IN = 1_000
PATIENCE = 2  # how many times the time that failing takes a host must last to count as well


class Cause(Value, frozen=True):
    """One kind of error: on how many hosts and units."""

    reason: str
    hosts: int
    units: int


class Brake(Value, frozen=True):
    """Why a batch is to pause: ``hosts`` failed on ``units``, against ``good`` signs."""

    hosts: int
    units: int
    good: int
    causes: tuple[Cause, ...]

    @property
    def text(self) -> str:
        """The reason as it is stored: a code and the finding in plain words."""
        first = self.causes[0]
        hosts = "1 computer" if self.hosts == 1 else f"{self.hosts} different computers"
        units = "1 work unit" if self.units == 1 else f"{self.units} work units"
        more = f", and {len(self.causes) - 1} other kinds of error" if len(self.causes) > 1 else ""
        words = TASK.get(first.reason, "").rstrip(".")
        words = f" ({words[:1].lower()}{words[1:]})" if words else ""
        return (
            f"brake: {units} failed on {hosts}: {first.reason}{words} on {first.hosts} of them"
            f"{more}"
        )


def decide_brake(
    errors: Sequence[ErrorSeen], pulses: Sequence[PulseSeen], holders: Sequence[Holder]
) -> Brake | None:
    """Whether a stage fails everywhere. Pure.

    ``errors`` since the batch was last let go, ``pulses`` of the same time, ``holders``: hosts that
    have tasks of it now. Several windows are tried, so that a long good past does not hide that
    everything fails of late.
    """
    newest = sorted(errors, key=lambda error: (error.at, error.task_id), reverse=True)[:WINDOW]
    sizes = sorted({min(len(newest), size) for size in (10, 20, 50, 100, WINDOW)})
    for size in reversed(sizes):
        found = _judge(newest[:size], pulses, holders) if size else None
        if found is not None:
            return found
    return None


def _judge(
    window: Sequence[ErrorSeen], pulses: Sequence[PulseSeen], holders: Sequence[Holder]
) -> Brake | None:
    failing = {error.host_id for error in window}
    units = {error.unit_id for error in window}
    since = min(error.at for error in window)
    results = _results_since(pulses, since)
    patient = PATIENCE * median(error.took_us for error in window)
    others = [holder for holder in holders if holder.host_id not in failing]
    good = results + sum(1 for holder in others if holder.held_us > patient)
    brake = Brake(len(failing), len(units), good, _causes(window))
    if len(failing) < HOSTS_MIN:
        alone = not others and results == 0
        return brake if alone and len(units) >= SOLO_ERRORS else None
    return brake if is_rare(good, _weight(window)) else None


def _weight(window: Sequence[ErrorSeen]) -> int:
    """Signs of failure: each host's units, capped."""
    own: dict[int, set[int]] = {}
    for error in window:
        unit = error.unit_id if error.reason in APP_ERRORS else -1
        own.setdefault(error.host_id, set()).add(unit)
    return sum(min(CAP_PER_HOST, len(units)) for units in own.values())


def _results_since(pulses: Sequence[PulseSeen], since: int) -> int:
    """Results in the pulses that may reach beyond ``since``: rather too many than too few."""
    before = [pulse.at for pulse in pulses if pulse.at <= since]
    first = max(before, default=since)
    return sum(pulse.results for pulse in pulses if pulse.at >= first)


def is_rare(good: int, bad: int) -> bool:
    """Whether at most ``good`` of ``good + bad`` even chances would come up with less than one in
    ``RARE_ONE_IN``."""
    if good >= bad:
        return False
    total = good + bad
    tail = sum(comb(total, k) for k in range(good + 1))
    return tail * RARE_ONE_IN < 1 << total


def _causes(window: Sequence[ErrorSeen]) -> tuple[Cause, ...]:
    found: dict[str, tuple[set[int], set[int]]] = {}
    for error in window:
        hosts, units = found.setdefault(error.reason, (set(), set()))
        hosts.add(error.host_id)
        units.add(error.unit_id)
    causes = [Cause(reason, len(hosts), len(units)) for reason, (hosts, units) in found.items()]
    return tuple(sorted(causes, key=lambda cause: (-cause.hosts, -cause.units, cause.reason)))
