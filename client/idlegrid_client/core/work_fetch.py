"""How many tasks to ask for: enough to fill the cores, and a little ahead."""

import math

from idlegrid_shared.wire import HELD_MAX, WANT_MAX, Want

from .limit import (
    DISK_FREE_MIN_BYTES,
    RESULTS_WAITING_MAX,
    WORK_AHEAD_PER_CORE_MAX,
    WORK_AHEAD_S,
)
from .model import DELIVERING, UNFINISHED, AgentState, ProjectState


def compute_want(state: AgentState, project: ProjectState) -> Want | None:
    """What to ask ``project`` for, or None: there is enough, or a reason not to take more."""
    if state.stopping or project.leaving or state.cores < 1 or why_no_fetch(state, project):
        return None
    sharing = sum(1 for p in state.projects.values() if not p.leaving and not p.blocked)
    target = _stock_target(state, project)
    share = max(1, math.ceil(target / max(1, sharing)))
    mine = state.tasks_of(project.fingerprint)
    stock = sum(1 for t in mine if t.phase in UNFINISHED)
    if stock > share - max(1, (share - state.cores) // 2):
        return None  # the stock is not low yet: ask seldom, and for more at once
    room = HELD_MAX - len(mine)
    tasks = min(share - stock, room, WANT_MAX)
    if tasks < 1:
        return None
    return Want(tasks=tasks, memory_bytes=state.memory_bytes, disk_bytes=state.disk_free_bytes)


def why_no_fetch(state: AgentState, project: ProjectState) -> str:
    """Why no more work is taken although cores may be free; "" if nothing stands against it."""
    if state.paused:
        return "no work is taken during the pause"
    waiting = sum(1 for t in state.tasks_of(project.fingerprint) if t.phase in DELIVERING)
    if waiting >= RESULTS_WAITING_MAX:
        return f"{waiting} finished results wait for delivery; new work comes when they are gone"
    if state.disk_free_bytes < DISK_FREE_MIN_BYTES:
        free_mb = state.disk_free_bytes // 1024**2
        need_mb = DISK_FREE_MIN_BYTES // 1024**2
        return f"the disk has {free_mb} MB free and {need_mb} MB are needed to take new work"
    return ""


def _stock_target(state: AgentState, project: ProjectState) -> int:
    """Tasks to have here: one a core, and what is eaten until the next chance to ask."""
    if state.task_s <= 0:
        ahead = state.cores
    else:
        horizon_s = max(WORK_AHEAD_S, 2 * project.interval_s)
        ahead = math.ceil(state.cores * horizon_s / state.task_s)
    return state.cores + min(max(1, ahead), WORK_AHEAD_PER_CORE_MAX * state.cores)
