"""The volunteer's pause: tasks stand still, leave memory when it lasts, and go on from there."""

from typing import Any

import pytest

from idlegrid_client.core.event import (
    CommandGiven,
    DownloadFinished,
    MachineChanged,
    ReplyReceived,
    RuntimeReady,
    TaskFinished,
    TaskLeft,
    Timer,
)
from idlegrid_client.core.explain import explain_agent, explain_project
from idlegrid_client.core.instruction import (
    LeaveMemory,
    Notify,
    PrepareRuntime,
    ResumeTask,
    SendExchange,
    StartTask,
    StopPreparing,
    SuspendTask,
)
from idlegrid_client.core.limit import LEAVE_MEMORY_S, LEAVE_RETRY_S, MEMORY_KEEP_BYTES
from idlegrid_shared.wire import Machine

from .story import MODULE, US, P, Story, offer, reply, success
from .test_prepare_story import python_offer, waiting
from .test_task_story import of

PAUSE, RESUME = CommandGiven("pause"), CommandGiven("resume")


def two_tasks(**fields: Any) -> Story:
    """One that can be saved, and one that cannot."""
    offers = (offer("task_1", checkpoints=True), offer("task_2"))
    return Story(cores=2, **fields).attached().running(*offers)


def phases(story: Story) -> dict[str, str]:
    return {task.id: task.phase for task in story.state.tasks.values()}


def short_of_memory(free: int = MEMORY_KEEP_BYTES - 1) -> MachineChanged:
    return MachineChanged(Machine(name="box"), 2**40, free)


def test_a_pause_lets_everything_stand_still_and_its_end_lets_it_go_on() -> None:
    story = two_tasks()
    assert of(story.tell(PAUSE), SuspendTask) == [
        SuspendTask(P, "task_1"),
        SuspendTask(P, "task_2"),
    ]
    assert story.later(LEAVE_MEMORY_S - 1) == []
    told = story.tell(RESUME)
    assert of(told, ResumeTask) == [ResumeTask(P, "task_1"), ResumeTask(P, "task_2")]
    assert phases(story) == {"task_1": "running", "task_2": "running"}


def test_nothing_starts_and_nothing_is_asked_for_during_a_pause() -> None:
    story = Story(cores=2).attached()
    story.answered(offers=(offer(),))
    story.tell(PAUSE)
    assert of(story.tell(DownloadFinished(P, MODULE)), StartTask) == []
    for sent in of(story.later(3_000), SendExchange):
        assert sent.want is None
    assert of(story.tell(RESUME), StartTask) == [StartTask(P, "task_1")]


def test_what_can_be_saved_leaves_memory_when_the_pause_lasts() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    assert story.wait <= story.now + LEAVE_MEMORY_S * US
    left = story.later(LEAVE_MEMORY_S)
    assert of(left, LeaveMemory) == [LeaveMemory(P, "task_1", anyway=False)]
    story.tell(TaskLeft(P, "task_1", saved=True))
    assert phases(story) == {"task_1": "ready", "task_2": "suspended"}
    assert of(story.later(3_000), LeaveMemory) == [], "what cannot be saved stays"
    told = story.tell(RESUME)
    assert of(told, ResumeTask) == [ResumeTask(P, "task_2")]
    assert of(told, StartTask) == [StartTask(P, "task_1")]


def test_how_long_they_stay_is_the_volunteers_to_say() -> None:
    story = two_tasks(leave_memory_s=2.0)
    story.tell(PAUSE)
    assert of(story.later(1.9), LeaveMemory) == []
    assert of(story.later(0.1), LeaveMemory) == [LeaveMemory(P, "task_1")]


def test_with_memory_short_they_leave_at_once_the_largest_first() -> None:
    offers = (
        offer("small", memory_bytes=10, checkpoints=True),
        offer("large", memory_bytes=100, checkpoints=True),
    )
    story = Story(cores=2).attached().running(*offers)
    assert of(story.tell(short_of_memory()), LeaveMemory) == [], "nothing is paused"
    assert of(story.tell(PAUSE), LeaveMemory) == [LeaveMemory(P, "large")]
    assert of(story.tell(short_of_memory()), LeaveMemory) == [], "one after the other"
    assert of(story.tell(TaskLeft(P, "large", saved=True)), LeaveMemory) == [
        LeaveMemory(P, "small")
    ]


