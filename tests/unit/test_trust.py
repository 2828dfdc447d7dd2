"""The rules of trust, one by one, with the numbers of TRUST.md."""

import math

import pytest

from idlegrid_server.domain import trust
from idlegrid_server.domain.model import Check, Fleet, Hold, Standing
from idlegrid_shared.documents import Policy

from .unit_story import NOW, bytes_of, returned

POLICY = Policy(replication="credibility")


def host(n: int, **more: object) -> Standing:
    return Standing(10 + n, **more)  # type: ignore[arg-type]


def known(*standings: Standing) -> dict[int, Standing]:
    return {standing.host_id: standing for standing in standings}


def test_a_stranger_is_taken_for_honest_with_the_share_assumed() -> None:
    assert trust.credibility(host(0), POLICY) == pytest.approx(0.98)
    assert trust.credibility(host(0, passed=0.5), POLICY) == pytest.approx(0.98)


def test_checks_bring_trust_as_f_over_k() -> None:
    assert trust.credibility(host(0, passed=20.0), POLICY) == pytest.approx(0.999)
    assert trust.credibility(host(0, passed=50.0), Policy(assumed_bad=0.05)) == pytest.approx(0.999)


def test_nobody_is_believed_more_than_its_failures_allow() -> None:
    flaky = host(0, passed=18.0, failed=1.0)
    assert trust.credibility(flaky, POLICY) == pytest.approx(0.95)
    assert trust.credibility(host(0, failed=1.0), POLICY) == pytest.approx(0.5)


def test_a_house_host_is_nearly_always_right() -> None:
    house = host(0, house=True)
    assert trust.credibility(house, POLICY) == 1.0 - trust.HOUSE_ERROR
    assert trust.is_proven(house, POLICY)


@pytest.mark.parametrize(
    ("error_max", "finality", "checks"),
    [(1e-3, 20, 5), (1e-3, 0, 20), (1e-4, 20, 180), (1e-4, 100, 100), (1e-2, 20, 5)],
)
def test_when_a_host_may_speak_alone(error_max: float, finality: int, checks: int) -> None:
    """By the time its word is final it has passed f / error_max checks."""
    policy = Policy(replication="credibility", error_max=error_max, finality=finality)
    assert trust.checks_to_start(policy) == checks
    assert trust.is_proven(host(0, passed=float(checks)), policy)
    assert not trust.is_proven(host(0, passed=checks - 0.5), policy)


def test_who_is_shut_out_is_proven_no_more() -> None:
    for state in ("quarantined", "banned"):
        assert not trust.is_proven(host(0, passed=99.0, state=state), POLICY)
        assert not trust.is_proven(host(0, house=True, state=state), POLICY)
    assert trust.is_proven(host(0, passed=99.0, state="trusted"), POLICY)


def test_a_flaky_host_is_not_proven_by_many_passes() -> None:
    assert not trust.is_proven(host(0, passed=99.0, failed=1.0), POLICY)
    assert trust.is_proven(host(0, passed=999.0, failed=1.0), POLICY)


def test_trust_fades_by_half_in_ninety_days() -> None:
    quarter = 90 * 86_400 * 1_000_000
    assert trust.faded(8.0, NOW, NOW + quarter) == pytest.approx(4.0)
    assert trust.faded(8.0, NOW, NOW + 2 * quarter) == pytest.approx(2.0)
    assert trust.faded(8.0, NOW, NOW) == 8.0
    assert trust.faded(8.0, NOW, NOW - quarter) == 8.0, "a clock set back brings nothing"


def test_the_credibility_of_groups_by_hand() -> None:
    """Sarmenta's formula for two strangers against one proven host, worked out on paper."""
    a, b, c = returned(0, "x"), returned(1, "x"), returned(2, "y")
    standings = known(host(2, passed=20.0))
    x, y = bytes_of("x"), bytes_of("y")
    chances = trust.weigh({x: [a, b], y: [c]}, standings, POLICY)
    for_x, for_y, none = 0.98**2 * 0.001, 0.02**2 * 0.999, 0.02**2 * 0.001
    assert chances[x] == pytest.approx(for_x / (for_x + for_y + none))
    assert chances[y] == pytest.approx(for_y / (for_x + for_y + none))
    assert sum(chances.values()) < 1.0


