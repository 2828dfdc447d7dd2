"""The life of a task at the client, edge by edge."""

import pytest

from idlegrid_client.core.draft import Draft
from idlegrid_client.core.event import (
    Answer,
    CommandGiven,
    DownloadFailed,
    DownloadFinished,
    ExchangeFailed,
    ProblemReceived,
    RefusedOffer,
    Started,
    TaskFinished,
    TaskInterrupted,
    TaskProgress,
    TaskUntrusted,
    UploadFailed,
    UploadFinished,
)
from idlegrid_client.core.instruction import (
    Download,
    Exit,
    ForgetTask,
    LeaveMemory,
    Notify,
    SaveTask,
    SendExchange,
    StartTask,
    StopTask,
    Upload,
)
from idlegrid_client.core.limit import REOFFERS_MAX, RESULT_KEEP_S
from idlegrid_client.core.model import GONE, UNFINISHED, Result
from idlegrid_client.core.transition import TABLE, InvalidTransition, move

from .story import MODULE, T0, US, P, Story, changed, offer, project, success


def of(instructions: list, kind: type) -> list:
    return [i for i in instructions if isinstance(i, kind)]


def test_a_new_task_is_written_down_before_its_files_are_fetched() -> None:
    """A crash right after the exchange must not lose a task that the server counts as given."""
    story = Story().attached()
    kinds = [type(i).__name__ for i in story.answered(offers=(offer(),))]
    assert kinds == ["SaveTask", "CloseExchange", "Download"]
    assert story.task().phase == "downloading"
    assert story.task().deadline_at == T0 + 3600 * US


def test_a_file_that_two_tasks_need_is_fetched_once() -> None:
    story = Story(cores=2).attached()
    given = story.answered(offers=(offer("task_1"), offer("task_2")))
    assert of(given, Download) == [Download(P, MODULE, 10, "/files/m")]
    started = story.tell(DownloadFinished(P, MODULE))
    assert started == [StartTask(P, "task_1"), StartTask(P, "task_2")]


def test_a_success_with_small_outputs_is_saved_and_reported() -> None:
    story = Story().attached().running()
    finished = story.computed()
    assert [type(i) for i in finished] == [SaveTask]
    assert story.task().phase == "reporting"
    sent = of(story.later(), SendExchange)
    assert sent[0].reports == ("task_1",)
    assert sent[0].held == ()


def test_large_outputs_are_uploaded_before_the_report() -> None:
    story = Story().attached().running()
    finished = story.computed(success(inline=False))
    assert of(finished, Upload) == [Upload(P, "task_1", "cc" * 32, 3, "out")]
    assert story.task().phase == "uploading"
    sent = of(story.later(), SendExchange)
    assert sent[0].reports == (), "not before its files are there"
    assert sent[0].held == ("task_1",)
    story.tell(UploadFinished(P, "task_1", "cc" * 32))
    assert story.task().phase == "reporting"


def test_a_failed_upload_is_tried_again_later() -> None:
    story = Story().attached().running()
    story.computed(success(inline=False))
    failed = story.tell(UploadFailed(P, "task_1", "cc" * 32, "the line broke"))
    assert not of(failed, Upload)
    assert of(story.later(2.0), Upload)


def test_a_receipt_lets_the_result_go() -> None:
    story = Story().reporting()
    done = story.answered(answers=(Answer("task_1", "accepted", receipted=True),))
    assert of(done, ForgetTask) == [ForgetTask(P, "task_1", "the server's receipt is good")]
    assert not story.has()
    assert story.project.delivered == 1


def test_an_accepted_report_without_a_good_receipt_is_kept() -> None:
    """The word of the server alone is no proof that the bytes are durable."""
    story = Story().reporting()
    answer = Answer("task_1", "accepted", receipted=False, trouble="signed by a stranger")
    kept = story.answered(answers=(answer,))
    assert not of(kept, ForgetTask)
    assert of(kept, Notify)[0].code == "bad_receipt"
    assert story.task().phase == "reporting"
    assert of(story.later(), SendExchange)[0].reports == ("task_1",)


