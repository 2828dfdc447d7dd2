"""An interpreter is compiled once, in the background, and its tasks wait for it with a reason."""

from typing import Any

from idlegrid_client.core.event import (
    DownloadFinished,
    RuntimeFailed,
    RuntimeReady,
    Started,
    TaskInterrupted,
    Timer,
)
from idlegrid_client.core.explain import explain_agent
from idlegrid_client.core.instruction import Instruction, Notify, PrepareRuntime, StartTask
from idlegrid_client.core.limit import RUNTIME_RETRY_S

from .story import MODULE, P, Story, changed, offer

PYTHON = "ee" * 32


def python_offer(task: str = "task_1", **changes: Any) -> Any:
    fields = {"runtime": PYTHON, "runtime_name": "cpython 3.12.0", "compile_bytes": 400}
    return offer(task, **{**fields, **changes})


def of(instructions: list[Instruction], kind: type) -> list[Any]:
    return [i for i in instructions if isinstance(i, kind)]


def fetched(story: Story) -> list[Instruction]:
    return story.tell(DownloadFinished(P, MODULE))


def waiting(*offers: Any, **fields: Any) -> tuple[Story, list[Instruction]]:
    """Tasks are here with all their files."""
    story = Story(**fields).attached()
    story.answered(offers=offers or (python_offer(),))
    return story, fetched(story)


def test_tasks_wait_until_their_interpreter_is_compiled() -> None:
    story, first = waiting(python_offer(), python_offer("task_2"), cores=2)
    assert of(first, PrepareRuntime) == [PrepareRuntime(P, "task_1", PYTHON)]
    assert not of(first, StartTask)
    assert story.task().phase == "ready"
    story.tell(Timer(), 12.0)
    assert explain_agent(story.state, story.now) == (
        "Nothing runs. Sun: cpython 3.12.0 is being compiled for this computer, once and at the "
        "lowest priority (12 s so far; it takes from ten seconds to some minutes); 2 tasks wait "
        "for it."
    )
    started = story.tell(RuntimeReady(PYTHON))
    assert of(started, StartTask) == [StartTask(P, "task_1"), StartTask(P, "task_2")]
    assert of(started, Notify)[0].text == "cpython 3.12.0 is ready on this computer, after 12 s"


def test_later_tasks_find_it_ready() -> None:
    story, _ = waiting()
    story.tell(RuntimeReady(PYTHON))
    story.computed()
    story.later()
    story.answered(offers=(python_offer("task_2"),))
    later = fetched(story)
    assert not of(later, PrepareRuntime)
    assert story.task("task_2").phase == "running"


def test_other_tasks_run_meanwhile_beside_its_memory() -> None:
    """400 of 1000 bytes are the compiler's: a task of 700 waits, one of 500 does not."""
    story, first = waiting(
        python_offer(), offer("big", memory_bytes=700), offer("small", memory_bytes=500), cores=3
    )
    assert [order.task for order in of(first, PrepareRuntime)] == ["task_1"]
    assert story.task("small").phase == "ready", "the most urgent keeps its claim on memory"
    story.tell(RuntimeReady(PYTHON))
    assert story.task("big").phase == "running"


def test_compiling_waits_for_memory_and_starts_nothing_in_its_way() -> None:
    story = Story(cores=3).attached()
    story.answered(offers=(offer("old", memory_bytes=900),))
    fetched(story)
    assert story.task("old").phase == "running"
    story.later()
    now = story.answered(offers=(python_offer(), offer("new", memory_bytes=50)))
    now += fetched(story)
    assert not of(now, PrepareRuntime)
    assert story.task("new").phase == "ready", "it would take the memory that is waited for"
    ended = story.tell(TaskInterrupted(P, "old", "x"))
    assert [order.task for order in of(ended, PrepareRuntime)] == ["task_1"]


def test_a_failure_of_the_machine_is_tried_again() -> None:
    story, _ = waiting()
    story.tell(RuntimeFailed(PYTHON, "the disk is full"))
    assert "the disk is full (the next attempt is in" in explain_agent(story.state, story.now)
    assert story.task().phase == "ready"
    again = story.later(3600 - 61)
    assert of(again, PrepareRuntime) or story.task().phase == "aborted"


def test_without_hope_its_tasks_go_back_and_new_ones_too_for_a_while() -> None:
    story, _ = waiting()
    told = story.tell(RuntimeFailed(PYTHON, "not a valid module", hopeless=True))
    assert of(told, Notify)[0].level == "error"
    assert story.task().phase == "aborted"
    result = story.task().result
    assert result is not None
    assert result.reason == "runtime_failed"
    assert "not a valid module" in result.stderr
    story.later()
    story.answered(offers=(python_offer("task_2", deadline_s=86_400),))
    assert story.task("task_2").phase == "aborted"
    story.later(RUNTIME_RETRY_S)
    later = story.answered(offers=(python_offer("task_3", deadline_s=86_400),))
    assert of(later, PrepareRuntime), "after some hours it is tried again"


def test_a_task_whose_interpreter_needs_too_much_memory_goes_back() -> None:
    story = Story().attached()
    story.answered(offers=(python_offer(compile_bytes=3_000 * 1024**2),))
    result = story.task().result
    assert result is not None
    assert result.reason == "too_big"
    assert "cpython 3.12.0 needs 3000 MB of memory once" in result.stderr


def test_two_interpreters_are_compiled_one_after_the_other() -> None:
    other = "ff" * 32
    story, first = waiting(
        python_offer(), python_offer("task_2", runtime=other, runtime_name="numpy"), cores=2
    )
    assert [order.runtime for order in of(first, PrepareRuntime)] == [PYTHON]
    second = story.tell(RuntimeReady(PYTHON))
    assert [order.runtime for order in of(second, PrepareRuntime)] == [other]


def test_after_lost_files_it_is_looked_at_again() -> None:
    story, _ = waiting()
    story.tell(RuntimeReady(PYTHON))
    story.tell(TaskInterrupted(P, "task_1", "gone", files_lost=True))
    assert of(fetched(story), PrepareRuntime)


def test_a_restarted_agent_looks_for_it_again() -> None:
    """What was compiled is in the cache, so it takes a blink; nothing is believed without it."""
    story, _ = waiting()
    story.tell(RuntimeReady(PYTHON))
    tasks = tuple(story.state.tasks.values())
    begun = Started((story.project,), tuple(changed(t, phase="new") for t in tasks))
    assert of(Story().tell(begun), PrepareRuntime)
