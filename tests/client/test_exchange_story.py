"""When the client talks to its server, what it says, and what it does when that fails."""

import pytest

from idlegrid_client.core.event import (
    Answer,
    Enrolled,
    ExchangeFailed,
    KeyRenewed,
    MachineChanged,
    ProblemReceived,
    ProjectAttached,
    ReplyReceived,
    Started,
    TaskFinished,
    Timer,
)
from idlegrid_client.core.instruction import (
    CloseExchange,
    Enrol,
    NewDeviceKey,
    Notify,
    SaveProject,
    SendExchange,
    StartTask,
)
from idlegrid_client.core.limit import BLOCKED_RETRY_S, CONTACT_MAX_S, HEARTBEAT_S, REFRESH_S
from idlegrid_client.core.model import Pending
from idlegrid_shared.wire import Machine, Notice, Want

from .story import T0, US, WEEK, P, Story, changed, offer, project, reply, success


def of(instructions: list, kind: type) -> list:
    return [i for i in instructions if isinstance(i, kind)]


def test_the_first_thing_is_to_enrol_and_then_to_ask() -> None:
    story = Story()
    begun = story.tell(Started((project(enrolled=False),), ()))
    assert [type(i) for i in begun] == [Enrol]
    assert story.tell(Timer(), 5) == [], "one thing at a time"
    known = story.tell(Enrolled(P))
    assert [type(i) for i in known] == [SaveProject, SendExchange]
    sent = of(known, SendExchange)[0]
    assert sent.seq == 1
    assert sent.machine == Machine(name="box")
    assert sent.want == Want(tasks=2, memory_bytes=1_000, disk_bytes=2**62)


def test_a_project_attached_while_running_begins_at_once() -> None:
    story = Story()
    story.tell(Started((), ()))
    assert of(story.tell(ProjectAttached(project(enrolled=False))), Enrol)


def test_the_next_contact_is_when_the_server_says() -> None:
    story = Story().attached()
    story.answered(next_contact_s=300.0)
    assert story.wait == T0 + 300 * US
    assert story.tell(Timer(), 299) == []
    assert of(story.tell(Timer(), 1), SendExchange)


@pytest.mark.parametrize(("asked_s", "kept_s"), [(0.0, 1.0), (1e9, CONTACT_MAX_S)])
def test_no_server_can_make_us_hammer_or_vanish(asked_s: float, kept_s: float) -> None:
    story = Story().attached()
    story.answered(next_contact_s=asked_s)
    assert story.project.next_contact_at == T0 + int(kept_s * US)


def test_without_an_answer_the_same_request_is_sent_again() -> None:
    """It may have been done already; only its id lets the server recognise it."""
    story = Story().attached()
    first = story.project.pending
    assert first is not None
    story.tell(ExchangeFailed(P, "no answer"))
    again = of(story.later(5), SendExchange)[0]
    assert (again.request_id, again.seq, again.again) == (first.request_id, first.seq, True)
    assert story.project.pending == first


def test_an_unanswered_request_survives_a_restart() -> None:
    story = Story()
    pending = Pending("r" * 32, 7, ("task_1",))
    begun = story.tell(Started((project(seq=7, pending=pending),), ()))
    assert begun == [SendExchange(P, "r" * 32, 7, again=True)]


def test_failures_are_further_and_further_apart_up_to_an_hour() -> None:
    story = Story().attached()
    pauses = []
    for _ in range(20):
        story.tell(ExchangeFailed(P, "no answer"))
        pause_s = (story.project.next_contact_at - story.now) / US
        pauses.append(pause_s)
        story.later(pause_s)
    assert pauses[0] <= 1.0
    assert all(1800 <= p <= 3600 for p in pauses[-3:])
    assert pauses[5] > pauses[1]


def test_the_server_may_ask_for_a_longer_pause() -> None:
    story = Story().attached()
    story.tell(ProblemReceived(P, 429, "slow_down", "too often", retry_after_s=120.0))
    assert story.project.next_contact_at == T0 + 120 * US
    assert story.project.pending is not None, "the request stays the same"


def test_each_new_request_has_a_new_id_and_the_next_number() -> None:
    story = Story().attached()
    first = story.project.pending
    story.answered()
    second = of(story.later(), SendExchange)[0]
    assert first is not None
    assert second.seq == first.seq + 1
    assert second.request_id != first.request_id


def test_an_answer_to_another_request_changes_nothing() -> None:
    story = Story().attached()
    before = story.state
    assert story.tell(ReplyReceived(P, "somebody else's", reply(offers=(offer(),)))) == []
    assert story.state == before


def test_an_unknown_host_enrols_again_and_repeats_its_request() -> None:
    story = Story().attached()
    first = story.project.pending
    story.tell(ProblemReceived(P, 401, "unknown_host", "who are you?"))
    assert of(story.later(2), Enrol)
    repeated = of(story.tell(Enrolled(P)), SendExchange)[0]
    assert repeated.again
    assert story.project.pending == first


def test_a_clone_takes_a_new_key_and_forgets_the_tasks_of_the_old_one() -> None:
    """A copied disk: the other machine goes on with the old key and reports those tasks."""
    story = Story().reporting()
    kinds = [
        type(i).__name__
        for i in story.tell(ProblemReceived(P, 409, "clone", "that number was used"))
    ]
    assert kinds == ["Notify", "ForgetTask", "CloseExchange", "NewDeviceKey", "SaveProject"]
    assert not story.has()
    assert story.tell(Timer(), 100) == [], "nothing is said before the new key is there"
    assert of(story.tell(KeyRenewed(P)), Enrol)
    sent = of(story.tell(Enrolled(P)), SendExchange)[0]
    assert (sent.seq, sent.reports, sent.held) == (1, (), ())
    assert sent.machine is not None


