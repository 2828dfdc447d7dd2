"""Units that start with one task: held, audited, made final, asked again, given up."""

import msgspec
import pytest

from idlegrid_server.domain import trust
from idlegrid_server.domain.model import Fleet, Hold, Standing, UnitSnapshot
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

from .unit_story import (
    NOW,
    SECOND,
    bytes_of,
    check_plan,
    failed,
    out,
    returned,
    steps,
    task_ends,
    unit,
    unsent,
)

POLICY = Policy(replication="credibility", max_tasks=6, max_errors=1, max_successes=3)
MANY = Fleet(active=20, proven=5)


def seed(audited: bool) -> bytes:
    """A seed by which unit 1 is audited, or is not."""
    for n in range(1_000):
        if trust.is_audited(b"%d" % n, 1, POLICY) == audited:
            return b"%d" % n
    raise AssertionError


def proven(n: int, **more: object) -> Standing:
    return Standing(10 + n, state="trusted", passed=9.0, checks=12, **more)  # type: ignore[arg-type]


def single(*tasks: object, **more: object) -> UnitSnapshot:
    fields: dict[str, object] = {"policy": POLICY, "target": 1, "draw_seed": seed(False)}
    fields.update(more)
    return unit(*tasks, **fields)  # type: ignore[arg-type]


def held(*more_tasks: object, standing: Standing, **more: object) -> UnitSnapshot:
    fields: dict[str, object] = {
        "state": "provisional",
        "canonical_task": 100,
        "canonical_manifest": bytes_of("x"),
        "hold": Hold(10, 32),
        "standings": (standing,),
    }
    fields.update(more)
    return single(returned(0, "x"), *more_tasks, **fields)


def test_a_proven_host_alone_is_held() -> None:
    before = single(returned(0, "x"), standings=(proven(0),))
    plan = decide_unit(before, NOW)
    check_plan(before, plan)
    assert steps(plan) == [("provisional", "single")]
    assert plan.hold == Hold(10, 32)
    assert (plan.canonical_task, plan.canonical_manifest) == (100, bytes_of("x"))
    assert not plan.assimilate
    assert all((c.state, c.verdict, c.credit_micro) == (None, None, None) for c in plan.tasks)


def test_a_draw_sends_it_to_another_in_secret() -> None:
    before = single(returned(0, "x"), standings=(proven(0),), draw_seed=seed(True), fleet=MANY)
    plan = decide_unit(before, NOW)
    assert (steps(plan), plan.target, plan.new_tasks, plan.rank) == ([], 2, 1, 2)
    assert plan.reserved_until == NOW + 3_600 * SECOND
    assert plan.due_at == plan.reserved_until


def test_a_strangers_word_is_never_enough() -> None:
    plan = decide_unit(single(returned(0, "x"), fleet=Fleet(20, 0)), NOW)
    assert (steps(plan), plan.target, plan.new_tasks, plan.rank) == ([], 2, 1, None)
    two = decide_unit(single(returned(0, "x"), returned(1, "x"), target=2), NOW)
    assert (steps(two), two.target, two.new_tasks) == ([], 3, 1)
    three = decide_unit(single(*(returned(n, "x") for n in range(3)), target=3), NOW)
    assert steps(three) == [("valid", "believed"), ("assimilated", "indexed")]
    assert {check.host_id for check in three.checks} == {10, 11, 12}


def test_without_finality_a_single_stands_at_once() -> None:
    policy = Policy(replication="credibility", finality=0)
    before = single(returned(0, "x"), policy=policy, standings=(Standing(10, passed=20.0),))
    assert steps(decide_unit(before, NOW)) == [("valid", "proven"), ("assimilated", "indexed")]


def test_a_single_becomes_final_when_its_host_has_passed_further_checks() -> None:
    early = held(standing=proven(0))
    plan = decide_unit(early, NOW)
    assert (steps(plan), plan.hold, plan.new_tasks) == ([], Hold(10, 32), 0)
    late = held(standing=msgspec.structs.replace(proven(0), checks=32))
    plan = decide_unit(late, NOW)
    check_plan(late, plan)
    assert steps(plan) == [("valid", "final"), ("assimilated", "indexed")]
    assert plan.hold is None
    assert plan.tasks[0].credit_micro is not None
    assert plan.checks == (), "nobody said the same"


def test_a_host_in_dispute_makes_nothing_final() -> None:
    standing = msgspec.structs.replace(proven(0), checks=99, disputes=1)
    assert steps(decide_unit(held(standing=standing), NOW)) == []


def test_a_caught_hosts_single_is_opened_again() -> None:
    caught = msgspec.structs.replace(proven(0), passed=0.0, checks=99, caught_at=NOW)
    before = held(standing=caught, fleet=MANY)
    plan = decide_unit(before, NOW)
    check_plan(before, plan)
    assert steps(plan) == [("open", "host_caught")]
    assert (plan.new_tasks, plan.rank, plan.hold) == (1, 2, None)
    assert task_ends(plan) == {0: (None, "inconclusive")}


