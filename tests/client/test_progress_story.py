"""What the client tells of tasks that it has begun, and when it tells it unasked."""

from idlegrid_client.core.event import TaskProgress
from idlegrid_client.core.instruction import SaveTask, SendExchange
from idlegrid_client.core.limit import HEARTBEAT_S, PROGRESS_AGAIN_S, PROGRESS_AHEAD_S
from idlegrid_client.core.model import CheckpointHere

from .story import T0, US, P, Story, changed, offer

HOURS = 3 * 3_600


def busy(deadline_s: int = HOURS, fraction: float = 0.0) -> Story:
    """``task_1`` runs, ``task_2`` waits for the one core; no request is under way."""
    story = Story().attached()
    story.running(offer("task_1", deadline_s=deadline_s), offer("task_2", deadline_s=deadline_s))
    if fraction:
        story.tell(TaskProgress(P, "task_1", fraction))
    return story


def sent(instructions: list) -> list[SendExchange]:
    return [i for i in instructions if isinstance(i, SendExchange)]


def test_what_was_begun_is_told_with_its_progress() -> None:
    story = busy(10**7, fraction=0.25)
    (request,) = sent(story.later(HEARTBEAT_S + 1))
    assert request.held == ("task_1", "task_2")
    assert request.running == (("task_1", 0.25),)


def test_a_task_with_a_checkpoint_was_begun_though_it_waits() -> None:
    story = busy(10**7)
    waiting = changed(story.task("task_2"), checkpoint=CheckpointHere("ee" * 32, 5, 7))
    story.state = changed(story.state, tasks={**story.state.tasks, (P, "task_2"): waiting})
    (request,) = sent(story.later(HEARTBEAT_S + 1))
    assert {task for task, _ in request.running} == {"task_1", "task_2"}


def test_a_task_that_will_miss_its_deadline_is_told_of_before_it() -> None:
    """At half time it is at a third: it needs half as long again as it has."""
    story = busy(deadline_s=3_000)
    story.now = T0 + 1_500 * US
    story.tell(TaskProgress(P, "task_1", 1 / 3))
    assert not sent(story.later(3_000 - 1_500 - PROGRESS_AHEAD_S - 1))
    (request,) = sent(story.later(2))
    assert dict(request.running)["task_1"] > 0.3
    story.answered()
    assert not sent(story.later(PROGRESS_AGAIN_S - 2)), "more often than it may"


def test_a_task_that_ends_in_time_causes_no_talk() -> None:
    story = busy(deadline_s=3_000)
    for minute in range(1, 45):
        told = story.tell(TaskProgress(P, "task_1", minute / 45), after_s=60)
        assert not sent([*told, *story.later(1)]), f"after {minute} minutes"


def test_a_later_deadline_is_kept_and_an_earlier_one_is_not() -> None:
    story = busy(deadline_s=3_000)
    story.now = T0 + 2_200 * US
    story.tell(TaskProgress(P, "task_1", 0.5))
    story.later(60)
    done = story.answered(extended=(("task_1", 5_000), ("task_2", 10), ("task_9", 50)))
    assert story.task("task_1").deadline_at == story.now + 5_000 * US
    assert story.task("task_2").deadline_at == T0 + 3_000 * US
    saved = [i.task.id for i in done if isinstance(i, SaveTask)]
    assert saved == ["task_1"]