def test_missing_files_are_uploaded_and_reported_again() -> None:
    """Also one that was to travel inside the report: the server knows better."""
    story = Story().reporting()
    answer = Answer("task_1", "missing_files", missing=("cc" * 32,))
    again = story.answered(answers=(answer,))
    assert story.task().phase == "uploading"
    assert of(again, Upload)
    story.tell(UploadFinished(P, "task_1", "cc" * 32))
    assert of(story.later(), SendExchange)[0].reports == ("task_1",)


def test_a_report_to_be_repeated_is_kept() -> None:
    story = Story().reporting()
    story.answered(answers=(Answer("task_1", "retry"),))
    assert story.task().phase == "reporting"
    assert of(story.later(), SendExchange)[0].reports == ("task_1",)


def test_a_report_that_got_no_answer_is_kept() -> None:
    story = Story().reporting()
    story.answered()
    assert story.task().phase == "reporting"


def test_a_refused_report_is_forgotten_and_told() -> None:
    story = Story().reporting()
    gone = story.answered(answers=(Answer("task_1", "refused", reason="not your task"),))
    assert of(gone, Notify)[0].text == "the server refused the report: not your task"
    assert of(gone, ForgetTask)


def test_a_failed_task_is_reported_and_needs_its_receipt_too() -> None:
    story = Story().attached().running()
    story.computed(Result(outcome="error", reason="trap"))
    assert story.task().phase == "failed"
    assert of(story.later(), SendExchange)[0].reports == ("task_1",)
    story.answered(answers=(Answer("task_1", "accepted", receipted=True),))
    assert not story.has()


@pytest.mark.parametrize("phase", ["downloading", "running", "uploading", "failed"])
def test_a_cancelled_task_is_stopped_and_forgotten(phase: str) -> None:
    """BOINC aborts only what has not started; here the server's word holds in every phase."""
    story = Story().attached()
    if phase == "downloading":
        story.answered(offers=(offer(),))
    else:
        story.running()
    if phase == "uploading":
        story.computed(success(inline=False))
    elif phase == "failed":
        story.computed(Result(outcome="error", reason="trap"))
    assert story.task().phase == phase
    story.state = changed(
        story.state,
        projects={P: changed(story.project, next_contact_at=story.now, last_reply_at=0)},
    )
    if phase == "failed":
        story.state.tasks[(P, "task_1")] = changed(story.task(), retry_at=story.now + 60 * US)
    story.later(0)
    cancelled = story.answered(cancel=("task_1",))
    assert of(cancelled, ForgetTask)
    assert bool(of(cancelled, StopTask)) == (phase == "running")
    assert not story.has()


def test_a_cancellation_does_not_undo_a_report_of_the_same_request() -> None:
    story = Story().reporting()
    answer = Answer("task_1", "accepted", receipted=False, trouble="no receipt")
    story.answered(answers=(answer,), cancel=("task_1",))
    assert story.has(), "a finished result without a receipt stays"


def test_an_address_that_went_bad_is_asked_for_anew() -> None:
    """Tokens are short-lived. The task is not held any more, so the server offers it again."""
    story = Story().attached()
    story.answered(offers=(offer(),))
    story.tell(DownloadFailed(P, MODULE, "404", gone=True))
    assert story.task().phase == "new"
    sent = of(story.later(), SendExchange)
    assert sent[0].held == ()
    fresh = offer(files=(changed(offer().files[0], url="/files/m?token=new"),))
    again = story.answered(offers=(fresh,))
    assert of(again, Download) == [Download(P, MODULE, 10, "/files/m?token=new")]


