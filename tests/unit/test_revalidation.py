"""What another validator would change in a unit: the decision undone, and made again."""

import msgspec
import pytest

from idlegrid_server.domain.model import Hold, Relation, TaskChange, UnitChange, UnitPlan
from idlegrid_server.domain.quorum import pair, questions
from idlegrid_server.domain.revalidation import TaskDiff, UnitDiff, after, difference, undecided
from idlegrid_server.domain.unit import decide_unit, reopen_unit
from idlegrid_shared.documents import Policy

from .unit_story import NOW, bytes_of, failed, out, returned, unit, unsent

A, B, C = (bytes_of(word) for word in "abc")
POLICY = Policy(max_tasks=2)
ALL = frozenset({A, B, C})


def knows(*agree: tuple[bytes, bytes], **more: frozenset[bytes]) -> Relation:
    pairs = {pair(a, b) for a, b in ((A, B), (A, C), (B, C))}
    close = {pair(a, b) for a, b in agree}
    good = ALL - frozenset().union(*more.values())
    return Relation(good=good, agree=frozenset(close), differ=frozenset(pairs - close), **more)


def agreed(*words: str, **more: object):
    """A decided unit; the first word is canonical."""
    tasks = [returned(n, word, verdict="valid") for n, word in enumerate(words)]
    return unit(
        *tasks,
        **{
            "state": "assimilated",
            "canonical_task": 100,
            "canonical_manifest": bytes_of(words[0]),
            "batch_state": "complete",
            "stage_state": "complete",
            "policy": POLICY,
            **more,
        },
    )


def test_what_the_new_rule_agrees_with_stays_as_it_is() -> None:
    for relation, words in ((knows((A, B)), "ab"), (None, "aa"), (knows(), "aa")):
        before = agreed(*words)
        diff = difference(before, relation, NOW)
        assert diff == UnitDiff(0, "assimilated", "assimilated", canonical=words != "aa" and A > B)
        assert bool(diff) == (words != "aa" and A > B)


def test_results_that_agree_no_longer_lose_their_verdicts() -> None:
    diff = difference(agreed("a", "b"), knows(), NOW)
    assert diff == UnitDiff(
        0,
        "assimilated",
        "failed",
        canonical=True,
        tasks=(TaskDiff(0, "valid", "inconclusive"), TaskDiff(1, "valid", "inconclusive")),
    )
    more = difference(agreed("a", "b", policy=Policy()), None, NOW)
    assert more is not None
    assert (more.after, more.canonical) == ("open", True), "it would need another task"


def test_an_output_that_fails_a_check_is_invalid_and_one_that_cannot_be_read_as_well() -> None:
    """It has credit, so it is no error: credit is only for results."""
    diff = difference(agreed("a", "b", "c"), knows((B, C), failed=frozenset({A})), NOW)
    assert diff is not None
    assert diff.tasks == (TaskDiff(0, "valid", "invalid"),)
    assert diff.canonical
    assert diff.after == "assimilated"
    unread = difference(agreed("a", "b", "c"), knows((B, C), unreadable=frozenset({A})), NOW)
    assert unread is not None
    assert unread.tasks == (TaskDiff(0, "valid", "invalid"),)


def test_a_failed_unit_may_be_rescued() -> None:
    before = unit(
        returned(0, "a", verdict="inconclusive"),
        returned(1, "b", verdict="inconclusive"),
        state="failed",
        reason="too_many_tasks",
        policy=POLICY,
        batch_state="complete_with_failures",
        stage_state="complete",
    )
    diff = difference(before, knows((A, B)), NOW)
    assert diff is not None
    assert (diff.before, diff.after, diff.canonical) == ("failed", "assimilated", True)
    assert [task.after for task in diff.tasks] == ["valid", "valid"]
    same = difference(before, knows(), NOW)
    assert same == UnitDiff(0, "failed", "failed", canonical=False)
    assert not same


