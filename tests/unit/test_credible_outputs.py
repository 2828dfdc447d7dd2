"""Trust beside a validator: what must be looked at before one host's word is taken, and after."""

import msgspec
import pytest

from idlegrid_server.domain import trust
from idlegrid_server.domain.model import Relation, TaskSnapshot, UnitPlan
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

from .test_credible import POLICY, held, proven, single
from .unit_story import NOW, bytes_of, returned, steps, task_ends

X, Y = bytes_of("x"), bytes_of("y")
PAIR = (X, Y) if X < Y else (Y, X)
KNOWN = Relation(good=frozenset({X, Y}))
NEAR = msgspec.structs.replace(KNOWN, agree=frozenset({PAIR}))
FAR = msgspec.structs.replace(KNOWN, differ=frozenset({PAIR}))
AUDIT_7 = 0.26017240041403605  # by hand: BLAKE2b, 8 bytes, key b"seed", of b"audit:7"
BOINC = Policy(replication="adaptive")


def reasons(plan: UnitPlan) -> dict[int, str]:
    return {change.task_id - 100: change.reason for change in plan.tasks if change.reason}


def test_an_output_is_looked_at_before_its_hosts_word_is_taken() -> None:
    waits = decide_unit(single(returned(0, "x"), relation=Relation(), standings=(proven(0),)), NOW)
    assert (waits.compare, steps(waits), waits.new_tasks) == (True, [], 0)
    known = decide_unit(single(returned(0, "x"), relation=KNOWN, standings=(proven(0),)), NOW)
    assert (known.compare, steps(known)) == (False, [("provisional", "single")])


@pytest.mark.parametrize("policy", [POLICY, BOINC])
def test_close_results_agree_and_others_do_not(policy: Policy) -> None:
    two = (returned(0, "x"), returned(1, "y"))
    more: dict[str, object] = {
        "policy": policy,
        "target": 2,
        "standings": (proven(0), proven(1)),
    }
    near = decide_unit(single(*two, relation=NEAR, **more), NOW)
    assert [state for state, _ in steps(near)] == ["valid", "assimilated"]
    assert task_ends(near) == {0: (None, "valid"), 1: (None, "valid")}
    far = decide_unit(single(*two, relation=FAR, **more), NOW)
    assert (steps(far), far.target, far.new_tasks) == ([], 3, 1)
    assert set(task_ends(far).values()) == {(None, "inconclusive")}


def test_what_is_held_waits_for_the_validator_too() -> None:
    unknown = msgspec.structs.replace(KNOWN, good=frozenset({X}))
    waits = decide_unit(held(returned(1, "y"), standing=proven(0), relation=unknown, target=2), NOW)
    assert (waits.compare, steps(waits)) == (True, [])
    assert waits.hold is not None, "and goes on being held"


def test_an_audit_that_is_close_ends_the_wait() -> None:
    both = held(returned(1, "y"), standing=proven(0), relation=NEAR, target=2)
    both = msgspec.structs.replace(both, standings=(proven(0), proven(1)))
    plan = decide_unit(both, NOW)
    assert steps(plan) == [("valid", "believed"), ("assimilated", "indexed")]


def test_an_output_that_is_refused_by_itself_is_held_no_more() -> None:
    bad = Relation(failed=frozenset({X}))
    plan = decide_unit(held(standing=proven(0), relation=bad), NOW)
    assert steps(plan)[0] == ("open", "fails_check")
    assert task_ends(plan)[0] == (None, "invalid")
    assert plan.new_tasks == 1


def test_a_held_unit_whose_result_is_gone_is_opened() -> None:
    for missing in ({"canonical_task": None}, {"canonical_task": 999}, {"hold": None}):
        plan = decide_unit(held(standing=proven(0), **missing), NOW)
        assert steps(plan)[0] == ("open", "host_caught"), missing


def test_what_a_single_is_worth_is_noted_while_it_is_held() -> None:
    plan = decide_unit(single(returned(0, "x", ops=432_000_000_000), standings=(proven(0),)), NOW)
    (change,) = plan.tasks
    assert change.pending_micro is not None
    assert change.pending_micro > 0


def test_a_caught_hosts_result_waits_in_the_words_of_its_reason() -> None:
    caught = proven(0, caught_at=NOW)
    plan = decide_unit(single(returned(0, "x"), standings=(caught,)), NOW)
    assert reasons(plan) == {0: "host_caught"}
    assert task_ends(plan) == {0: (None, "inconclusive")}


def test_results_without_agreement_end_it_at_the_policys_number_and_not_before() -> None:
    """`max_successes` is 3: three may differ, a fourth is one too many."""

    def differ(count: int) -> tuple[TaskSnapshot, ...]:
        return tuple(returned(n, f"answer {n}") for n in range(count))

    three = decide_unit(single(*differ(3), target=3), NOW)
    assert (steps(three), three.target, three.new_tasks) == ([], 4, 1)
    four = decide_unit(single(*differ(4), target=4), NOW)
    assert steps(four) == [("failed", "no_agreement")]


def test_who_is_out_already_is_shut_out_no_further() -> None:
    for state in ("quarantined", "banned", "retired"):
        assert trust.next_standing(state, 0.0, 5.0) is None
    assert trust.next_standing("trusted", 9.0, 1.0) == ("probation", "check_failed")
    assert trust.next_standing("probation", 9.0, 1.0) is None
    assert trust.next_standing("trusted", 9.0, trust.FAILED_TWICE) == (
        "quarantined",
        "results_differ",
    )
    assert trust.next_standing("trusted", 1.2, 1.2) == ("probation", "check_failed")
    assert trust.next_standing("trusted", 1.1, 1.2) == ("quarantined", "results_differ")


def test_draws_for_several_purposes_are_apart_and_always_the_same() -> None:
    """Written down once, since every unit that is held now was drawn by it."""
    assert trust.draw(b"seed", "audit", 7) == pytest.approx(AUDIT_7, abs=1e-12)
    assert trust.draw(b"seed", "streak", 7) != trust.draw(b"seed", "audit", 7)
    long = bytes(range(70))
    assert trust.draw(long, "audit", 7) == trust.draw(long[:64], "audit", 7)
    drawn = [trust.is_audited(b"seed", n, POLICY) for n in range(300)]
    share = POLICY.audit / (2.0 - POLICY.audit)
    assert drawn == [trust.draw(b"seed", "audit", n) < share for n in range(300)]
