"""The tail: which of the last units get one more copy."""

from statistics import median_low

from hypothesis import given
from hypothesis import strategies as st

from idlegrid_server.domain.model import TaskSnapshot, UnitSnapshot
from idlegrid_server.domain.tail import (
    GAIN,
    SAMPLES_MIN,
    SPARE_MAX,
    YOUNG,
    TailSnapshot,
    decide_tail,
    expected_rest,
    is_in_tail,
    look_again_us,
    unit_rest,
)
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

S = 1_000_000
NOW = 100_000 * S
USUAL = tuple(S * t for t in (80, 90, 95, 100, 100, 105, 110, 120, 200, 400))
RULES = Policy(quorum=1, replicas=1, max_tasks=4, deadline_s=10_000)


def task(n: int, age_s: float, state: str = "in_progress") -> TaskSnapshot:
    sent = NOW - round(age_s * S)
    done = state == "success"
    return TaskSnapshot(
        id=n,
        n=n,
        state=state,  # type: ignore[arg-type]
        verdict="pending" if done else None,
        host_id=None if state == "unsent" else n,
        sent_at=None if state == "unsent" else sent,
        deadline_at=None if state == "unsent" else sent + RULES.deadline_s * S,
        received_at=NOW if done else None,
        manifest=b"m" if done else None,
    )


def unit(unit_id: int, *tasks: TaskSnapshot, policy: Policy = RULES) -> UnitSnapshot:
    return UnitSnapshot(
        id=unit_id,
        stage_id=1,
        batch_id=1,
        index=unit_id,
        state="open",
        version=7,
        policy=policy,
        tasks=tasks,
        target=policy.replicas,
        due_at=NOW + 5,
    )


def tail(*units: UnitSnapshot, idle: int = 10) -> TailSnapshot:
    return TailSnapshot(units, USUAL, idle)


def test_the_last_tenth_is_the_tail_and_at_least_one_unit() -> None:
    assert [n for n in range(101) if is_in_tail(n, 100)] == list(range(90, 100))
    assert [n for n in range(6) if is_in_tail(n, 5)] == [4]
    assert not is_in_tail(0, 0)


def test_what_is_out_for_long_gets_a_copy_before_what_is_not() -> None:
    plans = decide_tail(tail(unit(2, task(2, 10)), unit(1, task(1, 500)), idle=1), NOW)
    assert [(p.unit_id, p.new_tasks, p.target, p.version, p.due_at) for p in plans] == [
        (1, 1, 2, 7, NOW + 5)
    ]
    assert plans[0].new_reason == "tail"


def test_the_longest_rest_comes_first_where_idle_hosts_are_few() -> None:
    units = [unit(n, task(n, 300 + 100 * n)) for n in range(1, 6)]
    assert [p.unit_id for p in decide_tail(tail(*units, idle=2), NOW)] == [5, 4]
    assert decide_tail(tail(*units, idle=0), NOW) == ()


def test_idle_hosts_that_are_left_insure_what_is_not_late() -> None:
    young = [unit(n, task(n, 10)) for n in (1, 2)]
    assert [p.unit_id for p in decide_tail(tail(*young, idle=3), NOW)] == [1, 2]
    insured = [unit(n, task(n, 10), task(n + 5, 5)) for n in (1, 2)]
    assert decide_tail(tail(*insured, idle=3), NOW) == (), "more than one idle host for each unit"
    assert len(decide_tail(tail(*insured, idle=4), NOW)) == 2


def test_where_all_are_alike_there_is_nothing_to_insure_against() -> None:
    alike = TailSnapshot((unit(1, task(1, 10)),), (100 * S,) * 20, 10)
    assert decide_tail(alike, NOW) == ()
    late = TailSnapshot((unit(1, task(1, 500)),), (100 * S,) * 20, 10)
    assert len(decide_tail(late, NOW)) == 1


def test_nothing_is_replicated_while_fresh_units_wait() -> None:
    waiting = unit(2, task(2, 0, "unsent"))
    assert decide_tail(tail(unit(1, task(1, 500)), waiting), NOW) == ()


def test_a_unit_that_waits_for_a_second_copy_is_as_slow_as_that_one() -> None:
    rules = Policy(quorum=2, replicas=2, deadline_s=10_000)
    quick_and_slow = unit(1, task(1, 10), task(2, 900), policy=rules)
    assert unit_rest(quick_and_slow, USUAL, NOW) == 900 * S
    one_is_back = unit(1, task(1, 90, "success"), task(2, 900), policy=rules)
    assert unit_rest(one_is_back, USUAL, NOW) == 900 * S
    assert decide_tail(tail(one_is_back), NOW)[0].target == 3