def test_what_could_not_be_read_is_looked_at_again() -> None:
    unread = msgspec.structs.replace(
        failed(1, "validator_error"), manifest=B, received_at=NOW, ops=5
    )
    before = unit(returned(0, "a", verdict="inconclusive"), unread, state="failed", policy=POLICY)
    opened = undecided(before, Relation(), NOW)
    assert opened is not None
    assert set(questions(opened).outputs) == {A, B}
    diff = difference(before, knows((A, B)), NOW)
    assert diff is not None
    assert diff.tasks == (TaskDiff(0, "inconclusive", "valid"), TaskDiff(1, "error", "valid"))


@pytest.mark.parametrize("state", ["open", "provisional", "cancelled", "retired"])
def test_a_unit_that_is_not_decided_has_nothing_to_change(state: str) -> None:
    before = unit(returned(0, "a"), state=state, canonical_manifest=A)
    assert undecided(before, knows(), NOW) is None
    assert difference(before, knows(), NOW) is None


def test_a_unit_as_it_would_be_opened_again() -> None:
    opened = undecided(agreed("a", "b"), knows(), NOW)
    assert opened is not None
    assert (opened.state, opened.batch_state, opened.stage_state) == ("open", "running", "running")
    assert (opened.canonical_task, opened.canonical_manifest) == (None, None)
    assert [(t.state, t.verdict, t.credit_micro) for t in opened.tasks] == [
        ("success", "inconclusive", 7)
    ] * 2
    assert opened.relation == knows()


def test_a_plan_applied_in_memory_is_what_the_store_would_hold() -> None:
    before = unit(returned(0, "a"), returned(1, "a"), unsent(2), out(3))
    plan = decide_unit(before, NOW)
    done = after(before, plan)
    assert done.state == "assimilated"
    assert (done.canonical_task, done.canonical_manifest) == (100, A)
    assert [(t.state, t.verdict, t.reason) for t in done.tasks] == [
        ("success", "valid", "agrees"),
        ("success", "valid", "agrees"),
        ("unneeded", None, "decided"),
        ("in_progress", None, ""),
    ]
    assert all(t.credit_micro for t in done.tasks[:2])
    opened = after(done, reopen_unit(done, NOW))
    assert (opened.state, opened.canonical_task, opened.canonical_manifest) == ("open", None, None)
    assert [t.credit_micro for t in opened.tasks[:2]] == [t.credit_micro for t in done.tasks[:2]]


def test_every_part_of_a_plan_is_taken_over() -> None:
    before = unit(failed(0, "validator_error"), returned(1, "b"), target=2)
    hold = Hold(11, 20)
    plan = UnitPlan(
        1,
        5,
        steps=(UnitChange("provisional", "single"),),
        tasks=(
            TaskChange(100, "success", None, "read_again"),
            TaskChange(101, "error", None, "validator_error"),
        ),
        target=4,
        canonical_task=101,
        canonical_manifest=B,
        hold=hold,
    )
    done = after(before, plan)
    assert [(t.state, t.verdict, t.reason) for t in done.tasks] == [
        ("success", "pending", "read_again"),
        ("error", None, "validator_error"),
    ]
    assert (done.state, done.target, done.hold) == ("provisional", 4, hold)
    assert (done.canonical_task, done.canonical_manifest) == (101, B)
    nothing = after(done, UnitPlan(1, 5))
    assert (nothing.state, nothing.target, nothing.canonical_manifest) == ("provisional", 4, B)


def test_what_a_validator_is_asked_depends_on_where_the_unit_stands() -> None:
    nothing = Relation()
    opened = unit(returned(0, "a"), returned(1, "b"), relation=nothing)
    assert questions(opened).pairs == (pair(A, B),)
    decided = msgspec.structs.replace(
        agreed("a", "a"), tasks=(*agreed("a", "a").tasks, returned(2, "b"), returned(3, "c"))
    )
    asked = questions(msgspec.structs.replace(decided, relation=nothing))
    assert set(asked.pairs) == {pair(A, B), pair(A, C)}, "stragglers, with the canonical one alone"
    assert set(asked.outputs) == {B, C}
    for state in ("cancelled", "retired"):
        assert not questions(msgspec.structs.replace(opened, state=state))
    assert not questions(unit(returned(0, "a"), returned(1, "b")))