def test_a_task_whose_files_never_come_is_given_back() -> None:
    story = Story().attached()
    story.answered(offers=(offer(deadline_s=10**6),))
    for _ in range(REOFFERS_MAX):
        story.tell(DownloadFailed(P, MODULE, "404", gone=True))
        story.later()
        story.answered(offers=(offer(),))
    story.tell(DownloadFailed(P, MODULE, "404", gone=True))
    assert story.task().phase == "aborted"
    assert story.task().result == Result(outcome="aborted", reason="download_failed", stderr="404")


def test_a_passing_download_failure_is_tried_again() -> None:
    story = Story().attached()
    story.answered(offers=(offer(),))
    assert not of(story.tell(DownloadFailed(P, MODULE, "the line broke")), Download)
    assert of(story.later(2.0), Download)


def test_a_task_whose_deadline_passed_is_not_started() -> None:
    story = Story().attached()
    story.answered(offers=(offer(deadline_s=100), offer("task_2", deadline_s=100)))
    story.tell(DownloadFinished(P, MODULE))
    assert story.task().phase == "running"
    assert story.task("task_2").phase == "ready"
    story.later(101)
    assert story.task("task_2").phase == "aborted"
    assert story.task().phase == "running", "what runs may still be of use (late results count)"


def test_an_interrupted_run_starts_again_and_at_last_counts_as_the_hosts_fault() -> None:
    story = Story().attached().running()
    story.tell(TaskInterrupted(P, "task_1", "killed by the system"))
    assert story.task().phase == "ready"
    assert of(story.later(1), StartTask)
    story.tell(TaskInterrupted(P, "task_1", "killed by the system"))
    story.later(5)
    story.tell(TaskInterrupted(P, "task_1", "killed by the system"))
    assert story.task().phase == "failed"
    assert story.task().result == Result(
        outcome="error", reason="host_fault", stderr="killed by the system"
    )


def test_a_rotten_file_is_fetched_again() -> None:
    story = Story().attached().running()
    again = story.tell(TaskInterrupted(P, "task_1", "rotten", files_lost=True))
    assert of(again, Download)
    assert story.task().phase == "downloading"


def test_what_fails_the_last_check_goes_back_with_the_reason() -> None:
    story = Story().attached().running()
    story.tell(TaskUntrusted(P, "task_1", "bad_release", "no publisher of ours"))
    assert story.task().phase == "aborted"
    assert story.task().result == Result(
        outcome="aborted", reason="bad_release", stderr="no publisher of ours"
    )


def test_an_offer_that_was_not_believed_goes_back_as_aborted() -> None:
    story = Story().attached()
    refused = story.answered(refused=(RefusedOffer("task_x", "other_project", "not ours"),))
    assert of(refused, SaveTask)
    assert not of(refused, Download)
    assert story.task("task_x").phase == "aborted"
    assert of(story.later(), SendExchange)[0].reports == ("task_x",)


def test_a_task_that_needs_more_memory_than_allowed_goes_back() -> None:
    story = Story(memory_bytes=50).attached()
    story.answered(offers=(offer(),))
    assert story.task().phase == "aborted"
    assert story.task().result is not None
    assert story.task().result.reason == "too_big"


def test_an_offer_of_what_is_here_changes_nothing() -> None:
    """The server repeats itself when its reply was lost on the way."""
    story = Story().attached().running()
    before = story.task()
    story.later()
    story.answered(offers=(offer(),))
    assert story.task() == before


def test_progress_is_kept_within_bounds() -> None:
    story = Story().attached().running()
    story.tell(TaskProgress(P, "task_1", 0.5))
    assert story.task().progress == 0.5
    story.tell(TaskProgress(P, "task_1", 7.0))
    assert story.task().progress == 1.0


def test_late_news_of_a_task_that_is_gone_change_nothing() -> None:
    story = Story().attached().running()
    story.later()
    story.answered(cancel=("task_1",))
    story.later(0)
    for event in (
        TaskFinished(P, "task_1", success()),
        TaskProgress(P, "task_1", 0.1),
        TaskInterrupted(P, "task_1", "x"),
        TaskUntrusted(P, "task_1", "x", "y"),
        UploadFinished(P, "task_1", "cc" * 32),
        UploadFailed(P, "task_1", "cc" * 32, "x"),
        TaskFinished("00" * 20, "task_1", success()),
    ):
        before = story.state
        assert not of(story.tell(event), SaveTask)
        assert story.state == before


