"""What a seed is about: who takes part, what is computed, and what goes wrong how often.

Some features are off and others exaggerated, so that seeds differ in kind and not only in detail.
"""

import random
from dataclasses import dataclass
from typing import Literal

from idlegrid_shared.documents import Policy

Kind = Literal[
    "honest",
    "flaky",  # its runs fail now and then
    "liar",  # false results now and then, each for himself
    "burst",  # honest for a while, then nothing but lies for a while
    "ring",  # false results on the same units, and all of a ring say the same
    "ghost",  # gone for ever after a while
    "slow",  # takes many times as long, misses deadlines
    "double",  # a changed client: reports again what it reported
    "cheat",  # a changed client: reports two copies with the same lie
    "flood",  # a changed client: requests that are far too large
    "restored",  # its disk goes back to what it was
    "clock",  # its clock is wrong
]
ODD_KINDS: tuple[Kind, ...] = (
    *("flaky", "liar", "burst", "ring", "ghost", "slow"),
    *("double", "cheat", "flood", "restored", "clock"),
)
#: Who returns false results.
LYING: frozenset[Kind] = frozenset({"liar", "burst", "ring", "cheat"})
#: Whose client was changed: safety holds against them, but receipts are promised to others only.
TAMPERED: frozenset[Kind] = frozenset({"double", "cheat", "flood"})

#: The versions of the app that batches choose from, by their policy.
POLICIES: dict[str, Policy] = {
    "1": Policy(quorum=2, replicas=2, deadline_s=600, max_tasks=20, max_successes=8),
    "2": Policy(quorum=1, replicas=1, deadline_s=300, grace_s=60, max_tasks=20),
    "3": Policy(quorum=2, replicas=3, deadline_s=400, grace_s=30, max_tasks=20, max_errors=8),
    "4": Policy(quorum=3, replicas=3, deadline_s=900, max_tasks=25, max_successes=10),
    "5": Policy(quorum=2, replicas=2, deadline_s=200, max_tasks=6, max_errors=2, max_successes=4),
    "6": Policy(
        replication="credibility",
        error_max=0.05,
        assumed_bad=0.05,
        audit=0.3,
        finality=3,
        deadline_s=400,
        max_tasks=25,
        max_successes=12,
    ),
    "7": Policy(replication="adaptive", deadline_s=400, max_tasks=20, max_successes=8),
}
#: Of these versions the word of one host may be enough: batches are larger, so that it comes to it.
TRUSTING = frozenset({"6", "7"})
#: Of these versions hosts leave checkpoints, and others continue.
MIGRATING = frozenset({"3", "5"})
Distinct = tuple[Literal["host", "account", "subnet"], ...]


@dataclass(frozen=True)
class Faults:
    """Probabilities, and mean times in seconds between kills (0 = never)."""

    drop_request: float = 0.0
    drop_reply: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.05  # mean of each way
    reorder: float = 0.0  # share of messages that take up to a minute
    transfer: float = 0.0  # downloads and uploads that break, before, amid or after the bytes
    tamper: float = 0.0  # replies in which somebody on the way changed what is signed or hashed
    lost_wake: float = 0.0
    double_wake: float = 0.0
    busy: float = 0.0  # commands that find the database locked
    full: float = 0.0  # writes for which the server's disk has no room
    client_full: float = 0.0  # the same of a client's
    interleave: float = 0.0  # passes between whose plan and commit other things happen
    server_kill_s: float = 0.0
    client_kill_s: float = 0.0
    clock_jump_s: float = 0.0


CALM = Faults()


@dataclass(frozen=True)
class BatchMix:
    """One batch."""

    version: str
    units: int
    large: bool  # outputs that do not fit into a report
    on_failure: dict[str, object]
    combine: bool
    at_s: float
    fate: Literal["none", "cancel", "pause"]
    fate_at_s: float


@dataclass(frozen=True)
class Mix:
    """All that is drawn before anything happens."""

    hosts: tuple[Kind, ...]
    shared_subnet: bool  # two of the hosts live in one subnet
    distinct: Distinct
    batches: tuple[BatchMix, ...]
    faults: Faults
    fault_time_s: float
    task_s: float  # mean time that a task computes
    sweep_s: float
    vouched: bool = False  # hosts that do not lie count as proven from the start
    traits: bool = False  # hosts are as fast, and as often off, as those of the literature

    def __str__(self) -> str:
        """One line for a failure's report."""
        batches = "; ".join(
            f"{b.units} units v{b.version}{' large' if b.large else ''}"
            f"{' combine' if b.combine else ''} {b.fate}"
            for b in self.batches
        )
        return f"hosts {', '.join(self.hosts)} | {batches} | {self.faults}"


def draw_mix(rng: random.Random) -> Mix:
    """The mix of a seed; draws from ``rng`` only."""
    odd = rng.choices(_some_kinds(rng), k=rng.randint(0, 4))
    hosts: tuple[Kind, ...] = (*("honest" for _ in range(rng.randint(4, 5))), *odd)
    distinct: Distinct = ("host",) if rng.random() < 0.3 else ("host", "account", "subnet")
    return Mix(
        hosts=hosts,
        shared_subnet=rng.random() < 0.3,
        distinct=distinct,
        batches=tuple(_draw_batch(rng, i) for i in range(rng.choice((1, 1, 2)))),
        faults=_draw_faults(rng),
        fault_time_s=rng.uniform(300, 1000),
        task_s=rng.choice((10.0, 40.0, 90.0)),
        sweep_s=rng.choice((5.0, 20.0)),
        vouched=rng.random() < 0.5,
        traits=rng.random() < 0.4,
    )


def _some_kinds(rng: random.Random) -> tuple[Kind, ...]:
    """Of all adversaries some; one seed in five has a single kind, several of it."""
    most = 1 if rng.random() < 0.2 else len(ODD_KINDS)
    return tuple(rng.sample(ODD_KINDS, rng.randint(1, most)))


def _draw_batch(rng: random.Random, place: int) -> BatchMix:
    failure = rng.choice(
        (
            {"mode": "stop"},
            {"mode": "skip"},
            {"mode": "skip", "max_units": 2},
            {"mode": "skip", "max_share": 0.5},
        )
    )
    version = rng.choice(tuple(POLICIES))
    return BatchMix(
        version=version,
        units=rng.randint(2, 24 if version in TRUSTING else 12),
        large=rng.random() < 0.25,
        on_failure=failure,
        combine=rng.random() < 0.08,
        at_s=place * rng.uniform(0, 300),
        fate=rng.choices(("none", "cancel", "pause"), (6, 1, 2))[0],
        fate_at_s=rng.uniform(30, 600),
    )


def _draw_faults(rng: random.Random) -> Faults:
    """Most faults are off in most seeds, so that each also meets the others' absence."""
    off = rng.choice((0.2, 0.5, 0.8))

    def some(high: float) -> float:
        return 0.0 if rng.random() < off else rng.uniform(0.02, high)

    def between(low: float, high: float) -> float:
        return 0.0 if rng.random() < off else rng.uniform(low, high)

    return Faults(
        drop_request=some(0.3),
        drop_reply=some(0.4),
        duplicate=some(0.4),
        delay_s=rng.choice((0.01, 0.2, 3.0)),
        reorder=some(0.3),
        transfer=some(0.4),
        tamper=some(0.2),
        lost_wake=some(1.0),
        double_wake=some(0.5),
        interleave=some(0.7),
        busy=some(0.1),
        full=some(0.1),
        client_full=some(0.2),
        server_kill_s=between(20, 200),
        client_kill_s=between(20, 200),
        clock_jump_s=between(60, 400),
    )
