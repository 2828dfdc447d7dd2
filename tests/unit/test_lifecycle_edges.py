"""Every edge of BOINC's life cycle that applies here (docs/lifecycle.md), each a named story."""

import msgspec
import pytest

from idlegrid_server.domain.batch import cancel_batch, decide_batch, fail_batch
from idlegrid_server.domain.matching import choose
from idlegrid_server.domain.model import (
    BatchSnapshot,
    Candidate,
    FailurePolicy,
    HostSnapshot,
    Peer,
    Relation,
    StageSnapshot,
    UnitPlan,
    UnitSnapshot,
)
from idlegrid_server.domain.report import accept_report
from idlegrid_server.domain.resend import find_lost
from idlegrid_server.domain.transition import InvalidTransition, check_transition, is_allowed
from idlegrid_server.domain.unit import decide_unit, reopen_unit
from idlegrid_shared.documents import Policy

from .unit_story import (
    HOUR,
    NOW,
    bytes_of,
    check_plan,
    failed,
    out,
    returned,
    silent,
    steps,
    task_ends,
    unit,
    unsent,
)


def decide(snapshot: UnitSnapshot, now: int = NOW) -> UnitPlan:
    plan = decide_unit(snapshot, now)
    check_plan(snapshot, plan)
    assert plan.version == snapshot.version
    return plan


def test_e1_a_unit_is_made_open() -> None:
    assert is_allowed("unit", "", "open")
    assert not is_allowed("unit", "", "valid")


def test_e2_missing_tasks_are_made_up_to_the_target() -> None:
    assert decide(unit()).new_tasks == 2
    assert decide(unit(out(0))).new_tasks == 1
    assert decide(unit(out(0), unsent(1))).new_tasks == 0


def test_e5_unsent_to_in_progress_is_the_only_way_out_with_a_host() -> None:
    assert is_allowed("task", "unsent", "in_progress")
    for state in ("success", "error", "timed_out", "aborted", "lost"):
        assert not is_allowed("task", "unsent", state)


def test_e5_a_sent_task_makes_its_unit_due_at_the_deadline_and_grace() -> None:
    snapshot = unit(out(0, deadline=NOW + 5), out(1, deadline=NOW + 9), policy=Policy(grace_s=2))
    assert decide(snapshot).due_at == NOW + 5 + 2_000_000


def test_e6_unsent_tasks_are_unneeded_once_the_quorum_stands() -> None:
    plan = decide(unit(returned(0, "a"), returned(1, "a"), unsent(2)))
    assert task_ends(plan)[2] == ("unneeded", None)


def test_e6_unsent_tasks_are_unneeded_when_the_batch_is_cancelled() -> None:
    plan = decide(unit(unsent(0), unsent(1), batch_state="cancelled"))
    assert steps(plan) == [("cancelled", "batch_cancelled")]
    assert task_ends(plan) == {0: ("unneeded", None), 1: ("unneeded", None)}


def test_e8_a_success_waits_for_its_verdict() -> None:
    decision = accept_report(out(0), 10, "success", "ok")
    assert (decision.fate, decision.state, decision.verdict) == ("accepted", "success", "pending")


@pytest.mark.parametrize("reason", ["trap", "out_of_ops", "download_failed", "worker_died"])
def test_e9_an_error_is_taken_with_its_reason(reason: str) -> None:
    decision = accept_report(out(0), 10, "error", reason)
    assert (decision.state, decision.verdict, decision.reason) == ("error", None, reason)


def test_e9_an_error_makes_another_task() -> None:
    assert decide(unit(failed(0), out(1))).new_tasks == 1


def test_e9_what_the_volunteer_stops_does_not_count_as_an_error() -> None:
    decision = accept_report(out(0), 10, "aborted", "volunteer")
    assert (decision.state, decision.reason) == ("aborted", "volunteer")
    stopped = [msgspec.structs.replace(failed(n), state="aborted") for n in range(4)]
    plan = decide(unit(*stopped))
    assert plan.steps == ()
    assert plan.new_tasks == 2


def test_e9_a_reason_that_nobody_knows_becomes_one_that_is_known() -> None:
    assert accept_report(out(0), 10, "error", "<script>").reason == "other_error"


def test_e10_deadline_passes_in_silence() -> None:
    plan = decide(unit(out(0, deadline=NOW - 1), out(1)))
    assert task_ends(plan) == {0: ("timed_out", None)}
    assert plan.new_tasks == 1


