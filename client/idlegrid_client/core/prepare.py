"""Interpreters are compiled once for this machine, in the background; their tasks wait meanwhile.

One at a time. What is compiled lies in the cache of compiled modules, so after a restart of the
client the same takes a blink.
"""

from .backoff import delay_s
from .draft import Draft
from .event import RuntimeFailed, RuntimeReady
from .instruction import Notify, PrepareRuntime
from .limit import RUNTIME_RETRY_S, US
from .model import AgentState, RuntimeState, TaskState
from .reply import abort


def is_prepared(state: AgentState, task: TaskState) -> bool:
    """Whether nothing has to be compiled before ``task`` can start."""
    if not task.runtime:
        return True
    known = state.runtimes.get(task.runtime)
    return known is not None and known.state == "ready"


def compiling(state: AgentState) -> RuntimeState | None:
    """The one that is being compiled now."""
    return next((r for r in state.runtimes.values() if r.state == "compiling"), None)


def prepare(draft: Draft) -> None:
    """Let the next interpreter be compiled that a ready task waits for."""
    state = draft.view()
    waiting = [t for t in state.tasks.values() if t.phase == "ready" and not is_prepared(state, t)]
    for task in waiting:
        known = draft.runtimes.get(task.runtime)
        if known is None:
            draft.runtime(RuntimeState(task.runtime, task.runtime_name, task.compile_bytes))
        elif known.state == "failed" and known.retry_at <= draft.now:
            draft.runtime(known, state="wanted")
        elif known.state == "failed":
            abort(draft, task, "runtime_failed", known.trouble)
    state = draft.view()
    if compiling(state) is not None or state.paused:
        return
    free = state.memory_bytes - sum(t.memory_bytes for t in state.in_memory())
    following = _next(state, draft.now)
    if following is not None and following[0].memory_bytes <= free:
        runtime, task = following
        draft.runtime(runtime, state="compiling", since=draft.now)
        draft.emit(PrepareRuntime(task.project, task.id, task.runtime))


def claimed_bytes(state: AgentState, now: int) -> int:
    """Memory that tasks leave alone: an interpreter is being compiled, or is the next to be."""
    busy = compiling(state)
    if busy is not None:
        return busy.memory_bytes
    following = _next(state, now)
    return following[0].memory_bytes if following is not None else 0


def _next(state: AgentState, now: int) -> tuple[RuntimeState, TaskState] | None:
    """The interpreter to compile next, for the most urgent task that waits for one."""
    waiting = [
        (t.deadline_at, t.accepted_at, t.project, t.id, t)
        for t in state.tasks.values()
        if t.phase == "ready" and t.runtime in state.runtimes
    ]
    for *_, task in sorted(waiting, key=lambda item: item[:4]):
        runtime = state.runtimes[task.runtime]
        if runtime.state == "wanted" and runtime.retry_at <= now:
            return runtime, task
    return None


def next_prepare_at(draft: Draft) -> list[int]:
    """When :func:`prepare` has something to do again, if nothing else happens."""
    return [
        r.retry_at
        for r in draft.runtimes.values()
        if r.state == "wanted" and r.retry_at > draft.now
    ]


def runtime_ready(draft: Draft, event: RuntimeReady) -> None:
    """Its tasks may start."""
    runtime = draft.runtimes.get(event.runtime)
    if runtime is not None:
        took_s = (draft.now - runtime.since) / US
        text = f"{runtime.name} is ready on this computer, after {took_s:.0f} s"
        draft.emit(Notify("info", "runtime_ready", text))
        draft.runtime(runtime, state="ready", tries=0, trouble="")


def runtime_failed(draft: Draft, event: RuntimeFailed) -> None:
    """Try again later; if there is no hope, its tasks go back to their servers."""
    runtime = draft.runtimes.get(event.runtime)
    if runtime is None:
        return
    text = f"{runtime.name} could not be prepared for this computer: {event.text}"
    draft.emit(Notify("error" if event.hopeless else "warning", "runtime_failed", text))
    tries = runtime.tries + 1
    pause_s = RUNTIME_RETRY_S if event.hopeless else delay_s(tries, draft.rng)
    draft.runtime(
        runtime,
        state="failed" if event.hopeless else "wanted",
        tries=tries,
        retry_at=draft.now + int(pause_s * US),
        trouble=text,
    )


def forget_runtime(draft: Draft, sha256: str) -> None:
    """What was compiled may have been lost with other files: it is looked at again."""
    runtime = draft.runtimes.get(sha256)
    if runtime is not None and runtime.state == "ready":
        del draft.runtimes[sha256]