def test_memory_that_is_enough_again_lets_the_rest_stay() -> None:
    offers = (offer("task_1", checkpoints=True), offer("task_2", checkpoints=True))
    story = Story(cores=2).attached().running(*offers)
    story.tell(PAUSE)
    assert len(of(story.tell(short_of_memory()), LeaveMemory)) == 1
    story.tell(short_of_memory(MEMORY_KEEP_BYTES))
    assert of(story.tell(TaskLeft(P, "task_2", saved=True)), LeaveMemory) == []
    assert phases(story)["task_1"] == "suspended"


def test_one_that_comes_to_no_checkpoint_stays_and_is_asked_again_later() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    story.later(LEAVE_MEMORY_S)
    told = story.tell(TaskLeft(P, "task_1", saved=False, text="no host call came"))
    assert of(told, SuspendTask) == [SuspendTask(P, "task_1")]
    assert [(n.code, n.text) for n in of(told, Notify)] == [
        ("stays_in_memory", "no host call came")
    ]
    assert of(story.tell(short_of_memory()), LeaveMemory) == []
    assert of(story.later(LEAVE_RETRY_S), LeaveMemory) == [LeaveMemory(P, "task_1")]


@pytest.mark.parametrize("saved", [True, False])
def test_a_pause_that_ends_while_a_task_leaves(saved: bool) -> None:
    story = two_tasks()
    story.tell(PAUSE)
    story.later(LEAVE_MEMORY_S)
    assert of(story.tell(RESUME), StartTask) == []
    told = story.tell(TaskLeft(P, "task_1", saved=saved))
    assert len(of(told, StartTask)) == (1 if saved else 0)
    assert len(of(told, ResumeTask)) == (0 if saved else 1)
    assert phases(story) == {"task_1": "running", "task_2": "running"}


def test_a_task_that_just_ended_when_the_pause_came_is_delivered() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    story.tell(TaskFinished(P, "task_2", success()))
    assert phases(story) == {"task_1": "suspended", "task_2": "reporting"}
    story.later(LEAVE_MEMORY_S)
    story.tell(TaskFinished(P, "task_1", success()))
    assert phases(story)["task_1"] == "reporting"
    assert story.tell(TaskLeft(P, "task_1", saved=True)) == [], "too late"


def test_a_stop_in_a_pause_saves_what_it_can() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    assert [i for i in story.tell(CommandGiven("stop")) if isinstance(i, LeaveMemory)] == [
        LeaveMemory(P, "task_1", anyway=True),
        LeaveMemory(P, "task_2", anyway=True),
    ]


def test_suspended_tasks_keep_their_memory_and_ready_ones_may_time_out() -> None:
    """A deadline that passes takes nothing away from what is computed already."""
    story = two_tasks()
    story.tell(PAUSE)
    story.later(10_000)
    assert phases(story)["task_2"] == "suspended"


def test_a_task_that_the_server_cancels_ends_although_it_stands_still() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    story.later(4_000)
    told = story.tell(ReplyReceived(P, story.request_id(), reply(cancel=("task_2",))))
    assert [type(i).__name__ for i in told][:2] == ["StopTask", "ForgetTask"]


def test_an_interpreter_is_not_compiled_during_a_pause() -> None:
    story, told = waiting(python_offer())
    assert len(of(told, PrepareRuntime)) == 1
    assert len(of(story.tell(PAUSE), StopPreparing)) == 1
    assert of(story.tell(Timer()), PrepareRuntime) == []
    assert len(of(story.tell(RESUME), PrepareRuntime)) == 1


def test_one_that_was_ready_just_when_the_pause_came_is_ready() -> None:
    story, told = waiting(python_offer())
    runtime = of(told, PrepareRuntime)[0].runtime
    story.tell(PAUSE)
    story.tell(RuntimeReady(runtime))
    told = story.tell(RESUME)
    assert of(told, StartTask) == [StartTask(P, "task_1")]


def test_the_clock_set_back_makes_no_task_stay_for_ever() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    story.now -= 86_400 * US
    story.tell(Timer())
    assert of(story.later(LEAVE_MEMORY_S), LeaveMemory) == [LeaveMemory(P, "task_1")]


def test_status_tells_of_the_pause() -> None:
    story = two_tasks()
    story.tell(PAUSE)
    assert explain_agent(story.state, story.now) == (
        "Paused, until `idlegrid-client resume`. 2 tasks stand still in memory, 1 of them until "
        "then, for it cannot be saved."
    )
    assert explain_project(story.state, story.project, story.now) == "Sun: paused."