def test_an_audit_that_agrees_ends_the_wait() -> None:
    before = held(returned(1, "x"), standing=proven(0), target=2)
    plan = decide_unit(before, NOW)
    check_plan(before, plan)
    assert steps(plan) == [("valid", "believed"), ("assimilated", "indexed")]
    assert {(c.host_id, c.passed, c.earns) for c in plan.checks} == {
        (10, True, False),
        (11, True, True),
    }


def test_an_audit_that_differs_opens_the_question() -> None:
    before = held(returned(1, "y"), standing=proven(0), target=2, fleet=MANY)
    plan = decide_unit(before, NOW)
    check_plan(before, plan)
    assert steps(plan) == [("open", "audit_differs")]
    assert {change.reason for change in plan.tasks} == {"disputed"}
    assert len(plan.tasks) == 2
    assert (plan.new_tasks, plan.target) == (1, 3)


def test_a_third_voice_settles_it_and_the_liar_is_caught() -> None:
    before = single(
        returned(0, "x", verdict="inconclusive"),
        returned(1, "y", verdict="inconclusive"),
        returned(2, "y"),
        target=3,
        standings=tuple(Standing(10 + n, passed=50.0) for n in range(3)),
    )
    plan = decide_unit(before, NOW)
    assert steps(plan) == [("valid", "believed"), ("assimilated", "indexed")]
    assert task_ends(plan)[0] == (None, "invalid")
    assert {(c.host_id, c.passed) for c in plan.checks} == {
        (10, False),
        (11, True),
        (12, True),
    }


def test_an_audit_under_way_is_not_asked_for_twice() -> None:
    for task in (unsent(1), out(1)):
        plan = decide_unit(held(task, standing=proven(0), target=2), NOW)
        assert (plan.new_tasks, steps(plan)) == (0, [])


@pytest.mark.parametrize("reserved", [NOW - 1, None])
def test_what_no_proven_host_takes_goes_to_anybody(reserved: int | None) -> None:
    before = single(returned(0, "x"), unsent(1), target=2, rank=2, reserved_until=reserved)
    plan = decide_unit(before, NOW)
    assert (plan.rank, plan.reserved_until) == (1, None)
    kept = single(returned(0, "x"), unsent(1), target=2, rank=2, reserved_until=NOW + 5)
    plan = decide_unit(kept, NOW)
    assert (plan.rank, plan.reserved_until, plan.due_at) == (None, NOW + 5, NOW + 5)


def test_limits_end_it() -> None:
    errors = decide_unit(single(failed(0), failed(1)), NOW)
    assert steps(errors) == [("failed", "too_many_errors")]
    words = [returned(n, f"answer {n}") for n in range(4)]
    assert steps(decide_unit(single(*words, target=4), NOW)) == [("failed", "no_agreement")]
    used = [failed(0), *(out(n, deadline=NOW) for n in range(1, 6))]
    assert steps(decide_unit(single(*used), NOW)) == [("failed", "too_many_tasks")]


def test_an_error_is_tried_again_by_a_proven_host() -> None:
    plan = decide_unit(single(failed(0), fleet=MANY), NOW)
    assert (plan.new_tasks, plan.rank) == (1, 2)


def test_a_cancelled_batch_ends_what_is_held() -> None:
    plan = decide_unit(held(standing=proven(0), batch_state="cancelled"), NOW)
    assert steps(plan) == [("cancelled", "batch_cancelled")]


def test_boincs_rule_believes_a_streak() -> None:
    policy = Policy(replication="adaptive")
    long = Standing(10, streak=10**9)
    plan = decide_unit(single(returned(0, "x"), policy=policy, standings=(long,)), NOW)
    assert steps(plan) == [("valid", "streak"), ("assimilated", "indexed")]
    plan = decide_unit(single(returned(0, "x"), policy=policy), NOW)
    assert (steps(plan), plan.target, plan.new_tasks) == ([], 2, 1)
    both = single(returned(0, "x"), returned(1, "x"), policy=policy, target=2)
    assert steps(decide_unit(both, NOW)) == [("valid", "quorum"), ("assimilated", "indexed")]
    differ = single(returned(0, "x"), returned(1, "y"), policy=policy, target=2)
    plan = decide_unit(differ, NOW)
    assert (steps(plan), plan.target, plan.new_tasks) == ([], 3, 1)


def test_a_late_answer_rescues_a_unit_that_was_given_up() -> None:
    before = single(
        failed(0),
        failed(1),
        returned(2, "x"),
        state="failed",
        standings=(Standing(12, house=True),),
    )
    policy = msgspec.structs.replace(POLICY, finality=0)
    plan = decide_unit(msgspec.structs.replace(before, policy=policy), NOW)
    assert steps(plan)[0] == ("open", "rescued")
    assert steps(plan)[-1] == ("assimilated", "indexed")
