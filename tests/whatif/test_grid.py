"""The engine keeps the rules of production, whoever takes part; and its counts add up."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_server.domain.matching import LIVE, clashes
from idlegrid_server.domain.model import HostState, Peer, TaskSnapshot, UnitPlan
from idlegrid_server.whatif.behaviour import Behaviour
from idlegrid_server.whatif.grid import US, Grid, Observer, Settings
from idlegrid_server.whatif.machine import Machine
from idlegrid_server.whatif.outcome import Outcome
from idlegrid_server.whatif.population import Crowd, Population, Published, Traits, Uniform
from idlegrid_server.whatif.rules import Rules
from idlegrid_server.whatif.work import Batch, Unit
from idlegrid_shared.documents import Policy

ODD = (
    (0.1, Behaviour("liar", 0.5, rejoins=True)),
    (0.1, Behaviour("ring", 0.5, ring=1)),
    (0.1, Behaviour("flaky", 0.3)),
    (0.1, Behaviour("ghost", stays_s=20_000.0)),
    (0.05, Behaviour("sleeper", 1.0, ring=1, honest_for=3)),
)


class Watch(Observer):
    """Looks at every step for what must hold."""

    def __init__(self, grace_s: int) -> None:
        self.grid: Grid
        self.grace_s = grace_s
        self.ends: Counter[int] = Counter()

    def sent(self, host: Machine, unit: Unit, task: TaskSnapshot, now: float) -> None:
        assert host.in_progress <= host.tasks_max, "a host has more than its cap"
        others = [
            Peer(t.state, t.host_id, t.account_id, t.subnet) for t in unit.tasks if t.n != task.n
        ]
        mine = Peer("unsent", host.id, host.account, host.subnet)
        assert not clashes(mine, others, self.grid.rules.distinct), "two copies in the same hands"

    def decided(self, unit: Unit, plan: UnitPlan, now: float) -> None:
        late = [
            t
            for t in unit.tasks
            if t.state == "in_progress"
            and t.deadline_at is not None
            and t.deadline_at + self.grace_s * US < round(now * US)
        ]
        assert not late, "a task is in progress after its deadline and grace"
        assert unit.unsent == sum(t.state == "unsent" for t in unit.tasks)

    def ended(self, unit: Unit, wrong: bool, now: float) -> None:
        self.ends[unit.id] += 1
        if unit.state == "assimilated":
            agreed = [t for t in unit.tasks if t.verdict == "valid"]
            hosts = {t.host_id for t in agreed}
            assert len(hosts) >= self.grid.batch.policy.quorum, "accepted without its quorum"
            assert {t.manifest for t in agreed} == {unit.canonical_manifest}


def add_up(told: Outcome) -> int:
    return told.valid + told.invalid + told.undecided + told.errors + told.timed_out + told.out


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    hosts=st.integers(6, 40),
    units=st.integers(1, 150),
    quorum=st.integers(1, 3),
    extra=st.integers(0, 1),
    deadline_h=st.sampled_from((3, 12, 48)),
    grace_s=st.sampled_from((0, 900)),
)
def test_any_grid_keeps_the_rules_and_ends(
    seed: int, hosts: int, units: int, quorum: int, extra: int, deadline_h: int, grace_s: int
) -> None:
    policy = Policy(
        quorum=quorum,
        replicas=quorum + extra,
        max_tasks=30,
        max_successes=12,
        max_errors=8,
        deadline_s=deadline_h * 3_600,
        grace_s=grace_s,
    )
    watch = Watch(grace_s)
    grid = Grid(
        Batch(units, 3_600.0, policy),
        Published(Crowd(ODD)),
        Settings(hosts),
        seed=seed,
        observer=watch,
    )
    watch.grid = grid
    told = grid.run()
    assert told.ended == units == len(told.finished_s), "every unit ends"
    assert add_up(told) == told.sent, "every task that was sent ended somehow, or is still out"
    assert set(watch.ends) == set(range(units))
    assert 0 <= told.surplus <= told.valid
    for host in grid.hosts.values():
        mine = [t for u in grid.queue.open.values() for t in u.tasks if t.host_id == host.id]
        assert host.in_progress == sum(t.state == "in_progress" for t in mine)
    assert grid.queue.unsent == sum(u.unsent for u in grid.queue.open.values())
    assert (
        not {t.state for u in grid.queue.open.values() for t in u.tasks}
        - LIVE
        - {
            "error",
            "timed_out",
            "unneeded",
        }
    )


def small(population: Population, seed: int = 1, units: int = 3_000, **policy: int) -> Outcome:
    batch = Batch(units, 3_600.0, Policy(deadline_s=86_400, **policy))
    return Grid(batch, population, Settings(200), seed=seed).run()


def test_equal_seeds_are_equal_runs() -> None:
    one, other = small(Published(Crowd(ODD)), units=300), small(Published(Crowd(ODD)), units=300)
    assert one == other
    assert one != small(Published(Crowd(ODD)), seed=2, units=300)


class Forgiving(Rules):
    """Nobody is ever slowed down or shut out."""

    def next_limit(self, limit: int, cores: int, valid: int, bad: int) -> int:
        return limit

    def next_standing(
        self, state: HostState, passed: float, failed: float
    ) -> tuple[HostState, str] | None:
        return None


def test_a_ring_deceives_a_quorum_as_often_as_the_theory_of_voting_says() -> None:
    """Sarmenta's first-to-m voting, where all liars agree: 3φ² − 2φ³ for m = 2."""
    share = 0.1
    crowd = Crowd(((share, Behaviour("ring", 1.0, ring=1)),))
    batch = Batch(3_000, 3_600.0, Policy(deadline_s=86_400))
    told = [
        Grid(batch, Uniform(Traits(), crowd), Settings(200), seed=seed, rules=Forgiving()).run()
        for seed in range(4)
    ]
    wrong = sum(t.wrong for t in told) / sum(t.accepted for t in told)
    assert wrong == pytest.approx(3 * share**2 - 2 * share**3, rel=0.35)


