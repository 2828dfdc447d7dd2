"""What checks come to: never more than was passed, gone with one that failed, less with time."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.finish import HeldUnit, audits_at_end
from idlegrid_server.domain.model import Check
from idlegrid_server.domain.reputation import (
    Crowd,
    Reputation,
    add_check,
    fade,
    fleet,
    standing,
)
from idlegrid_server.domain.trust import HALF_LIFE_US, checks_to_start
from idlegrid_shared.documents import Policy

T0 = 1_700_000_000_000_000
CHECKS = st.lists(
    st.tuples(
        st.builds(
            Check,
            host_id=st.just(1),
            passed=st.booleans(),
            earns=st.booleans(),
            weight=st.floats(0.001, 1.0),
        ),
        st.integers(0, HALF_LIFE_US),
    ),
    max_size=60,
)


@given(CHECKS)
def test_trust_is_never_more_than_the_checks_passed_since_the_last_that_failed(
    checks: list[tuple[Check, int]],
) -> None:
    now, since, reputation = T0, 0.0, Reputation(1, "x", faded_at=T0)
    passed = failed = in_row = 0
    for check, pause in checks:
        now += pause
        before = reputation
        reputation = add_check(reputation, check, now)
        if check.passed:
            since += check.weight if check.earns else 0.0
            passed, in_row = passed + 1, in_row + 1
        else:
            since, in_row, failed = 0.0, 0, failed + 1
            assert reputation.passed == 0.0
            assert reputation.caught_at == now
        assert 0.0 <= reputation.passed <= since + 1e-9
        assert 0.0 <= reputation.failed <= failed
        assert reputation.checks >= before.checks
        assert reputation.faded_at == now
    assert (reputation.checks, reputation.n_failed) == (passed, failed)
    assert reputation.streak == in_row
    assert (reputation.caught_at is not None) == (failed > 0)


@given(st.floats(0, 1000), st.floats(0, 10), st.integers(0, 10 * HALF_LIFE_US))
def test_fading_halves_by_its_half_life_and_twice_is_once(
    passed: float, failed: float, age: int
) -> None:
    reputation = Reputation(1, "x", passed=passed, failed=failed, faded_at=T0)
    whole = fade(reputation, T0 + age)
    halves = fade(fade(reputation, T0 + age // 2), T0 + age)
    assert whole.passed == pytest.approx(halves.passed)
    assert whole.passed == pytest.approx(passed * 0.5 ** (age / HALF_LIFE_US))
    assert fade(reputation, T0 - age) == reputation  # a clock that was set back gives nothing


def test_a_hosts_standing_joins_trust_with_the_finality_of_the_app() -> None:
    trust = Reputation(7, "engine", passed=8.0, failed=1.0, faded_at=T0, streak=3, caught_at=5)
    app = Reputation(7, "a:1", checks=21)
    found = standing(7, "trusted", False, trust, app, T0 + HALF_LIFE_US)
    assert (found.passed, found.failed) == (4.0, 0.5)
    assert (found.checks, found.streak, found.caught_at) == (21, 3, 5)
    assert standing(7, "new", True, None, None, T0).checks == 0


def test_a_fleet_counts_those_who_can_and_those_who_are_proven() -> None:
    policy = Policy(replication="credibility")
    start = checks_to_start(policy)
    crowds = [
        Crowd(frozenset({"p"}), "trusted", False, 10),
        Crowd(frozenset({"p"}), "new", True, 2),
        Crowd(frozenset({"p"}), "quarantined", False, 50),
        Crowd(frozenset({"other"}), "trusted", False, 70),
    ]
    found = fleet("p", policy, crowds, {start - 1: 4, start: 3, start + 9: 1})
    assert (found.active, found.proven) == (12, 6)


@given(
    st.lists(
        st.builds(
            HeldUnit,
            unit_id=st.integers(1, 10_000),
            host_id=st.integers(1, 4),
            final_at=st.integers(0, 40),
            checks=st.just(0),
        ),
        unique_by=lambda unit: unit.unit_id,
    ),
    st.sets(st.integers(1, 4)),
    st.integers(0, 40),
)
def test_the_end_of_a_stage_leaves_none_behind(
    held: list[HeldUnit], under_check: set[int], checks: int
) -> None:
    """Round by round, each audit passed: in the end every unit was audited or is final."""
    passed = dict.fromkeys(range(1, 5), checks)
    waiting = held
    for _ in range(200):
        waiting = [msgspec.structs.replace(u, checks=passed[u.host_id]) for u in waiting]
        chosen = audits_at_end(waiting, under_check)
        assert not {u.host_id for u in waiting if u.unit_id in chosen} & under_check
        for unit in waiting:
            if unit.unit_id in chosen:
                passed[unit.host_id] += 1
        waiting = [u for u in waiting if u.unit_id not in chosen]
        under_check = set()
        if not chosen and all(u.final_at <= passed[u.host_id] for u in waiting):
            return
    raise AssertionError(f"{waiting} wait for ever")