def test_e10_grace_holds_the_deadline_open() -> None:
    snapshot = unit(out(0, deadline=NOW - 1), out(1), policy=Policy(grace_s=1))
    assert decide(snapshot).tasks == ()


def test_e11_a_host_that_leaves_loses_its_tasks() -> None:
    assert is_allowed("task", "in_progress", "lost")
    lost = msgspec.structs.replace(out(0), state="lost")
    assert decide(unit(lost, out(1))).new_tasks == 1


def test_e12_a_lost_task_is_offered_again_with_time_to_compute_it() -> None:
    task = out(0, deadline=NOW + HOUR // 10)  # sent an hour ago: the span is 1.1 hours
    (again,) = find_lost([task], held=(), reported=(), now=NOW, most=5)
    assert again.task_id == task.id
    assert again.deadline_at == NOW + (HOUR + HOUR // 10) // 2


def test_e12_what_is_held_or_reported_is_not_lost() -> None:
    tasks = [out(0), out(1), out(2, deadline=NOW - 1), out(3)]
    lost = find_lost(tasks, held={100}, reported={101}, now=NOW, most=5)
    assert [again.task_id for again in lost] == [103]


def test_e13_a_cancelled_unit_leaves_its_tasks_out_until_they_report_or_time_out() -> None:
    plan = decide(unit(out(0), out(1), batch_state="cancelled"))
    assert plan.tasks == ()
    assert plan.due_at == NOW + HOUR
    gone = decide(unit(out(0, deadline=NOW - 1), state="cancelled", batch_state="cancelled"))
    assert task_ends(gone) == {0: ("timed_out", None)}


def test_e14_a_late_success_still_counts() -> None:
    decision = accept_report(silent(0), 10, "success", "ok")
    assert (decision.fate, decision.state) == ("accepted", "success")
    assert steps(decide(unit(returned(0, "a"), returned(1, "a"), out(2))))[0][0] == "valid"


def test_e14_a_late_error_is_recorded() -> None:
    assert accept_report(silent(0), 10, "error", "trap").state == "error"


def test_e15_a_report_after_the_host_left_is_refused_and_changes_nothing() -> None:
    """A receipt would have to name a manifest that was never stored, and the client rejects it."""
    lost = msgspec.structs.replace(out(0), state="lost")
    decision = accept_report(lost, 10, "success", "ok")
    assert (decision.fate, decision.state) == ("refused", None)
    assert "left the project" in decision.text


def test_e16_a_second_report_is_acknowledged_and_changes_nothing() -> None:
    for task in (returned(0, "a"), failed(0), msgspec.structs.replace(failed(0), state="aborted")):
        decision = accept_report(task, 10, "success", "ok")
        assert (decision.fate, decision.state) == ("duplicate", None)


def test_e17_another_hosts_task_is_refused() -> None:
    assert accept_report(out(0), 99, "success", "ok").fate == "refused"
    assert accept_report(None, 99, "success", "ok").fate == "refused"


def test_e18_deadlines_come_before_everything_else() -> None:
    plan = decide(unit(returned(0, "a"), returned(1, "a"), out(2, deadline=NOW - 1)))
    assert task_ends(plan)[2] == ("timed_out", None)
    assert steps(plan) == [("valid", "quorum"), ("assimilated", "indexed")]


def test_e19_one_result_is_not_judged_below_the_quorum() -> None:
    plan = decide(unit(returned(0, "a"), out(1)))
    assert plan.steps == ()
    assert plan.tasks == ()


def test_e20_a_result_after_retirement_is_too_late() -> None:
    plan = decide(
        unit(returned(0, "a"), state="retired", batch_state="retired", stage_state="complete")
    )
    assert task_ends(plan) == {0: (None, "too_late")}


def test_e21_too_many_errors_end_the_unit() -> None:
    assert decide(unit(*(failed(n) for n in range(3)), out(3))).steps == ()
    plan = decide(unit(*(failed(n) for n in range(4)), out(4), unsent(5)))
    assert steps(plan) == [("failed", "too_many_errors")]
    assert task_ends(plan) == {5: ("unneeded", None)}


def test_e21_too_many_tasks_end_the_unit_only_when_nothing_out_could_still_save_it() -> None:
    policy = Policy(max_tasks=3, max_errors=9)
    hopeful = unit(silent(0), returned(1, "a"), out(2), policy=policy)
    assert decide(hopeful).steps == ()
    hopeless = unit(silent(0), returned(1, "a"), silent(2), policy=policy)
    assert steps(decide(hopeless)) == [("failed", "too_many_tasks")]


def test_e22_what_was_returned_stays_undecided_when_the_unit_fails() -> None:
    plan = decide(unit(returned(0, "a"), *(failed(n) for n in range(1, 5))))
    assert task_ends(plan) == {0: (None, "inconclusive")}


def test_e23_retries_replace_what_failed() -> None:
    assert decide(unit(failed(0), silent(1))).new_tasks == 2


def test_e25_nothing_is_due_when_nothing_is_out() -> None:
    assert decide(unit(unsent(0), unsent(1))).due_at is None


def test_e26_a_quorum_makes_a_canonical_result() -> None:
    plan = decide(unit(returned(0, "a"), returned(1, "a")))
    assert steps(plan) == [("valid", "quorum"), ("assimilated", "indexed")]
    assert plan.canonical_task == 100
    assert plan.canonical_manifest == bytes_of("a")
    assert plan.assimilate
    assert task_ends(plan) == {0: (None, "valid"), 1: (None, "valid")}


def test_e26_those_who_differ_from_the_quorum_are_invalid() -> None:
    plan = decide(
        unit(returned(0, "wrong", verdict="inconclusive"), returned(1, "a"), returned(2, "a"))
    )
    assert task_ends(plan)[0] == (None, "invalid")
    assert plan.canonical_task == 101


def test_e26_equal_work_gets_equal_credit_by_the_lowest_count() -> None:
    plan = decide(unit(returned(0, "a", ops=10**12), returned(1, "a", ops=9 * 10**15)))
    granted = {change.credit_micro for change in plan.tasks}
    assert granted == {10**12 * 10**6 // 432_000_000_000}


def test_e26_different_ops_within_one_profile_raise_an_alert_and_no_verdict() -> None:
    plan = decide(unit(returned(0, "a", ops=5), returned(1, "a", ops=6)))
    assert [alert.code for alert in plan.alerts] == ["ops_differ"]
    assert steps(plan)[0] == ("valid", "quorum")
    quiet = decide(unit(returned(0, "a", ops=5), returned(1, "a", ops=6, profile="q")))
    assert quiet.alerts == ()


def test_e26_programs_that_write_their_own_checkpoints_may_differ_in_ops() -> None:
    """What they did again after a checkpoint counts twice; credit is still by the lowest count."""
    results = (returned(0, "a", ops=2 * 10**12), returned(1, "a", ops=10**12))
    for checkpoint, alerts in (("app", []), ("auto", ["ops_differ"]), ("none", ["ops_differ"])):
        plan = decide(unit(*results, checkpoint=checkpoint))
        assert [alert.code for alert in plan.alerts] == alerts, checkpoint
        assert steps(plan)[0] == ("valid", "quorum")
        assert {change.verdict for change in plan.tasks} == {"valid"}
        assert {c.credit_micro for c in plan.tasks} == {10**12 * 10**6 // 432_000_000_000}


def test_e27_disagreement_asks_for_another_result() -> None:
    plan = decide(unit(returned(0, "a"), returned(1, "b")))
    assert task_ends(plan) == {0: (None, "inconclusive"), 1: (None, "inconclusive")}
    assert plan.target == 3
    assert plan.new_tasks == 1


def test_e27_without_agreement_among_too_many_the_unit_fails() -> None:
    plan = decide(
        unit(*(returned(n, f"answer {n}") for n in range(7)), policy=Policy(max_tasks=20))
    )
    assert steps(plan) == [("failed", "no_agreement")]


def test_e28_a_result_that_the_validator_cannot_read_is_an_error() -> None:
    a, b = bytes_of("a"), bytes_of("b")
    looked = Relation(good=frozenset({a}), unreadable=frozenset({b}))
    before = unit(returned(0, "a"), returned(1, "b"), relation=looked)
    plan = decide(before)
    check_plan(before, plan)
    assert task_ends(plan) == {1: ("error", None)}
    assert plan.new_tasks == 1
    paid = unit(returned(0, "a"), msgspec.structs.replace(returned(1, "b"), credit_micro=7))
    plan = decide(msgspec.structs.replace(paid, relation=looked))
    assert task_ends(plan) == {1: (None, "invalid")}, "credit is only for results"


def test_e28_another_validator_may_read_it_again() -> None:
    unread = failed(1, "validator_error")
    before = unit(returned(0, "a", verdict="inconclusive"), unread, failed(2), state="failed")
    plan = reopen_unit(before, NOW)
    check_plan(before, plan)
    assert task_ends(plan) == {1: ("success", None)}


def test_e29_while_a_validator_has_not_looked_the_unit_waits_and_its_tasks_go_on() -> None:
    before = unit(returned(0, "a"), returned(1, "b"), silent(2), relation=Relation(), target=3)
    plan = decide(before)
    assert plan.compare
    assert (plan.steps, plan.tasks, plan.new_tasks) == ((), (), 1)
    errors = [failed(n) for n in range(2, 6)]
    plan = decide(unit(returned(0, "a"), returned(1, "b"), *errors, relation=Relation()))
    assert plan.compare
    assert plan.steps == (), "a quorum that may stand was thrown away with the errors"


def test_e30_a_straggler_is_compared_with_the_canonical_result_alone() -> None:
    decided = {
        "state": "assimilated",
        "canonical_task": 100,
        "canonical_manifest": bytes_of("a"),
        "stage_state": "complete",
        "batch_state": "complete",
    }
    plan = decide(
        unit(
            returned(0, "a", verdict="valid"),
            returned(1, "a", verdict="valid"),
            returned(2, "a"),
            returned(3, "b"),
            **decided,
        )
    )
    assert task_ends(plan) == {2: (None, "valid"), 3: (None, "invalid")}
    granted = {change.task_id: change.credit_micro for change in plan.tasks}
    assert granted == {102: 7, 103: None}


def test_e30_a_straggler_by_other_ops_is_valid_and_told_once() -> None:
    """The partners were told of when they agreed; only what is new is told."""
    decided = {
        "state": "assimilated",
        "canonical_task": 100,
        "canonical_manifest": bytes_of("a"),
    }
    partners = (
        returned(0, "a", verdict="valid", ops=5),
        returned(1, "a", verdict="valid", ops=6),
    )
    for ops, profile, told in ((7, "p", 1), (5, "p", 0), (6, "p", 0), (7, "q", 0)):
        late = returned(2, "a", ops=ops, profile=profile)
        plan = decide(unit(*partners, late, **decided))
        assert task_ends(plan) == {2: (None, "valid")}
        assert [alert.code for alert in plan.alerts] == ["ops_differ"] * told, (ops, profile)


def test_e32_a_decided_unit_is_assimilated_in_the_same_plan() -> None:
    assert decide(unit(returned(0, "a"), returned(1, "a"))).assimilate


def test_e39_ended_units_can_be_retired() -> None:
    for state in ("assimilated", "failed", "cancelled"):
        check_transition("unit", state, "retired")
    with pytest.raises(InvalidTransition):
        check_transition("unit", "open", "retired")


# -- batches ------------------------------------------------------------------------------------


def stage(index: int = 0, **more: object) -> StageSnapshot:
    fields: dict[str, object] = {
        "id": 20 + index,
        "index": index,
        "kind": "map",
        "state": "running",
        "placement": "grid",
        "expected": 10,
        "created": 10,
        "assimilated": 0,
        "failed": 0,
        "cancelled": 0,
    }
    fields.update(more)
    return StageSnapshot(**fields)  # type: ignore[arg-type]


def batch(*stages: StageSnapshot, **more: object) -> BatchSnapshot:
    fields: dict[str, object] = {
        "id": 3,
        "state": "running",
        "version": 1,
        "on_failure": FailurePolicy(),
    }
    fields.update(more)
    return BatchSnapshot(stages=stages, **fields)  # type: ignore[arg-type]


COMBINE = {
    "kind": "combine",
    "placement": "server",
    "state": "waiting",
    "expected": 1,
    "created": 0,
}


def test_e40_cancelling_ends_every_stage_that_lives() -> None:
    plan = cancel_batch(batch(stage(0), stage(1, **COMBINE)), "owner")
    assert [(s.state, s.reason) for s in plan.steps] == [("cancelled", "owner")]
    assert [change.state for change in plan.stages] == ["cancelled", "cancelled"]


def test_e41_there_is_one_way_to_end_a_batch_and_its_units_follow() -> None:
    plan = decide(unit(out(0), unsent(1), stage_state="cancelled", batch_state="cancelled"))
    assert steps(plan) == [("cancelled", "batch_cancelled")]
    failing = decide(unit(unsent(0), unsent(1), stage_state="failed", batch_state="failed"))
    assert steps(failing) == [("cancelled", "batch_failed")]


def test_e42_the_next_stage_starts_when_all_units_of_the_one_before_ended() -> None:
    assert decide_batch(batch(stage(0, assimilated=9), stage(1, **COMBINE))).stages == ()
    plan = decide_batch(batch(stage(0, assimilated=10), stage(1, **COMBINE)))
    assert [(c.stage_id, c.state) for c in plan.stages] == [(20, "complete"), (21, "running")]
    assert [step.state for step in plan.steps] == ["combining"]


def test_e42_a_stage_is_not_complete_while_units_are_still_being_stored() -> None:
    assert decide_batch(batch(stage(0, created=6, assimilated=6))).stages == ()


def test_e42_the_last_stage_asks_for_the_answer() -> None:
    done = stage(1, kind="combine", placement="server", expected=1, created=1, assimilated=1)
    plan = decide_batch(
        batch(stage(0, state="complete", assimilated=10), done, state="combining", revision=4)
    )
    assert plan.answer == 5


def test_on_failure_stop_ends_the_batch_at_the_first_failed_unit() -> None:
    plan = decide_batch(batch(stage(0, assimilated=3, failed=1)))
    assert [(s.state, s.reason) for s in plan.steps] == [("failed", "unit_failed")]
    assert [c.state for c in plan.stages] == ["failed"]


@pytest.mark.parametrize(
    ("policy", "failures", "ends"),
    [
        (FailurePolicy("skip"), 9, ""),
        (FailurePolicy("skip"), 10, "nothing_left"),
        (FailurePolicy("skip", max_units=2), 2, ""),
        (FailurePolicy("skip", max_units=2), 3, "too_many_failures"),
        (FailurePolicy("skip", max_share=0.2), 2, ""),
        (FailurePolicy("skip", max_share=0.2), 3, "too_many_failures"),
    ],
)
def test_on_failure_skip_goes_on_up_to_its_limit(
    policy: FailurePolicy, failures: int, ends: str
) -> None:
    plan = decide_batch(batch(stage(0, failed=failures), on_failure=policy))
    assert [step.reason for step in plan.steps] == ([ends] if ends else [])


def test_a_failed_combine_fails_the_batch_whatever_the_policy() -> None:
    combine = stage(1, kind="combine", placement="server", expected=1, created=1, failed=1)
    plan = decide_batch(
        batch(stage(0, state="complete"), combine, on_failure=FailurePolicy("skip"))
    )
    assert [step.reason for step in plan.steps] == ["combine_failed"]


def test_a_paused_batch_is_left_alone() -> None:
    assert decide_batch(batch(stage(0, assimilated=10), state="paused")).stages == ()
    assert fail_batch(batch(stage(0)), "bad_table").steps[0].state == "failed"


# -- the ten traps --------------------------------------------------------------------------------


def test_trap_3_a_late_success_rescues_a_failed_unit_while_its_batch_lives() -> None:
    story = (returned(0, "a", verdict="inconclusive"), returned(1, "a"), *map(failed, (2, 3, 4, 5)))
    plan = decide(unit(*story, state="failed"))
    assert steps(plan) == [("open", "rescued"), ("valid", "quorum"), ("assimilated", "indexed")]
    late = decide(unit(*story, state="failed", batch_state="failed", stage_state="failed"))
    assert late.steps == ()
    assert task_ends(late) == {1: (None, "inconclusive")}


def test_trap_4_there_is_a_way_back() -> None:
    assimilated = unit(
        returned(0, "a", verdict="valid"),
        returned(1, "a", verdict="valid"),
        state="assimilated",
        canonical_task=100,
        canonical_manifest=bytes_of("a"),
    )
    plan = reopen_unit(assimilated, NOW)
    check_plan(assimilated, plan)
    assert steps(plan) == [("open", "reopened")]
    assert plan.retract
    assert plan.due_at == NOW
    with pytest.raises(ValueError, match="only a decided unit"):
        reopen_unit(unit(), NOW)


def test_trap_10_a_host_never_satisfies_its_own_quorum() -> None:
    host = HostSnapshot(id=1, state="trusted", subnet="10.0.0.0/24", tasks_max=5)
    mine = Candidate(7, 1, (Peer("in_progress", 1, None, "10.0.0.0/24"),))
    assert choose(host, [mine], 1, ("host",)).units == ()


def test_an_unknown_transition_raises_with_the_story() -> None:
    with pytest.raises(InvalidTransition, match="cannot go from assimilated to failed") as caught:
        check_transition("unit", "assimilated", "failed", ["12:00 open → valid: quorum"])
    assert "12:00 open → valid: quorum" in str(caught.value)


def test_deciding_again_changes_nothing() -> None:
    plan = decide(unit(returned(0, "a", verdict="inconclusive"), out(1), target=2))
    assert (plan.steps, plan.tasks, plan.new_tasks, plan.target) == ((), (), 0, None)
