"""Units that one host's word decides: the engine follows every rule of trust of production."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_server.domain.model import TaskSnapshot, UnitPlan
from idlegrid_server.domain.trust import is_proven
from idlegrid_server.whatif.behaviour import Behaviour
from idlegrid_server.whatif.grid import US, Grid, Observer, Settings
from idlegrid_server.whatif.machine import Machine
from idlegrid_server.whatif.outcome import Outcome
from idlegrid_server.whatif.population import Crowd, Published, Traits, Uniform
from idlegrid_server.whatif.work import Batch, Unit
from idlegrid_shared.documents import Policy, Replication

from .test_grid import ODD, add_up

LAX = {"error_max": 0.01, "assumed_bad": 0.05, "finality": 4}


class Watch(Observer):
    """Whose word is taken, and when."""

    def __init__(self) -> None:
        self.grid: Grid
        self.held = 0
        self.final = 0
        self.reopened = 0

    def sent(self, host: Machine, unit: Unit, task: TaskSnapshot, now: float) -> None:
        assert host.state not in ("quarantined", "banned"), "work for a host that is shut out"

    def decided(self, unit: Unit, plan: UnitPlan, now: float) -> None:
        standings, policy = self.grid.standings, self.grid.batch.policy
        for step in plan.steps:
            if step.state == "provisional":
                self.held += 1
                assert plan.hold is not None
                host = self.grid.hosts.get(plan.hold.host_id)
                known = standings.of(plan.hold.host_id, host, round(now * US))
                assert is_proven(known, policy), "the word of an unproven host was taken alone"
            self.final += step.reason == "final"
            self.reopened += step.reason in ("host_caught", "audit_differs")

    def ended(self, unit: Unit, wrong: bool, now: float) -> None:
        if unit.state == "assimilated":
            valid = sum(task.verdict == "valid" for task in unit.tasks)
            assert valid >= 1
            assert valid >= 2 or unit.reason in ("indexed",), "one voice, and nobody believes it"


def life(
    crowd: Crowd,
    units: int,
    hosts: int,
    seed: int = 1,
    replication: Replication = "credibility",
    **policy: float,
) -> tuple[Grid, Watch, Outcome]:
    rules = {"assumed_bad": 0.02, **policy}
    watch = Watch()
    grid = Grid(
        Batch(units, 3_600.0, Policy(replication=replication, deadline_s=86_400, **rules)),  # type: ignore[arg-type]
        Uniform(Traits(), crowd),
        Settings(hosts),
        seed=seed,
        observer=watch,
    )
    watch.grid = grid
    return grid, watch, grid.run()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    hosts=st.integers(8, 40),
    units=st.integers(1, 300),
    replication=st.sampled_from(("credibility", "adaptive")),
)
def test_whoever_takes_part_every_unit_ends(
    seed: int, hosts: int, units: int, replication: Replication
) -> None:
    policy = Policy(replication=replication, max_tasks=30, max_successes=20, max_errors=8, **LAX)  # type: ignore[arg-type]
    watch = Watch()
    grid = Grid(
        Batch(units, 3_600.0, policy),
        Published(Crowd(ODD)),
        Settings(hosts),
        seed=seed,
        observer=watch,
    )
    watch.grid = grid
    told = grid.run()
    assert told.ended == units
    assert add_up(told) == told.sent
    assert not grid.standings.is_anything_held(), "what has ended waits for nobody"


def test_a_clean_fleet_costs_little_and_ever_less() -> None:
    """TRUST.md: at most 1.25 tasks a unit at 100 units a host, with an assumed share of 2 %."""
    costs = [life(Crowd(), hosts=40, units=40 * each)[2].tasks_per_unit for each in (20, 100, 200)]
    assert costs[1] <= 1.25
    assert costs[0] > costs[1] > costs[2] > 1.05, "some are audited always"


def test_a_clean_fleets_singles_become_final_before_the_batch_ends() -> None:
    _, watch, told = life(Crowd(), hosts=20, units=2_000)
    assert told.accepted == 2_000
    assert watch.held > 500
    assert watch.final > 0.8 * watch.held


def test_who_is_always_wrong_is_shut_out_and_never_believed() -> None:
    """A host of BOINC's issue 3061: every result is wrong, and it never reports an error."""
    grid, _, told = life(Crowd(((0.1, Behaviour("liar", 1.0)),)), hosts=40, units=2_000)
    assert told.wrong == 0
    bad = [h for h in grid.hosts.values() if h.traits.behaviour.kind == "liar"]
    assert bad
    assert all(h.state == "quarantined" for h in bad if h.n_bad)
    assert all(h.n_bad <= 8 * h.shut_out for h in bad), "a few verdicts are enough, each time"


def test_a_patient_liars_past_is_looked_at_again_once_it_is_caught() -> None:
    """Honest for 60 results, then nothing but lies: BOINC lets nearly half of them stand."""
    patient = Behaviour("sleeper", 1.0, ring=1, honest_for=60)
    grid, watch, told = life(Crowd(((0.05, patient),)), hosts=40, units=8_000, seed=3)
    liars = [h for h in grid.hosts.values() if h.traits.behaviour.kind == "sleeper"]
    assert liars
    assert all(h.caught for h in liars)
    assert watch.reopened > 0
    lies = sum(h.done - 60 for h in liars)
    assert told.wrong <= 0.02 * lies


@pytest.mark.parametrize("replication", ["fixed", "credibility", "adaptive"])
def test_equal_seeds_are_equal_runs_under_every_policy(replication: Replication) -> None:
    crowd = Crowd(((0.1, Behaviour("ring", 0.5, ring=1, rejoins=True)),))
    one = life(crowd, 300, 20, replication=replication)[2]
    assert one == life(crowd, 300, 20, replication=replication)[2]


def test_who_rejoins_is_the_same_machine_under_a_new_name() -> None:
    crowd = Crowd(((0.2, Behaviour("ring", 1.0, ring=1, rejoins=True)),))
    grid, _, told = life(crowd, 2_000, 40, replication="fixed")
    deceived = sum(h.caught for h in grid.hosts.values() if h.traits.behaviour.kind == "honest")
    ring = sum(h.traits.behaviour.kind == "ring" for h in grid.hosts.values())
    assert told.caught - deceived > ring > 0
    assert told.hosts == 40 + told.caught - deceived, "whoever of it was caught came back"
