"""The one table of a task's transitions, and the one function that applies it.

What an edge does by itself stands in the table. A pair that is not there raises, with the story.
"""

from collections.abc import Callable
from typing import Any

from .draft import Draft
from .instruction import (
    ForgetTask,
    Instruction,
    LeaveMemory,
    ResumeTask,
    SaveTask,
    StartTask,
    StopTask,
    SuspendTask,
)
from .limit import HISTORY_MAX
from .model import GONE, IN_MEMORY, Phase, Step, TaskState

Effect = Callable[[TaskState], tuple[Instruction, ...]]


class InvalidTransition(RuntimeError):  # noqa: N818 - the name the field knows it by
    """A task was to go where the table knows no way; the message tells all it went through."""


def _nothing(task: TaskState) -> tuple[Instruction, ...]:
    return ()


def _save(task: TaskState) -> tuple[Instruction, ...]:
    return (SaveTask(task),)


def _start(task: TaskState) -> tuple[Instruction, ...]:
    return (StartTask(task.project, task.id),)


def _suspend(task: TaskState) -> tuple[Instruction, ...]:
    return (SuspendTask(task.project, task.id),)


def _resume(task: TaskState) -> tuple[Instruction, ...]:
    return (ResumeTask(task.project, task.id),)


def _leave_memory(task: TaskState) -> tuple[Instruction, ...]:
    return (LeaveMemory(task.project, task.id),)


def _stop_and_save(task: TaskState) -> tuple[Instruction, ...]:
    return (StopTask(task.project, task.id), SaveTask(task))


def _forget(task: TaskState) -> tuple[Instruction, ...]:
    return (ForgetTask(task.project, task.id, task.history[-1].cause),)


def _stop_and_forget(task: TaskState) -> tuple[Instruction, ...]:
    return (StopTask(task.project, task.id), *_forget(task))


#: How a program in memory ends, whether it computes, stands still or writes a checkpoint.
_ENDS: dict[Phase, Effect] = {
    "ready": _nothing,  # the machine interrupted it, or it left memory
    "new": _nothing,  # a file rotted in the cache
    "computed": _save,
    "failed": _save,
    "aborted": _stop_and_save,
    "forgotten": _stop_and_forget,
}

# Phases up to leaving are not written down: after a restart all of them begin at `new` again, and
# the cache makes that cheap. A result is saved on the edge that makes it.
TABLE: dict[tuple[Phase, Phase], Effect] = {
    ("new", "downloading"): _nothing,
    ("downloading", "new"): _nothing,  # an address went bad: to be offered anew
    ("downloading", "ready"): _nothing,
    ("ready", "running"): _start,
    **{(phase, end): effect for phase in IN_MEMORY for end, effect in _ENDS.items()},
    ("running", "suspended"): _suspend,
    ("suspended", "running"): _resume,
    ("suspended", "leaving"): _leave_memory,
    ("leaving", "suspended"): _suspend,
    ("computed", "uploading"): _nothing,
    ("computed", "reporting"): _nothing,
    ("uploading", "reporting"): _nothing,
    ("reporting", "uploading"): _save,  # the server misses files
    ("new", "aborted"): _save,
    ("downloading", "aborted"): _save,
    ("ready", "aborted"): _save,
    ("reporting", "receipted"): _forget,
    ("failed", "receipted"): _forget,
    ("aborted", "receipted"): _forget,
    ("new", "forgotten"): _forget,
    ("downloading", "forgotten"): _forget,
    ("ready", "forgotten"): _forget,
    ("computed", "forgotten"): _forget,
    ("uploading", "forgotten"): _forget,
    ("reporting", "forgotten"): _forget,
    ("failed", "forgotten"): _forget,
    ("aborted", "forgotten"): _forget,
}


def move(draft: Draft, task: TaskState, to: Phase, cause: str, **fields: Any) -> TaskState:
    """Take ``task`` to phase ``to``, note why, and emit what the edge brings with it.

    ``fields`` are further changes. Raises :class:`InvalidTransition`.
    """
    effect = TABLE.get((task.phase, to))
    if effect is None:
        raise InvalidTransition(
            f"task {task.id} cannot go from {task.phase} to {to} ({cause}); its story: "
            + (task.story() or "none")
        )
    history = (*task.history, Step(draft.now, to, cause))[-HISTORY_MAX:]
    fields = {"tries": 0, "retry_at": 0, **fields}
    changed = draft.task(task, phase=to, history=history, **fields)
    draft.emit(*effect(changed))
    if to in GONE:
        del draft.tasks[task.key]
    return changed


def admit(draft: Draft, task: TaskState, cause: str) -> TaskState:
    """A task enters: it is written down before anything relies on it."""
    admitted = draft.task(task, history=(Step(draft.now, task.phase, cause),))
    draft.emit(SaveTask(admitted))
    return admitted
