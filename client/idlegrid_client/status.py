"""The agent's state in a file, so that `idlegrid-client status` can tell it at any time."""

from pathlib import Path

import msgspec

from .core.explain import explain_agent, explain_project, explain_runtime
from .core.limit import US
from .core.model import DELIVERING, AgentState, TaskState
from .core.progress import seconds_left

FORMAT = 1


class TaskStatus(msgspec.Struct):
    """One task for people: times in µs UTC, progress 0 … 1."""

    id: str
    phase: str
    app: str
    batch: str
    progress: float
    started_at: int
    deadline_at: int
    outcome: str = ""
    reason: str = ""
    left_s: float | None = None  # about how much longer it runs, if that can be told


class ProjectStatus(msgspec.Struct):
    """One project for people."""

    name: str
    url: str
    fingerprint: str
    folder: str
    enrolled: bool = False
    why: str = ""
    next_contact_at: int = 0
    last_reply_at: int = 0
    running: int = 0
    suspended: int = 0  # in memory, and standing still
    ready: int = 0
    fetching: int = 0
    waiting: int = 0  # results that wait for delivery or for their receipt
    delivered: int = 0  # since the client was started
    tasks: list[TaskStatus] = []
    refusals: list[str] = []


class RuntimeStatus(msgspec.Struct):
    """An interpreter on this machine, for people."""

    name: str
    state: str
    why: str = ""


class Status(msgspec.Struct):
    """The whole client for people."""

    format: int
    at: int
    pid: int
    running: bool
    data: str
    cores: int
    why: str
    projects: list[ProjectStatus]
    runtimes: list[RuntimeStatus] = []
    allowed: list[str] = []  # kinds of programs besides WebAssembly; only in `status --json`


def make_status(state: AgentState, now: int, pid: int, data: Path) -> Status:
    """The state in words and numbers."""
    return Status(
        format=FORMAT,
        at=now,
        pid=pid,
        running=not state.stopping,
        data=str(data),
        cores=state.cores,
        why=explain_agent(state, now),
        projects=[_project_status(state, p, now, data) for p in sorted(state.projects)],
        runtimes=[
            RuntimeStatus(r.name, r.state, "" if r.state == "ready" else explain_runtime(r, now))
            for r in state.runtimes.values()
        ],
    )


def _project_status(state: AgentState, fingerprint: str, now: int, data: Path) -> ProjectStatus:
    project = state.projects[fingerprint]
    tasks = state.tasks_of(fingerprint)
    phases = [t.phase for t in tasks]
    return ProjectStatus(
        name=project.name,
        url=project.url,
        fingerprint=fingerprint,
        folder=str(data / "projects" / fingerprint),
        enrolled=project.enrolled,
        why=explain_project(state, project, now),
        next_contact_at=project.next_contact_at,
        last_reply_at=project.last_reply_at,
        running=phases.count("running"),
        suspended=phases.count("suspended") + phases.count("leaving"),
        ready=phases.count("ready"),
        fetching=phases.count("new") + phases.count("downloading"),
        waiting=sum(1 for p in phases if p in DELIVERING),
        delivered=project.delivered,
        tasks=[_task_status(t, now) for t in tasks],
        refusals=[r.text for r in project.refusals],
    )


def _task_status(task: TaskState, now: int) -> TaskStatus:
    left_s = None
    if task.phase == "running":
        left_s = seconds_left(task.progress, (now - task.started_at) / US)
    return TaskStatus(
        id=task.id,
        phase=task.phase,
        app=f"{task.app} {task.version}".strip(),
        batch=task.batch,
        progress=task.progress,
        started_at=task.started_at,
        deadline_at=task.deadline_at,
        outcome=task.result.outcome if task.result is not None else "",
        reason=task.result.reason if task.result is not None else "",
        left_s=left_s,
    )


def write_status(path: Path, status: Status) -> None:
    """Replace the status file in one step. Not synced: it is news, not truth. Raises OSError."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(status), indent=1) + b"\n")
    temporary.replace(path)


def read_status(path: Path) -> Status | None:
    """The last status written; None if there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
