"""Which ready tasks start now: earliest deadline first, within cores and memory."""

from .model import AgentState, TaskState
from .prepare import claimed_bytes, is_prepared


def choose_to_start(state: AgentState, now: int) -> list[TaskState]:
    """The ready tasks to start, in order.

    A task that does not fit beside those that run is passed over for a smaller one, but only while
    it is not the most urgent: the first in line keeps its claim on memory, or it would starve.
    A task whose interpreter is not compiled yet waits for it. A project with a stale timestamp, or
    one that is being left, starts none. Nothing starts while the volunteer pauses.
    """
    if state.paused:
        return []
    held = state.in_memory()
    cores = state.cores - len(held)
    memory = state.memory_bytes - sum(t.memory_bytes for t in held)
    memory -= claimed_bytes(state, now)
    chosen: list[TaskState] = []
    for place, task in enumerate(_line(state, now)):
        if len(chosen) >= cores:
            break
        if task.memory_bytes <= memory:
            chosen.append(task)
            memory -= task.memory_bytes
        elif place == 0:
            break
    return chosen


def _line(state: AgentState, now: int) -> list[TaskState]:
    ready = [
        task
        for task in state.tasks.values()
        if task.phase == "ready" and task.retry_at <= now and _may_start(state, task, now)
    ]
    return sorted(ready, key=lambda t: (t.deadline_at, t.accepted_at, t.project, t.id))


def _may_start(state: AgentState, task: TaskState, now: int) -> bool:
    project = state.projects[task.project]
    fits = task.memory_bytes <= state.memory_bytes
    fresh = not project.leaving and now < project.timestamp_expires_at
    return fits and fresh and is_prepared(state, task)