def test_two_strangers_are_not_enough_and_three_are() -> None:
    """A quorum of two holds a proven host, or it takes three (TRUST.md J)."""
    results = [returned(n, "x") for n in range(3)]
    x = bytes_of("x")
    assert trust.believed({x: results[:2]}, {}, POLICY) is None
    assert trust.believed({x: results}, {}, POLICY) == x
    assert trust.believed({x: results[:2]}, known(host(1, passed=5.0)), POLICY) == x
    assert trust.believed({x: results[:2]}, known(host(1, passed=4.0)), POLICY) is None


@pytest.mark.parametrize(
    ("assumed_bad", "error_max", "hands"),
    [(0.02, 1e-3, 3), (0.02, 1e-2, 3), (0.05, 1e-3, 4), (0.1, 1e-3, 5), (0.02, 1e-5, 4)],
)
def test_strangers_alone_can_begin_a_project(
    assumed_bad: float, error_max: float, hands: int
) -> None:
    """Regression: where two strangers were not believed, three that agreed never earned trust."""
    policy = Policy(replication="credibility", assumed_bad=assumed_bad, error_max=error_max)
    assert policy.strangers == hands
    results = [returned(n, "x") for n in range(hands)]
    assert trust.believed({bytes_of("x"): results}, {}, policy) == bytes_of("x")
    assert trust.believed({bytes_of("x"): results[1:]}, {}, policy) is None
    assert all(check.earns for check in trust.checks_of(results, [], {}, policy))


def test_a_policy_that_strangers_could_never_meet_is_refused() -> None:
    with pytest.raises(ValueError, match="10 hosts must agree while none is proven"):
        Policy(replication="credibility", assumed_bad=0.3, error_max=1e-3).check()


def test_one_alone_is_believed_if_it_is_proven() -> None:
    single = {bytes_of("x"): [returned(0, "x")]}
    assert trust.believed(single, {}, POLICY) is None
    assert trust.believed(single, known(host(0, passed=5.0)), POLICY) == bytes_of("x")
    assert trust.believed({}, {}, POLICY) is None


def test_a_contradiction_outweighs_a_proven_single() -> None:
    split = {bytes_of("x"): [returned(0, "x")], bytes_of("y"): [returned(1, "y")]}
    assert trust.believed(split, known(host(0, passed=30.0)), POLICY) is None
    house = known(host(0, house=True), host(1, failed=3.0))
    assert trust.believed(split, house, POLICY) == bytes_of("x")


def test_results_from_before_a_host_was_caught_are_void() -> None:
    result = returned(0, "x")
    at = result.received_at
    assert at is not None
    assert trust.is_void(result, known(host(0, caught_at=at)))
    assert not trust.is_void(result, known(host(0, caught_at=at - 1)))
    assert trust.is_void(result, known(host(0, state="banned")))
    assert not trust.is_void(result, {})


def test_audits_are_drawn_by_the_seed() -> None:
    """2a / (1 + a) of all tasks are checks when a share a of singles is audited."""
    drawn = sum(trust.is_audited(b"seed", n, POLICY) for n in range(20_000)) / 20_000
    assert 2 * drawn / (1 + drawn) == pytest.approx(0.1, abs=0.01)
    other = [trust.is_audited(b"other", n, POLICY) for n in range(200)]
    assert other != [trust.is_audited(b"seed", n, POLICY) for n in range(200)]
    assert other == [trust.is_audited(b"other", n, POLICY) for n in range(200)]
    assert trust.draw(b"s", "audit", 1) != trust.draw(b"s", "streak", 1)


