"""The volunteer's pause: programs stand still at once, and give their memory back when it lasts.

What can be saved leaves memory after a while, or when memory is short, and goes on from there
later. What cannot be saved stays: only its time would be lost otherwise.
"""

from .draft import Draft
from .event import TaskLeft
from .instruction import Notify, StopPreparing
from .limit import LEAVE_RETRY_S, US
from .model import AgentState, TaskState
from .prepare import compiling
from .transition import move


def apply_pause(draft: Draft) -> None:
    """Suspend what runs, or let it go on; let leave memory whose time it is."""
    if not draft.view().paused:
        for task in list(draft.tasks.values()):
            if task.phase == "suspended":
                move(draft, task, "running", "the pause is over", tries=task.tries)
        return
    busy = compiling(draft.view())
    if busy is not None:
        draft.runtime(busy, state="wanted")
        draft.emit(StopPreparing(busy.sha256))
    leave_at = draft.now + int(draft.view().leave_memory_s * US)
    for task in list(draft.tasks.values()):
        if task.phase == "running":
            cause = "the volunteer paused the client"
            move(draft, task, "suspended", cause, tries=task.tries, leave_at=leave_at)
        elif task.phase == "suspended" and task.leave_at > leave_at:
            draft.task(task, leave_at=leave_at)  # the clock was set back
    for task, cause in _choose_to_leave(draft.view(), draft.now):
        move(draft, task, "leaving", cause, tries=task.tries)


def _choose_to_leave(state: AgentState, now: int) -> list[tuple[TaskState, str]]:
    may = [t for t in _leavable(state) if t.retry_at <= now]
    chosen = [(t, "the pause lasts") for t in may if t.leave_at <= now]
    under_way = any(t.phase == "leaving" for t in state.tasks.values())
    if not chosen and may and not under_way and state.memory_free_bytes < state.memory_keep_bytes:
        # One after the other: what the first gives back may be enough.
        largest = max(may, key=lambda t: (t.memory_bytes, t.key))
        chosen.append((largest, "memory is short"))
    return chosen


def next_leave_at(state: AgentState, now: int) -> list[int]:
    """When :func:`apply_pause` has something to do, if nothing else happens."""
    times = [time for t in _leavable(state) for time in (t.retry_at, t.leave_at)]
    return [time for time in times if time > now]


def _leavable(state: AgentState) -> list[TaskState]:
    return [t for t in state.tasks.values() if t.phase == "suspended" and t.checkpoints]


def task_left(draft: Draft, event: TaskLeft) -> None:
    """It waits for its next turn; or it stands still as before, and is asked again later."""
    task = draft.tasks.get((event.project, event.task))
    if task is None or task.phase != "leaving":
        return
    if event.saved:
        move(draft, task, "ready", "it left memory at a checkpoint", tries=task.tries)
        return
    draft.emit(Notify("info", "stays_in_memory", event.text, task.project, task.id))
    retry_at = draft.now + int(LEAVE_RETRY_S * US)
    move(draft, task, "suspended", event.text, tries=task.tries, retry_at=retry_at)