def test_a_conflict_ends_the_request_but_not_the_report() -> None:
    story = Story().reporting()
    first = story.project.pending
    assert first is not None
    ended = story.tell(ProblemReceived(P, 409, "conflict", "other bytes under this id"))
    assert of(ended, CloseExchange) == [CloseExchange(P, first.seq)]
    sent = of(story.later(30), SendExchange)[0]
    assert sent.request_id != first.request_id
    assert sent.seq == first.seq + 1
    assert sent.reports == ("task_1",), "the result is still to be delivered"


def test_a_report_that_the_server_cannot_read_does_not_block_the_others() -> None:
    """One poisoned report: requests shrink, and what was refused comes last."""
    story = Story(cores=4).attached()
    story.running(*(offer(f"task_{n}") for n in range(1, 5)))
    for n in range(1, 5):
        story.tell(TaskFinished(P, f"task_{n}", success()))
    sent = of(story.later(), SendExchange)[0]
    assert len(sent.reports) == 4
    delivered: set[str] = set()

    for _ in range(60):
        if "task_1" in sent.reports:
            said = story.tell(ProblemReceived(P, 400, "malformed", "cannot be read"))
        else:
            delivered.update(sent.reports)
            answers = tuple(Answer(t, "accepted", receipted=True) for t in sent.reports)
            said = story.answered(answers=answers)
        sends = of(said, SendExchange)
        while not sends:
            sends = of(story.later((story.wait - story.now) / US), SendExchange)
        sent = sends[0]
        if delivered == {"task_2", "task_3", "task_4"}:
            break
    assert delivered == {"task_2", "task_3", "task_4"}
    assert story.has("task_1")


@pytest.mark.parametrize(("status", "code"), [(403, "banned"), (426, "upgrade")])
def test_a_host_that_is_not_wanted_asks_once_a_day(status: int, code: str) -> None:
    story = Story().attached()
    told = story.tell(ProblemReceived(P, status, code, "results that were wrong"))
    assert of(told, Notify)[0].level == "error"
    assert story.project.blocked == "results that were wrong"
    assert story.project.next_contact_at == T0 + int(BLOCKED_RETRY_S * US)


def test_a_server_without_work_is_asked_again_when_it_says() -> None:
    story = Story().attached()
    story.answered(next_contact_s=30.0)
    assert story.project.last_wanted == 2
    assert story.project.last_given == 0
    assert of(story.later(30), SendExchange)[0].want is not None


def test_with_full_hands_only_a_heartbeat_is_sent() -> None:
    """It brings cancellations; a host that computes for a day must hear of them."""
    story = Story().attached()
    story.running(offer("task_1", deadline_s=10**6), offer("task_2", deadline_s=10**6))
    assert not of(story.later(HEARTBEAT_S - 1), SendExchange)
    sent = of(story.later(2), SendExchange)[0]
    assert sent.held == ("task_1", "task_2")
    assert sent.want is None


def test_the_timestamp_is_renewed_even_when_nothing_is_wanted() -> None:
    story = Story(cores=0).attached()
    assert not of(story.tell(Timer()), SendExchange)
    story = Story(cores=0)
    story.tell(Started((project(last_reply_at=T0),), ()))
    assert of(story.later(REFRESH_S + 1), SendExchange)


def test_with_a_stale_timestamp_work_is_finished_and_none_is_started() -> None:
    story = Story(cores=1).attached()
    story.running(offer("task_1", deadline_s=10**7), offer("task_2", deadline_s=10**7))
    assert story.task("task_1").phase == "running"
    story.now = T0 + WEEK + US

    finished = story.tell(TaskFinished(P, "task_1", success()))
    assert not of(finished, StartTask)
    assert story.task("task_1").phase == "reporting", "what ran is delivered"
    assert story.task("task_2").phase == "ready"
    renewed = story.answered(timestamp_expires_at=story.now + WEEK)
    assert of(renewed, StartTask) == [StartTask(P, "task_2")]


def test_the_machine_is_told_when_it_changed_and_now_and_then() -> None:
    story = Story().attached()
    story.answered()
    assert of(story.later(), SendExchange)[0].machine is None
    story.answered()
    story.tell(MachineChanged(Machine(name="box", cores=4), 2**40))
    assert of(story.later(), SendExchange)[0].machine == Machine(name="box", cores=4)
    story.answered()
    assert of(story.later(2 * REFRESH_S), SendExchange)[0].machine is not None


def test_notices_of_the_server_reach_the_volunteer() -> None:
    story = Story().attached()
    told = story.answered(notices=(Notice("info", "hello", "We moved to a new house."),))
    assert of(told, Notify) == [Notify("info", "hello", "We moved to a new house.", P)]


def test_a_clock_set_back_by_years_does_not_make_us_wait_for_years() -> None:
    story = Story().attached()
    story.answered(next_contact_s=60.0)
    story.now -= 10 * 365 * 86_400 * US
    assert of(story.tell(Timer()), SendExchange)


def test_too_many_reports_are_spread_over_several_requests() -> None:
    story = Story(cores=300).attached()
    offers = tuple(offer(f"task_{n}", memory_bytes=1) for n in range(300))
    story.running(*offers)

    for n in range(300):
        story.tell(TaskFinished(P, f"task_{n}", success()))
    sent = of(story.later(), SendExchange)[0]
    assert len(sent.reports) == 200
    assert len(sent.held) == 100


def test_after_a_change_of_state_the_project_is_saved() -> None:
    story = Story().attached()
    told = story.tell(ProblemReceived(P, 403, "banned", "no"))
    saved = of(told, SaveProject)[0]
    assert saved.project.blocked == "no"
    assert changed(saved.project, blocked="").enrolled
    assert not of(told, NewDeviceKey)