def test_a_streak_is_believed_but_for_one_in_its_length() -> None:
    result = returned(0, "x")
    for streak, share in ((10, 0.9), (50, 0.98), (9, 0.0)):
        standings = known(host(0, streak=streak))
        seen = sum(trust.trusts_streak(result, standings, b"s", n) for n in range(5_000)) / 5_000
        assert seen == pytest.approx(share, abs=0.02)


def test_a_check_earns_only_where_the_others_stand_alone() -> None:
    """A newcomer and a proven host: the proven one vouches, and is not vouched for."""
    pair = [returned(0, "x"), returned(1, "x")]
    checks = trust.checks_of(pair, [returned(2, "y")], known(host(1, passed=9.0)), POLICY)
    assert checks == (Check(10, True, True), Check(11, True, False), Check(12, False, True))
    three = [*pair, returned(2, "x")]
    assert all(check.earns for check in trust.checks_of(three, [], {}, POLICY))
    assert not any(check.earns for check in trust.checks_of(pair, [], {}, POLICY))
    assert trust.checks_of(pair[:1], [], {}, POLICY) == ()


def test_a_host_does_not_check_itself() -> None:
    twice = [returned(0, "x"), returned(0, "x")]
    assert trust.checks_of(twice, [], known(host(0, passed=9.0)), POLICY) == ()


def test_trifles_earn_little() -> None:
    assert trust.weight(5, 10) == 0.5
    assert trust.weight(50, 10) == 1.0
    assert trust.weight(5, 0) == 1.0
    assert trust.weight(0, 10) == 1.0, "ops that nobody counted, of native programs"


def test_who_fails_twice_is_shut_out() -> None:
    assert trust.next_standing("probation", 0.0, 1.0) is None
    assert trust.next_standing("probation", 0.0, 2.0) == ("quarantined", "results_differ")
    assert trust.next_standing("trusted", 500.0, 1.6) == ("quarantined", "results_differ")
    assert trust.next_standing("trusted", 500.0, 1.4) == ("probation", "check_failed")
    assert trust.next_standing("probation", 1.0, 1.2) == ("quarantined", "results_differ")
    assert trust.next_standing("banned", 0.0, 9.0) is None


def test_being_shut_out_takes_twice_as_long_each_time() -> None:
    day = 86_400 * 1_000_000
    assert [(trust.shut_out_until(NOW, n) - NOW) // day for n in (0, 1, 2, 6, 60)] == [
        1,
        2,
        4,
        64,
        64,
    ]


def test_when_a_single_is_final() -> None:
    hold = Hold(10, 25)
    assert trust.is_final(host(0, checks=25), hold)
    assert not trust.is_final(host(0, checks=24), hold)
    assert not trust.is_final(host(0, checks=25, disputes=1), hold)


def test_units_are_kept_for_proven_hosts_where_there_are_enough() -> None:
    assert trust.reserves(Fleet(20, 2))
    assert not trust.reserves(Fleet(21, 2))
    assert not trust.reserves(Fleet(1, 1)), "one proven host cannot vouch for itself"
    assert trust.reserved_s(Policy(deadline_s=86_400)) == 3_600
    assert trust.reserved_s(Policy(deadline_s=60)) == 600


@pytest.mark.parametrize(
    ("final_at", "checks", "audits"),
    [
        ((), 0, 0),
        ((20,), 0, 1),
        ((9, 9, 9, 9, 9), 0, 3),
        ((5, 5, 5), 5, 0),
        ((20, 20, 20, 21), 18, 2),
        ((30,) * 40, 10, 10),
    ],
)
def test_how_many_to_audit_at_the_end(final_at: tuple[int, ...], checks: int, audits: int) -> None:
    assert trust.units_to_audit(final_at, checks) == audits


def test_the_bound_of_finality() -> None:
    """The share of wrong units that a liar of any rate makes final: at most 1 / (e h)."""
    h = POLICY.finality
    worst = max(s / 1000 * (1 - s / 1000) ** h for s in range(1001))
    assert worst <= 1 / (math.e * h)
