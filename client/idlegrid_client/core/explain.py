"""Why things are as they are, in plain words, from the state alone."""

from .limit import US
from .model import UNFINISHED, AgentState, ProjectState, RuntimeState, TaskState
from .prepare import is_prepared
from .work_fetch import why_no_fetch


def explain_agent(state: AgentState, now: int) -> str:
    """One sentence: what the agent does, or why it does nothing."""
    if state.stopping:
        return "The client is stopping."
    running = len(state.running())
    if state.paused:
        return _explain_pause(state)
    if running:
        tasks = "task runs" if running == 1 else "tasks run"
        free = state.cores - running
        more = f"; {free} of {state.cores} cores are free" if free > 0 else ""
        return f"{running} {tasks}{more}."
    if not state.projects:
        return "No project is attached: use `idlegrid-client attach` with a project's link."
    reasons = {explain_project(state, p, now) for p in state.projects.values()}
    return "Nothing runs. " + " ".join(sorted(reasons))


def _explain_pause(state: AgentState) -> str:
    kept = [t for t in state.in_memory() if t.phase == "suspended"]
    fixed = sum(1 for t in kept if not t.checkpoints)
    text = "Paused, until `idlegrid-client resume`."
    if kept:
        tasks = "1 task stands" if len(kept) == 1 else f"{len(kept)} tasks stand"
        cannot = "it cannot" if fixed == 1 else "they cannot"
        stay = f", {fixed} of them until then, for {cannot} be saved" if fixed else ""
        text += f" {tasks} still in memory{stay}."
    return text


def explain_project(state: AgentState, project: ProjectState, now: int) -> str:
    """One sentence: how it stands with this project."""
    name = project.name or project.url
    again = max(0, round((project.next_contact_at - now) / US))
    mine = state.tasks_of(project.fingerprint)
    stock = [t for t in mine if t.phase in UNFINISHED]
    if project.leaving:
        return f"{name}: leaving it as soon as the server knows."
    if project.blocked:
        return f"{name}: the server does not want this host ({project.blocked})."
    if project.trouble:
        return f"{name}: {project.trouble} (the next attempt is in {again} s)."
    if not project.enrolled:
        return f"{name}: this machine is about to introduce itself."
    if project.timestamp_expires_at <= now:
        return (
            f"{name}: the server's last sign of freshness is over seven days old, so no task is "
            "started until it renews it (or this machine's clock is wrong)."
        )
    if state.paused and stock:
        return f"{name}: paused."
    if any(t.phase == "running" for t in stock):
        return f"{name}: computing."
    if stock:
        fetching = sum(1 for t in stock if t.phase in ("new", "downloading"))
        if fetching:
            return f"{name}: fetching the files of {fetching} tasks."
        return _explain_ready(state, name, stock, now)
    hindrance = why_no_fetch(state, project)
    if hindrance:
        return f"{name}: {hindrance}."
    if project.last_wanted and not project.last_given:
        why = "; ".join(r.text.rstrip(".") for r in project.refusals) or "it has no work just now"
        return f"{name}: the server gave no work: {why} (asked again in {again} s)."
    if project.busy:
        return f"{name}: talking with its server."
    return f"{name}: it will be asked for work in {again} s."


def explain_runtime(runtime: RuntimeState, now: int) -> str:
    """How it stands with an interpreter that tasks wait for."""
    if runtime.state == "compiling":
        so_far = max(0, round((now - runtime.since) / US))
        return (
            f"{runtime.name} is being compiled for this computer, once and at the lowest priority "
            f"({so_far} s so far; it takes from ten seconds to some minutes)"
        )
    if runtime.retry_at > now:
        again = round((runtime.retry_at - now) / US)
        return f"{runtime.trouble} (the next attempt is in {again} s)"
    return f"{runtime.name} waits for memory or for its turn to be compiled for this computer"


def _explain_ready(state: AgentState, name: str, stock: list[TaskState], now: int) -> str:
    waiting = [t for t in stock if not is_prepared(state, t)]
    if len(waiting) < len(stock) or waiting[0].runtime not in state.runtimes:
        return f"{name}: {len(stock)} tasks wait for a free core or memory."
    runtime = state.runtimes[waiting[0].runtime]
    tasks = "1 task waits" if len(waiting) == 1 else f"{len(waiting)} tasks wait"
    return f"{name}: {explain_runtime(runtime, now)}; {tasks} for it."