def test_liars_who_do_not_agree_deceive_nobody_but_cost_tasks() -> None:
    crowd = Crowd(((0.1, Behaviour("liar", 1.0)),))
    batch = Batch(3_000, 3_600.0, Policy(deadline_s=86_400))
    told = Grid(batch, Uniform(Traits(), crowd), Settings(200), seed=1, rules=Forgiving()).run()
    assert told.wrong == 0
    assert told.invalid > 100
    assert told.tasks_per_unit > 2.05


def test_who_is_always_wrong_is_soon_given_little() -> None:
    """Each invalid result halves the cap, so that lies do not eat the batch."""
    told = small(Uniform(Traits(cores=8), Crowd(((0.05, Behaviour("liar", 1.0)),))))
    assert told.invalid < 0.05 * told.sent


def test_hosts_that_leave_cost_a_deadline_and_no_unit() -> None:
    told = small(Uniform(Traits(life_s=40_000.0)), units=2_000)
    assert told.accepted == 2_000
    assert told.timed_out > 0
    assert told.hosts > 200, "who left was replaced"


def test_a_fleet_too_slow_for_the_deadline_is_told_as_such() -> None:
    told = small(Uniform(Traits(speed=0.01)), units=20, max_tasks=4)
    assert told.failed == 20
    assert told.accepted == 0


def test_only_what_is_open_is_kept() -> None:
    grid = Grid(Batch(5_000, 3_600.0, Policy()), Uniform(Traits(cores=2)), Settings(50), seed=1)
    most = 0
    grid._join(0.0)
    for _ in range(50):
        grid._join(grid.rng.random() * 100)
    while not grid.queue.is_over() and grid.step():
        most = max(most, len(grid.queue.open))
    assert most < 50 * 8, "units are forgotten as they end"
    assert len(grid._due) < 2 * most + 10_100
