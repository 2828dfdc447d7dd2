"""Hosts that are drawn have the averages that were published."""

from random import Random
from statistics import fmean

import pytest

from idlegrid_server.whatif.behaviour import HONEST, RIGHT, Behaviour
from idlegrid_server.whatif.population import (
    ALLOWED,
    EFFICIENCY,
    LIFE_S,
    RUNS,
    Crowd,
    Published,
    Resembling,
    Traits,
)

DRAWN = 20_000


@pytest.fixture(scope="module")
def hosts() -> list[Traits]:
    rng = Random(1)
    population = Published(Crowd(((0.1, Behaviour("liar", 0.5)), (0.05, Behaviour("ghost")))))
    return [population.draw(rng) for _ in range(DRAWN)]


def test_the_means_are_those_of_the_literature(hosts: list[Traits]) -> None:
    assert fmean(h.available for h in hosts) == pytest.approx(RUNS * ALLOWED, rel=0.02)
    assert fmean(h.speed for h in hosts) == pytest.approx(EFFICIENCY, rel=0.02)
    assert fmean(h.cores for h in hosts) == pytest.approx(5.7, rel=0.04)
    assert fmean(h.life_s for h in hosts) == pytest.approx(LIFE_S, rel=0.03)
    assert fmean(h.error_rate for h in hosts) == pytest.approx(0.02, rel=0.1)
    assert fmean(not h.patterned for h in hosts) == pytest.approx(0.21, abs=0.01)


def test_errors_are_spread_many_hosts_nearly_never_err(hosts: list[Traits]) -> None:
    rates = sorted(h.error_rate for h in hosts)
    assert rates[DRAWN // 2] < 0.02 / 3
    assert rates[-DRAWN // 100] > 0.1


def test_a_crowd_has_the_shares_asked_for(hosts: list[Traits]) -> None:
    kinds = [h.behaviour.kind for h in hosts]
    assert kinds.count("liar") / DRAWN == pytest.approx(0.1, abs=0.01)
    assert kinds.count("ghost") / DRAWN == pytest.approx(0.05, abs=0.01)


def test_hosts_like_others_are_each_like_one_of_them() -> None:
    own = [Traits(speed=2.0, cores=3), Traits(speed=0.5, cores=1)]
    population, rng = Resembling(own), Random(2)
    drawn = [population.draw(rng) for _ in range(200)]
    assert {(h.speed, h.cores) for h in drawn} == {(2.0, 3), (0.5, 1)}
    assert len({h.life_s for h in drawn}) > 100, "they stay as long as hosts do, each its own time"


def test_a_ring_says_the_same_on_the_same_units_and_liars_do_not() -> None:
    rng = Random(3)
    ring, liar = Behaviour("ring", 0.3, ring=7), Behaviour("liar", 1.0)
    said = [(ring.answer(u, 1, 0, rng), ring.answer(u, 2, 50, rng)) for u in range(5_000)]
    assert all(one == other for one, other in said)
    assert fmean(one != RIGHT for one, _ in said) == pytest.approx(0.3, abs=0.03)
    assert liar.answer(1, 1, 0, rng) != liar.answer(1, 2, 0, rng)
    assert HONEST.answer(1, 1, 0, rng) == RIGHT


def test_a_sleeper_is_honest_at_first() -> None:
    rng = Random(4)
    sleeper = Behaviour("sleeper", 1.0, honest_for=10)
    assert [sleeper.answer(1, 1, done, rng) == RIGHT for done in (0, 9, 10, 11)] == [
        True,
        True,
        False,
        False,
    ]


def test_accidents_never_agree() -> None:
    rng = Random(5)
    flaky = Behaviour("flaky", 1.0)
    assert len({flaky.answer(1, 1, 0, rng) for _ in range(1_000)}) == 1_000
