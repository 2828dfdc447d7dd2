"""Checkpoints that go to the server, and those of others that come from there."""

from idlegrid_client.core.event import (
    CheckpointLost,
    CheckpointMade,
    CheckpointNotSent,
    CheckpointSent,
    DownloadFailed,
    DownloadFinished,
    Started,
    Timer,
)
from idlegrid_client.core.instruction import Notify, SaveTask, SendCheckpoint, StartTask
from idlegrid_client.core.limit import CHECKPOINT_RETRY_S, CHECKPOINT_SEND_S
from idlegrid_client.core.model import CheckpointHere, FileNeed

from .story import MODULE, US, P, Story, changed, offer, project
from .test_task_story import of

FIRST = CheckpointHere("11" * 32, 500, 1_000)
SECOND = CheckpointHere("22" * 32, 600, 2_000)
OTHERS = "ee" * 32


def running(**fields: object) -> Story:
    story = Story().attached()
    story.answered(offers=(offer(**{"migrates": True, **fields}),))
    story.tell(DownloadFinished(P, MODULE))
    assert story.task().phase == "running"
    return story


def test_the_first_checkpoint_goes_at_once_and_the_next_after_a_while() -> None:
    story = running()
    sent = story.tell(CheckpointMade(P, "task_1", FIRST))
    assert of(sent, SendCheckpoint) == [SendCheckpoint(P, "task_1", FIRST)]
    assert of(story.tell(CheckpointMade(P, "task_1", SECOND)), SendCheckpoint) == []
    story.tell(CheckpointSent(P, "task_1", FIRST.sha256))
    assert of(story.tell(Timer()), SendCheckpoint) == []
    assert of(story.later(CHECKPOINT_SEND_S), SendCheckpoint) == [
        SendCheckpoint(P, "task_1", SECOND)
    ]


def test_the_agent_wakes_up_when_the_next_may_go() -> None:
    story = running()
    story.tell(CheckpointMade(P, "task_1", FIRST))
    story.tell(CheckpointSent(P, "task_1", FIRST.sha256))
    story.tell(CheckpointMade(P, "task_1", SECOND))
    assert story.wait <= story.now + int(CHECKPOINT_SEND_S * US)


def test_what_the_server_has_is_written_down_and_not_sent_again_after_a_restart() -> None:
    story = running()
    story.tell(CheckpointMade(P, "task_1", FIRST))
    (saved,) = of(story.tell(CheckpointSent(P, "task_1", FIRST.sha256)), SaveTask)
    assert saved.task.checkpoint_sent == FIRST.sha256
    again = Story()
    left = changed(saved.task, phase="new", checkpoint=None)
    again.tell(Started((project(),), (left,)))
    again.tell(DownloadFinished(P, MODULE))
    assert of(again.tell(CheckpointMade(P, "task_1", FIRST)), SendCheckpoint) == []
    again.later(CHECKPOINT_SEND_S)
    assert of(again.tell(CheckpointMade(P, "task_1", SECOND)), SendCheckpoint) == [
        SendCheckpoint(P, "task_1", SECOND)
    ]


def test_an_app_that_does_not_migrate_sends_none() -> None:
    story = running(migrates=False)
    assert of(story.tell(CheckpointMade(P, "task_1", FIRST)), SendCheckpoint) == []
    assert story.task().checkpoint == FIRST


def test_one_that_could_not_be_sent_is_tried_again_later() -> None:
    story = running()
    story.tell(CheckpointMade(P, "task_1", FIRST))
    told = story.tell(CheckpointNotSent(P, "task_1", FIRST.sha256, "no network"))
    assert [n.code for n in of(told, Notify)] == ["checkpoint_not_sent"]
    assert of(told, SendCheckpoint) == []
    assert of(story.later(CHECKPOINT_RETRY_S), SendCheckpoint) == [
        SendCheckpoint(P, "task_1", FIRST)
    ]


def test_a_refused_one_is_the_last() -> None:
    story = running()
    story.tell(CheckpointMade(P, "task_1", FIRST))
    story.tell(CheckpointNotSent(P, "task_1", FIRST.sha256, "not wanted", refused=True))
    story.later(CHECKPOINT_SEND_S * 2)
    assert of(story.tell(CheckpointMade(P, "task_1", SECOND)), SendCheckpoint) == []


def test_a_lost_checkpoint_is_told_and_not_sent() -> None:
    """The server holds what it was sent before; what is gone here cannot go there."""
    story = running()
    story.tell(CheckpointMade(P, "task_1", FIRST))
    story.tell(CheckpointSent(P, "task_1", FIRST.sha256))
    story.tell(CheckpointMade(P, "task_1", SECOND))
    told = story.tell(CheckpointLost(P, "task_1", "it is damaged"))
    assert [(n.level, n.code) for n in of(told, Notify)] == [("warning", "checkpoint_lost")]
    assert of(story.later(CHECKPOINT_SEND_S), SendCheckpoint) == []


def test_the_checkpoint_of_another_is_fetched_before_the_start() -> None:
    story = Story().attached()
    needs = (FileNeed(MODULE, 10, "/files/m"), FileNeed(OTHERS, 99, "/rpc/v1/checkpoints/x"))
    story.answered(offers=(offer(files=needs, resume=OTHERS),))
    assert of(story.tell(DownloadFinished(P, MODULE)), StartTask) == []
    assert of(story.tell(DownloadFinished(P, OTHERS)), StartTask) == [StartTask(P, "task_1")]
    assert story.task().resume == OTHERS


def test_a_checkpoint_that_is_gone_holds_nothing_up() -> None:
    """It only saves time: the task starts from its beginning."""
    story = Story().attached()
    needs = (FileNeed(MODULE, 10, "/files/m"), FileNeed(OTHERS, 99, "/rpc/v1/checkpoints/x"))
    story.answered(offers=(offer(files=needs, resume=OTHERS),))
    story.tell(DownloadFinished(P, MODULE))
    told = story.tell(DownloadFailed(P, OTHERS, "404", gone=True))
    assert of(told, StartTask) == [StartTask(P, "task_1")]
    assert story.task().resume == ""