def test_no_rest_is_longer_than_the_deadline_and_a_fresh_copy() -> None:
    nearly = unit(1, task(1, 9_990))
    assert unit_rest(nearly, USUAL, NOW) == 10 * S + 100 * S
    late = unit(2, task(2, 500))
    assert [p.unit_id for p in decide_tail(tail(nearly, late, idle=1), NOW)] == [2]


def test_few_samples_decide_nothing() -> None:
    few = TailSnapshot((unit(1, task(1, 500)),), USUAL[: SAMPLES_MIN - 1], 10)
    assert decide_tail(few, NOW) == ()


def test_looking_again_is_neither_hasty_nor_late() -> None:
    assert look_again_us(()) == 300 * S
    assert look_again_us((S,)) == 2 * S
    assert look_again_us((800 * S,)) == 100 * S


@given(st.integers(0, 10**12), st.lists(st.integers(1, 10**12), min_size=1, max_size=50))
def test_a_rest_is_never_negative(age: int, turnarounds: list[int]) -> None:
    assert expected_rest(age, turnarounds) >= 0


ages = st.floats(0, 12_000)
states = st.sampled_from(["in_progress", "in_progress", "success", "error", "unsent", "timed_out"])


@st.composite
def open_units(draw: st.DrawFn, unit_id: int) -> UnitSnapshot:
    """A unit as a pass has left it: what was to be decided is decided."""
    quorum = draw(st.integers(1, 3))
    rules = Policy(
        quorum=quorum,
        replicas=quorum,
        max_tasks=draw(st.integers(quorum, 6)),
        max_errors=10,
        deadline_s=10**7,
    )
    drawn = draw(st.lists(st.tuples(ages, states), min_size=1, max_size=rules.max_tasks))
    tasks = [task(10 * unit_id + n, age, state) for n, (age, state) in enumerate(drawn)]
    return unit(unit_id, *tasks, policy=rules)


@st.composite
def tails(draw: st.DrawFn) -> TailSnapshot:
    count = draw(st.integers(1, 6))
    units = tuple(draw(open_units(n)) for n in range(1, count + 1))
    samples = draw(st.lists(st.integers(S, 10**4 * S), max_size=30))
    return TailSnapshot(units, tuple(samples), draw(st.integers(0, 5)))


@given(tails())
def test_copies_are_bounded(one: TailSnapshot) -> None:
    plans = decide_tail(one, NOW)
    assert len(plans) <= one.idle, "more copies than idle hosts"
    assert len({plan.unit_id for plan in plans}) == len(plans), "two copies of a unit at once"
    for plan in plans:
        (of,) = (u for u in one.units if u.id == plan.unit_id)
        assert plan.new_tasks == 1
        assert len(of.tasks) < of.policy.max_tasks, "a task beyond the app's limit"
        rest = unit_rest(of, one.turnarounds, NOW)
        usual = median_low(one.turnarounds)
        ages = [NOW - (t.sent_at or 0) for t in of.tasks if t.state == "in_progress"]
        young = sum(1 for age in ages if age <= YOUNG * usual)
        assert rest is not None
        assert rest > GAIN * usual or young < of.policy.quorum + SPARE_MAX, "copies of no use"
        assert all(t.state != "unsent" for t in of.tasks), "a copy waits already"
        assert plan.target is not None
        assert plan.target >= of.target, "a target was lowered"


@given(tails())
def test_deciding_again_on_the_outcome_gives_no_second_copy(one: TailSnapshot) -> None:
    chosen = {plan.unit_id for plan in decide_tail(one, NOW)}
    after = tuple(
        unit(u.id, *u.tasks, task(10 * u.id + 9, 0, "unsent"), policy=u.policy)
        if u.id in chosen
        else u
        for u in one.units
    )
    again = decide_tail(TailSnapshot(after, one.turnarounds, one.idle), NOW)
    assert not chosen & {plan.unit_id for plan in again}


@given(tails())
def test_a_pass_makes_no_further_tasks_for_a_raised_target(one: TailSnapshot) -> None:
    """The tail's copy is counted by the unit's own decision: it does not ask for another."""
    for plan in decide_tail(one, NOW):
        (of,) = (u for u in one.units if u.id == plan.unit_id)
        grown = unit(of.id, *of.tasks, task(10 * of.id + 9, 0, "unsent"), policy=of.policy)
        assert decide_unit(grown, NOW).new_tasks <= decide_unit(of, NOW).new_tasks
