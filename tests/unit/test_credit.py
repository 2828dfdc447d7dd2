"""What a result is worth, who gets it, and what of it is lost by being late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.average import HALF_LIFE_US, added, decayed, per_day
from idlegrid_server.domain.benchmark import (
    FLEET_MIN,
    TIME_MAX_US,
    gone_on,
    ops_per_second,
    typical_ops_per_second,
)
from idlegrid_server.domain.credit import (
    AGREED_TIMES_MAX,
    HELD_US_MIN,
    OPS_PER_CREDIT,
    OPS_PER_SECOND_FIRST,
    OPS_PER_SECOND_MAX,
    Worked,
    claimed_micro,
    credit_micro,
    promptness_ppm,
    single_credit,
    split,
    worth,
)
from idlegrid_server.domain.model import TaskSnapshot, UnitSnapshot
from idlegrid_server.domain.spread import SAMPLES_MIN, bucket_of, percentile, upper_edge
from idlegrid_shared.documents import Policy

SECOND = 1_000_000
CREDIT = 1_000_000
HOUR = 3600 * SECOND
counts = st.integers(0, 10**18)


def task(n: int = 1, **more: object) -> TaskSnapshot:
    values: dict[str, object] = {"host_id": n, "sent_at": 0, "received_at": HOUR, **more}
    return TaskSnapshot(id=n, n=n, state="success", verdict="pending", **values)  # type: ignore[arg-type]


def unit(**more: object) -> UnitSnapshot:
    values: dict[str, object] = {"policy": Policy(), "tasks": (), "target": 2, **more}
    return UnitSnapshot(
        id=1,
        stage_id=1,
        batch_id=1,
        index=0,
        state="open",
        version=0,
        **values,  # type: ignore[arg-type]
    )


# --- what it is worth


def test_one_credit_is_a_two_hundredth_of_a_day_at_a_billion_ops_a_second() -> None:
    assert OPS_PER_CREDIT == 86_400 * 10**9 // 200
    assert credit_micro(OPS_PER_CREDIT) == CREDIT


@given(st.lists(counts, min_size=2, max_size=6))
def test_nobody_gains_by_claiming_more(ops: list[int]) -> None:
    group = [task(n, ops=count) for n, count in enumerate(ops)]
    assert worth(group, unit()) == credit_micro(min(ops))


@given(counts, counts)
def test_a_single_gets_no_more_than_the_percentile(claim: int, p90: int) -> None:
    assert single_credit(claim, p90, HOUR) == min(claim, p90)


def test_without_a_percentile_a_single_gets_what_a_fast_computer_can_do_meanwhile() -> None:
    assert worth([task(ops=10**11)], unit()) == credit_micro(10**11)
    boast = task(ops=10**18, received_at=HOUR)
    assert worth([boast], unit()) == credit_micro(3600 * OPS_PER_SECOND_MAX)
    at_once = task(ops=10**18, received_at=0)
    bound = HELD_US_MIN // SECOND * OPS_PER_SECOND_MAX
    assert worth([at_once], unit()) == credit_micro(bound)


def test_uncounted_work_is_time_at_the_speed_of_its_host() -> None:
    fast = task(1, took_us=100 * SECOND, ops_per_second=2 * 10**9)
    slow = task(2, took_us=300 * SECOND, ops_per_second=10**9)
    assert worth([fast, slow], unit(metered=False)) == credit_micro(200 * 10**9)


def test_time_is_never_a_claim_alone() -> None:
    """A host that says it took a year got its task an hour ago."""
    boast = task(took_us=365 * 24 * HOUR, ops_per_second=10**9)
    assert claimed_micro(boast, metered=False) == credit_micro(3600 * 10**9)
    two_cores = task(took_us=365 * 24 * HOUR, ops_per_second=10**9, cores=2)
    assert claimed_micro(two_cores, metered=False) == credit_micro(7200 * 10**9)
    faster_than_any = task(took_us=HOUR, ops_per_second=10**15)
    assert claimed_micro(faster_than_any, metered=False) == credit_micro(3600 * OPS_PER_SECOND_MAX)
    unknown = task(took_us=HOUR)
    assert claimed_micro(unknown, metered=False) == credit_micro(3600 * OPS_PER_SECOND_FIRST)


def test_two_who_boast_together_are_bound_by_the_stage() -> None:
    pair = [task(n, took_us=HOUR, ops_per_second=10**10) for n in (1, 2)]
    bound = unit(metered=False, p90_micro=CREDIT)
    assert worth(pair, bound) == AGREED_TIMES_MAX * CREDIT


# --- when it came


@given(st.integers(1, 10**13), st.integers(-(10**13), 10**14))
def test_promptness_is_whole_in_the_first_half_and_nine_tenths_at_the_end(
    span: int, used: int
) -> None:
    share = promptness_ppm(0, span, used)
    assert 900_000 <= share <= 1_000_000
    if 2 * used <= span:
        assert share == 1_000_000
    if used >= span:
        assert share == 900_000


@given(st.integers(1, 10**13), st.integers(0, 10**13), st.integers(0, 10**13))
def test_who_comes_earlier_never_gets_less(span: int, one: int, other: int) -> None:
    early, late = sorted((one, other))
    assert promptness_ppm(0, span, early) >= promptness_ppm(0, span, late)


# --- who gets it


@given(
    counts,
    st.integers(1, 10**15),
    st.lists(st.integers(0, 2 * 10**15), max_size=5),
    st.integers(0, 200),
)
def test_shares_add_up_to_what_the_result_is_worth(
    base: int, ops: int, begun: list[int], used: int
) -> None:
    chain = [
        Worked(n, n, None, ops if n == 0 else 0, 0, 100, used, before)
        for n, before in enumerate([*begun, 0])
    ]
    shares = split(base, chain)
    assert sum(share.base_micro for share in shares) == base
    assert all(0 <= share.micro <= share.base_micro for share in shares)
    assert [share.of_task for share in shares] == list(range(len(chain)))
    assert all(share.micro == share.base_micro for share in shares[1:])


def test_who_began_gets_what_it_had_done() -> None:
    chain = [
        Worked(3, 30, None, 1000, ops_before=700),
        Worked(2, 20, 5, ops_before=100),
        Worked(1, 10, None),
    ]
    assert [(s.host_id, s.base_micro) for s in split(1000, chain)] == [
        (30, 300),
        (20, 600),
        (10, 100),
    ]


def test_who_says_it_came_further_than_the_end_gets_no_more_than_all() -> None:
    chain = [Worked(2, 20, None, 1000, ops_before=10**15), Worked(1, 10, None)]
    assert [share.base_micro for share in split(1000, chain)] == [0, 1000]


# --- how it is spread


@given(counts)
def test_a_bucket_holds_its_values_and_is_narrow(value: int) -> None:
    edge = upper_edge(bucket_of(value))
    assert value <= edge <= value + value // 32 + 1
    assert bucket_of(edge) == bucket_of(value)
    assert bucket_of(edge + 1) == bucket_of(value) + 1


@given(st.lists(st.integers(0, 10**15), min_size=SAMPLES_MIN, max_size=100))
def test_nine_of_ten_do_not_exceed_the_percentile(values: list[int]) -> None:
    counted: dict[int, int] = {}
    for value in values:
        counted[bucket_of(value)] = counted.get(bucket_of(value), 0) + 1
    found = percentile(counted, 0.9)
    assert found is not None
    assert sum(value <= found for value in values) >= 0.9 * len(values)


def test_equal_work_is_never_cut_by_the_percentile() -> None:
    found = percentile({bucket_of(123_456_789): 50}, 0.9)
    assert found is not None
    assert found >= 123_456_789
    assert percentile({bucket_of(5): SAMPLES_MIN - 1}, 0.9) is None


# --- how fast hosts are, and what they got lately


def test_benchmark_follows_the_machine() -> None:
    micro, took = 0, 0
    for _ in range(1000):
        micro, took = gone_on(micro, took, credit_micro(3600 * 10**9), HOUR)
    assert ops_per_second(micro, took) == pytest.approx(10**9, rel=0.01)
    assert took <= TIME_MAX_US
    for _ in range(60):
        micro, took = gone_on(micro, took, credit_micro(3600 * 2 * 10**9), HOUR)
    assert ops_per_second(micro, took) == pytest.approx(2 * 10**9, rel=0.05)


def test_an_unknown_host_is_taken_for_the_median_of_the_others() -> None:
    hosts = [(credit_micro(speed * 10**9), SECOND) for speed in (1, 2, 3, 4, 500)]
    assert typical_ops_per_second(hosts) == pytest.approx(3 * 10**9, rel=0.01)
    assert typical_ops_per_second(hosts[: FLEET_MIN - 1]) == OPS_PER_SECOND_FIRST
    assert ops_per_second(0, 0) == 0


@given(st.integers(0, 10**15), st.integers(0, 4 * HALF_LIFE_US), st.integers(0, 4 * HALF_LIFE_US))
def test_decay_does_not_depend_on_when_one_looks(value: int, first: int, more: int) -> None:
    at_once = decayed(value, 0, first + more)
    in_steps = decayed(decayed(value, 0, first), first, first + more)
    assert abs(at_once - in_steps) <= 1 + value // 10**12


def test_recent_credit_halves_in_a_week_and_settles_at_the_daily_income() -> None:
    assert decayed(1000, 0, HALF_LIFE_US) == 500
    value, at, day = 0, 0, 24 * HOUR
    for _ in range(200):
        value, at = added(value, at, at + day, CREDIT), at + day
    assert per_day(value, at, at) == pytest.approx(CREDIT, rel=0.06)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(-HALF_LIFE_US, HALF_LIFE_US))
def test_a_clock_that_was_set_back_loses_nothing_twice(value: int, more: int, step: int) -> None:
    at = 10 * HALF_LIFE_US
    later = max(at, at + step)
    expected = decayed(value, at, later) + decayed(more, at + step, later)
    assert added(value, at, at + step, more) == expected


# --- to the last micro-credit, and at the edges


def test_amounts_are_whole_micro_credits_and_nothing_is_nothing() -> None:
    assert credit_micro(0) == credit_micro(-5) == 0
    assert credit_micro(432_000 * 3 + 431_999) == 3
    for amount in (
        credit_micro(10**9 + 1),
        worth([task(ops=10**18, received_at=HOUR + 1)], unit()),
        worth([task(took_us=7, ops_per_second=10**9 + 1)], unit(metered=False)),
        promptness_ppm(0, 3, 2),
    ):
        assert isinstance(amount, int)
    assert claimed_micro(task(took_us=-1, ops_per_second=10**12), metered=False) == 0


def test_a_single_is_bound_by_its_stage_and_by_the_servers_clock() -> None:
    boast = task(ops=50 * OPS_PER_CREDIT)
    assert worth([boast], unit(p90_micro=CREDIT)) == CREDIT
    pair = [task(1, ops=OPS_PER_CREDIT), task(2, ops=OPS_PER_CREDIT)]
    assert worth(pair, unit(p90_micro=1)) == CREDIT, "what is agreed on by counts needs no bound"
    later = task(ops=10**18, sent_at=10 * HOUR, received_at=11 * HOUR)
    assert worth([later], unit()) == credit_micro(3600 * OPS_PER_SECOND_MAX)
    for unknown in (task(ops=10**18, sent_at=None), task(ops=10**18, received_at=None)):
        assert worth([unknown], unit()) == credit_micro(60 * OPS_PER_SECOND_MAX)


def test_promptness_counts_from_when_it_was_sent() -> None:
    assert promptness_ppm(10**9, 10**9 + 100, 10**9 + 50) == 1_000_000
    assert promptness_ppm(10**9, 10**9 + 100, 10**9 + 75) == 950_000
    assert promptness_ppm(10**9, 10**9 + 100, 10**9 + 100) == 900_000
    for times in ((None, 1, 2), (0, None, 2), (0, 1, None), (5, 5, 9)):
        assert promptness_ppm(*times) == 1_000_000


def test_a_share_says_whose_it_is_and_is_whole() -> None:
    chain = [Worked(2, 20, 7, 3, 0, 100, 75, ops_before=1), Worked(1, 10, 8)]
    assert [
        (s.of_task, s.host_id, s.account_id, s.base_micro, s.micro) for s in split(1_000, chain)
    ] == [(2, 20, 7, 666, 632), (1, 10, 8, 334, 334)]
    assert all(
        isinstance(value, int) for s in split(1_000, chain) for value in (s.base_micro, s.micro)
    )
    alone = Worked(2, 20, None, 1, 0, 100, 100, ops_before=1)
    assert [s.micro for s in split(1_000, [alone])] == [900]


def test_small_values_have_buckets_of_their_own() -> None:
    assert [bucket_of(value) for value in (0, 1, 31, 32, 33)] == [0, 1, 31, 32, 33]
    assert [upper_edge(bucket) for bucket in (0, 31, 32, 63, 64)] == [0, 31, 32, 63, 65]
    assert bucket_of(-3) == 0
    assert percentile({1: 9, 2: 1}, 0.9) == 1


def test_the_past_is_halved_beyond_ten_hours() -> None:
    assert gone_on(100, TIME_MAX_US, 1, 0) == (101, TIME_MAX_US)
    assert gone_on(101, TIME_MAX_US, 0, 1) == (50, TIME_MAX_US // 2)
    assert ops_per_second(1, SECOND) == 432_000
    assert ops_per_second(1, SECOND - 1) == 0


def test_decay_begins_after_the_moment() -> None:
    assert decayed(7, 5, 5) == decayed(7, 5, 4) == 7
    assert decayed(0, 0, HALF_LIFE_US) == decayed(-1, 0, 0) == 0
    assert decayed(2, 0, HALF_LIFE_US) == 1
