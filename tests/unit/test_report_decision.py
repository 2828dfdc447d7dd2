"""What a host's report does, word for word: what is taken, as what, and what a refusal says."""

import msgspec
import pytest

from idlegrid_server.domain.model import TaskSnapshot, TaskState
from idlegrid_server.domain.reason import BATCH, HOST, TASK, UNIT, sentence
from idlegrid_server.domain.report import ABORTS, UNBELIEVED, ReportDecision, accept_report
from idlegrid_server.domain.resend import Resend, extended_deadline, find_lost
from idlegrid_server.domain.transition import InvalidTransition, check_transition

HOST_ID = 4
NO_TASK = "There is no such task here."
NOT_YOURS = "This task was never given to this computer."
LEFT = "It was given up when this computer left the project; another does it now."
REPLACED = (
    "It came after its deadline, and its owner has another copy of the same work, which counts "
    "instead."
)
FOREIGN = (
    "It came after its deadline, and a computer of another kind has begun the work anew; their "
    "results could not be compared."
)
TAKEN = ReportDecision("accepted", "success", "pending", "ok")


def task(state: TaskState = "in_progress") -> TaskSnapshot:
    return TaskSnapshot(id=1, n=0, state=state, host_id=HOST_ID)


def test_reports_of_what_is_not_the_hosts_are_refused_in_words() -> None:
    assert accept_report(None, HOST_ID, "success", "ok") == ReportDecision("refused", text=NO_TASK)
    other = accept_report(task(), HOST_ID + 1, "success", "ok")
    assert other == ReportDecision("refused", text=NOT_YOURS)
    gone = accept_report(task("lost"), HOST_ID, "success", "ok")
    assert gone == ReportDecision("refused", text=LEFT)


@pytest.mark.parametrize("state", ["success", "error", "aborted", "unneeded"])
def test_what_has_come_already_is_acknowledged_and_not_repeated(state: TaskState) -> None:
    assert accept_report(task(state), HOST_ID, "success", "ok") == ReportDecision("duplicate")


@pytest.mark.parametrize(("replaced", "foreign"), [(False, False), (True, False), (False, True)])
def test_a_result_in_time_is_taken_whatever_became_of_its_unit(
    replaced: bool, foreign: bool
) -> None:
    found = accept_report(task(), HOST_ID, "success", "ok", replaced=replaced, foreign=foreign)
    assert found == TAKEN


def test_a_late_result_is_taken_unless_somebody_else_speaks_for_it() -> None:
    late = task("timed_out")
    assert accept_report(late, HOST_ID, "success", "ok") == TAKEN
    replaced = accept_report(late, HOST_ID, "success", "ok", replaced=True)
    assert replaced == ReportDecision("refused", text=REPLACED)
    foreign = accept_report(late, HOST_ID, "success", "ok", foreign=True)
    assert foreign == ReportDecision("refused", text=FOREIGN)


def test_a_late_error_is_taken_whoever_has_the_unit_now() -> None:
    late = task("timed_out")
    wanted = ReportDecision("accepted", "error", None, "trap")
    assert accept_report(late, HOST_ID, "error", "trap", replaced=True, foreign=True) == wanted


@pytest.mark.parametrize("reason", sorted(UNBELIEVED))
def test_what_a_client_does_not_believe_has_one_name_here(reason: str) -> None:
    wanted = ReportDecision("accepted", "error", None, "verify_failed")
    assert accept_report(task(), HOST_ID, "error", reason) == wanted


@pytest.mark.parametrize("reason", ["ok", "", "no such reason", "OK"])
def test_a_reason_that_is_none_becomes_another_error(reason: str) -> None:
    wanted = ReportDecision("accepted", "error", None, "other_error")
    assert accept_report(task(), HOST_ID, "error", reason) == wanted


def test_what_the_volunteer_stopped_counts_against_nobody_and_nothing_else_does_so() -> None:
    for reason in sorted(ABORTS & TASK.keys()):
        stopped = accept_report(task(), HOST_ID, "aborted", reason)
        assert stopped == ReportDecision("accepted", "aborted", None, reason)
        claimed = accept_report(task(), HOST_ID, "error", reason)
        assert claimed == ReportDecision("accepted", "error", None, reason)
    assert accept_report(task(), HOST_ID, "aborted", "trap").state == "error"


def test_what_a_host_lost_is_offered_until_its_deadline_and_never_at_it() -> None:
    def held(task_id: int, deadline: int) -> TaskSnapshot:
        return msgspec.structs.replace(task(), id=task_id, sent_at=100, deadline_at=deadline)

    tasks = [held(3, 201), held(1, 200), held(2, 300)]
    assert find_lost(tasks, (), (), 200, 5) == (Resend(2, 300), Resend(3, 250))
    assert find_lost(tasks, (), (), 200, 1) == (Resend(2, 300),)
    assert find_lost(tasks, (2,), (3,), 200, 5) == ()
    assert find_lost(tasks, (), (), 200, 0) == ()
    assert find_lost(tasks, (), (), 200, -1) == ()


def test_a_deadline_is_extended_by_half_its_span_in_whole_microseconds() -> None:
    odd = msgspec.structs.replace(task(), sent_at=100, deadline_at=201)
    assert extended_deadline(odd, 200) == 250
    assert isinstance(extended_deadline(odd, 200), int)
    assert extended_deadline(odd, 110) == 201


def test_a_step_that_no_table_has_is_told_with_the_story() -> None:
    with pytest.raises(InvalidTransition) as caught:
        check_transition("unit", "", "failed", ("made", "sent"))
    told = "a unit cannot go from nothing to failed:\n  made\n  sent"
    assert str(caught.value) == told
    assert (caught.value.kind, caught.value.before, caught.value.after) == ("unit", "", "failed")
    with pytest.raises(InvalidTransition, match=r"from valid to failed: \(no story\)$"):
        check_transition("unit", "valid", "failed")


def test_every_reason_has_its_sentence_under_its_kind() -> None:
    for kind, table in (("task", TASK), ("unit", UNIT), ("batch", BATCH), ("host", HOST)):
        for code, text in table.items():
            assert sentence(kind, code) == text
    for code, text in BATCH.items():
        assert sentence("stage", code) == text
