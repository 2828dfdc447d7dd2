"""Canaries: which units go out first, and when the rest follows."""

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.batch import decide_batch
from idlegrid_server.domain.canary import (
    CANARIES_MAX,
    CANARY_FROM,
    choose_canaries,
    count_canaries,
    decide_canary,
)
from idlegrid_server.domain.model import (
    BatchSnapshot,
    CanarySnapshot,
    FailurePolicy,
    StageSnapshot,
)

UNTIL = 1_000


def canary(total: int = 4, valid: int = 0, failed: int = 0, errors: int = 0) -> CanarySnapshot:
    return CanarySnapshot(total=total, valid=valid, failed=failed, errors=errors, until=UNTIL)


@st.composite
def canaries(draw: st.DrawFn) -> CanarySnapshot:
    total = draw(st.integers(1, CANARIES_MAX))
    valid = draw(st.integers(0, total))
    failed = draw(st.integers(0, total - valid))
    return canary(total, valid, failed, draw(st.integers(failed, 4 * total)))


def test_small_batches_have_none_and_large_ones_a_handful() -> None:
    assert [count_canaries(n) for n in (1, 49, 50, 999, 10_000, 5_000_000)] == [0, 0, 3, 4, 6, 8]
    assert count_canaries(10_000) * 4 < 0.01 * 10_000, "four errors each are over 1 % of the batch"


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**7), st.integers(0, CANARIES_MAX))
def test_canaries_are_distinct_units_with_both_ends(seed: bytes, expected: int, count: int) -> None:
    chosen = choose_canaries(seed, expected, count)
    assert len(set(chosen)) == len(chosen) == min(count, expected), "not as many as asked for"
    assert all(0 <= index < expected for index in chosen), "a canary that is no unit"
    assert list(chosen) == sorted(chosen)
    assert choose_canaries(seed, expected, count) == chosen, "chance without the seed"
    if count >= 2 and expected >= 2:
        assert {0, expected - 1} <= set(chosen), "the ends of the table are not among them"


def test_another_seed_draws_others() -> None:
    drawn = {choose_canaries(bytes([n]) * 32, 10_000, 6) for n in range(20)}
    assert len(drawn) == 20


@given(canaries(), st.integers(0, 2 * UNTIL))
def test_the_rest_never_follows_where_most_failed(one: CanarySnapshot, now: int) -> None:
    if 2 * one.failed > one.total:
        assert decide_canary(one, now) == "stop"


@given(canaries(), st.integers(0, 2 * UNTIL))
def test_a_decision_comes_when_all_have_ended(one: CanarySnapshot, now: int) -> None:
    if one.valid + one.failed == one.total:
        assert decide_canary(one, now) != "wait", "all have ended, and the batch still waits"


@given(canaries(), st.integers(UNTIL, 2 * UNTIL))
def test_slow_canaries_without_an_error_do_not_hold_back_the_rest(
    one: CanarySnapshot, now: int
) -> None:
    if one.errors == 0:
        assert decide_canary(one, now) == "release"


@given(canaries(), st.integers(0, 2 * UNTIL))
def test_one_more_good_canary_never_makes_it_worse(one: CanarySnapshot, now: int) -> None:
    order = {"stop": 0, "wait": 1, "release": 2}
    if one.valid + one.failed < one.total:
        better = canary(one.total, one.valid + 1, one.failed, one.errors)
        assert order[decide_canary(better, now)] >= order[decide_canary(one, now)]


def batch(one: CanarySnapshot | None, **more: object) -> BatchSnapshot:
    counts = {"assimilated": 0, "failed": 0, "cancelled": 0, **more}
    stage = StageSnapshot(
        id=1,
        index=0,
        kind="map",
        state="running",
        placement="grid",
        expected=100,
        created=100,
        **counts,  # type: ignore[arg-type]
    )
    return BatchSnapshot(
        id=1,
        state="canary",
        version=3,
        on_failure=FailurePolicy("skip"),
        stages=(stage,),
        canary=one,
    )


def test_the_batch_runs_when_most_canaries_are_valid() -> None:
    plan = decide_batch(batch(canary(4, valid=3), assimilated=3), 5)
    assert [(s.state, s.reason) for s in plan.steps] == [("running", "canaries_passed")]


def test_the_batch_runs_after_its_time_when_canaries_are_slow() -> None:
    assert decide_batch(batch(canary(4, valid=1)), UNTIL - 1).steps == ()
    assert decide_batch(batch(canary(4, valid=1)), UNTIL - 1).due_at == UNTIL
    plan = decide_batch(batch(canary(4, valid=1)), UNTIL)
    assert [(s.state, s.reason) for s in plan.steps] == [("running", "canaries_slow")]


def test_the_batch_pauses_when_its_canaries_failed() -> None:
    plan = decide_batch(batch(canary(4, valid=1, failed=3, errors=12), failed=3), 5)
    assert [(s.state, s.reason) for s in plan.steps] == [("paused", "canaries_failed")]


def test_a_canary_that_its_failure_policy_does_not_forgive_ends_the_batch() -> None:
    stopping = batch(canary(4, failed=1, errors=4), failed=1)
    plan = decide_batch(
        BatchSnapshot(
            1, "canary", 3, FailurePolicy("stop"), stopping.stages, canary=stopping.canary
        ),
        5,
    )
    assert [(s.state, s.reason) for s in plan.steps] == [("failed", "unit_failed")]


def test_canaries_are_opened_when_no_proven_host_took_them() -> None:
    kept = CanarySnapshot(total=4, valid=0, failed=0, errors=0, until=UNTIL, proven_until=100)
    early = decide_batch(batch(kept), 99)
    assert (early.open_canaries, early.due_at) == (False, 100)
    later = decide_batch(batch(kept), 100)
    assert (later.open_canaries, later.due_at) == (True, UNTIL)
    assert not decide_batch(batch(canary()), 100).open_canaries


def test_the_least_size_is_what_the_settings_say() -> None:
    assert count_canaries(CANARY_FROM - 1) == 0
    assert count_canaries(10, least=5) == 3