def test_an_undeliverable_result_is_given_up_after_a_month() -> None:
    story = Story().attached().running()
    story.computed()
    story.later(3600 + RESULT_KEEP_S - 10)
    assert story.has()
    assert of(story.later(20), ForgetTask)


def test_leaving_gives_back_what_is_unfinished_and_delivers_what_is_done() -> None:
    story = Story().attached()
    story.running(offer("task_1"), offer("task_2"))
    story.computed()
    left = story.tell(CommandGiven("leave", P))
    assert of(left, StopTask) == [StopTask(P, "task_2")]
    sent = of(left, SendExchange)
    assert set(sent[0].reports) == {"task_1", "task_2"}
    assert sent[0].want is None
    answers = tuple(Answer(t, "accepted", receipted=True) for t in ("task_1", "task_2"))
    done = [type(i).__name__ for i in story.answered(answers=answers)]
    assert done == ["ForgetTask", "ForgetTask", "CloseExchange"]
    farewell = of(story.later(1), SendExchange)
    assert farewell[0].last
    assert [type(i).__name__ for i in story.answered()] == ["CloseExchange", "ForgetProject"]
    assert story.state.projects == {}


def test_a_farewell_to_a_server_that_does_not_know_us_ends_too() -> None:
    story = Story().attached()
    story.answered()
    assert of(story.tell(CommandGiven("leave", P)), SendExchange)[0].last
    story.tell(ProblemReceived(P, 403, "banned", "go away"))
    assert story.state.projects == {}


def test_a_farewell_without_an_answer_is_repeated() -> None:
    story = Story().attached()
    story.answered()
    first = of(story.tell(CommandGiven("leave", P)), SendExchange)[0]
    story.tell(ExchangeFailed(P, "no answer"))
    again = of(story.later(2), SendExchange)[0]
    assert (again.request_id, again.again, again.last) == (first.request_id, True, True)


def test_a_project_that_never_knew_us_is_left_at_once() -> None:
    story = Story()
    story.tell(Started((project(enrolled=False),), ()))
    left = story.tell(CommandGiven("leave", P))
    assert [type(i).__name__ for i in left] == ["SaveProject", "ForgetProject"]


def test_a_stop_ends_sandboxes_and_nothing_starts_after_it() -> None:
    story = Story(cores=2).attached().running(offer("task_1"), offer("task_2"))
    stopped = story.tell(CommandGiven("stop"))
    assert stopped == [
        LeaveMemory(P, "task_1", anyway=True),
        LeaveMemory(P, "task_2", anyway=True),
        Exit(),
    ]
    assert story.tell(DownloadFinished(P, MODULE)) == []


def test_after_a_restart_a_finished_result_is_reported() -> None:
    first = Story().attached().running()
    first.computed()
    story = Story()
    story.tell(Started((project(),), (changed(first.task(), phase="computed"),)))
    assert story.task().phase == "reporting"
    assert story.project.pending is not None
    assert story.project.pending.reported == ("task_1",)


def test_an_unknown_transition_raises_and_tells_the_story() -> None:
    story = Story().attached().running()
    draft = Draft(story.state, story.now, story.rng)
    with pytest.raises(InvalidTransition, match=r"from running to receipted.*the server sent it"):
        move(draft, story.task(), "receipted", "nonsense")


def test_the_table_is_whole() -> None:
    """Every phase can be left but the last ones, and the server's word reaches all of them."""
    phases = {a for a, _ in TABLE} | {b for _, b in TABLE}
    for phase in phases - GONE:
        assert (phase, "forgotten") in TABLE
    for phase in UNFINISHED:
        assert (phase, "aborted") in TABLE
    assert not {a for a, _ in TABLE} & GONE
