"""The agent: one event in, the next state and what to do out.

Each event has a handler; after it ``settle`` draws all consequences that do not depend on which
event it was: downloads, uploads, starts, contacts, and how long to wait.
"""

import random
from collections.abc import Callable
from typing import Any

from . import event as ev
from .backoff import delay_s
from .draft import Draft
from .failure import exchange_failed, problem_received
from .instruction import Exit, Instruction, LeaveMemory, Notify, SaveProject
from .limit import DOWNLOAD_TRIES_MAX, REOFFERS_MAX, START_TRIES_MAX, US
from .migrate import checkpoint_lost, checkpoint_made, checkpoint_not_sent, checkpoint_sent
from .model import IN_MEMORY, UNFINISHED, AgentState, FileState, Result, TaskState
from .pause import task_left
from .prepare import forget_runtime, runtime_failed, runtime_ready
from .reply import abort, receive
from .settle import settle
from .transition import move

_MEAN_WEIGHT = 0.2  # of the newest task in the running mean of what a task takes


def handle(
    state: AgentState, event: ev.Event, now: int, rng: random.Random
) -> tuple[AgentState, list[Instruction]]:
    """Take one event at time ``now`` (µs UTC).

    Raises ``transition.InvalidTransition`` if the rules contradict themselves. Events about
    projects or tasks that are gone are late, not wrong: they change nothing.
    """
    draft = Draft(state, now, rng)
    project = getattr(event, "project", None)
    late = isinstance(project, str) and project and project not in draft.projects
    if not late:
        _HANDLERS[type(event)](draft, event)
    if not draft.view().stopping:
        settle(draft)
    return draft.view(), draft.instructions


def _timer(draft: Draft, event: ev.Timer) -> None:
    pass  # all that time brings is in settle


def _started(draft: Draft, event: ev.Started) -> None:
    for project in event.projects:
        draft.projects[project.fingerprint] = project
    for task in event.tasks:
        draft.tasks[task.key] = task


def _attached(draft: Draft, event: ev.ProjectAttached) -> None:
    fingerprint = event.project.fingerprint
    if fingerprint not in draft.projects:
        draft.projects[fingerprint] = event.project


def _command(draft: Draft, event: ev.CommandGiven) -> None:
    if event.command == "stop":
        draft.change(stopping=True)
        held = draft.view().in_memory()
        draft.emit(*(LeaveMemory(t.project, t.id, anyway=True) for t in held))
        draft.emit(Exit())
        return
    if event.command in ("pause", "resume"):
        draft.change(paused=event.command == "pause")
        return
    known = draft.projects[event.project]
    soon = known.next_contact_at if known.failures else draft.now
    leaving = draft.project(event.project, leaving=True, next_contact_at=soon)
    draft.emit(SaveProject(leaving))
    for task in draft.tasks_of(event.project):
        if task.phase in UNFINISHED:
            abort(draft, task, "project_left", "the volunteer leaves the project")


def _machine_changed(draft: Draft, event: ev.MachineChanged) -> None:
    draft.change(
        machine=event.machine,
        disk_free_bytes=event.disk_free_bytes,
        memory_free_bytes=event.memory_free_bytes,
    )


def _enrolled(draft: Draft, event: ev.Enrolled) -> None:
    changed = draft.project(
        event.project,
        busy="",
        enrolled=True,
        house=event.house,
        blocked="",
        trouble="",
        failures=0,
        next_contact_at=draft.now,
    )
    draft.emit(SaveProject(changed))


def _key_renewed(draft: Draft, event: ev.KeyRenewed) -> None:
    draft.project(event.project, busy="", next_contact_at=draft.now)


def _download_finished(draft: Draft, event: ev.DownloadFinished) -> None:
    file = draft.projects[event.project].files.get(event.sha256)
    if file is not None:
        draft.file(event.project, FileState(file.sha256, file.bytes, file.url, state="present"))


def _download_failed(draft: Draft, event: ev.DownloadFailed) -> None:
    file = draft.projects[event.project].files.get(event.sha256)
    if file is None:
        return
    tries = file.tries + 1
    if not event.gone and tries < DOWNLOAD_TRIES_MAX:
        retry_at = draft.now + int(delay_s(tries, draft.rng) * US)
        waiting = FileState(file.sha256, file.bytes, file.url, "wanted", tries, retry_at)
        draft.file(event.project, waiting)
        return
    draft.drop_file(event.project, event.sha256)
    for task in draft.tasks_of(event.project):
        if task.phase != "downloading" or all(f.sha256 != event.sha256 for f in task.files):
            continue
        if task.resume == event.sha256:
            # Only time would be saved by it: the task starts from its beginning.
            kept = tuple(f for f in task.files if f.sha256 != event.sha256)
            draft.task(task, resume="", files=kept)
        else:
            _ask_again(draft, task, event.text)


def _ask_again(draft: Draft, task: TaskState, text: str) -> None:
    """Addresses are short-lived. A task that is not held any more is offered with new ones."""
    if task.reoffers >= REOFFERS_MAX:
        abort(draft, task, "download_failed", text)
        return
    back = move(draft, task, "new", f"a file cannot be had: {text}")
    pause = int(delay_s(task.reoffers + 1, draft.rng) * US)
    draft.task(back, wants_reoffer=True, reoffers=task.reoffers + 1, retry_at=draft.now + pause)
    draft.emit(Notify("warning", "download_failed", text, task.project, task.id))


def _upload_finished(draft: Draft, event: ev.UploadFinished) -> None:
    task = draft.tasks.get((event.project, event.task))
    if task is not None and task.phase == "uploading":
        draft.task(
            task,
            uploaded=tuple(dict.fromkeys((*task.uploaded, event.sha256))),
            sending=tuple(s for s in task.sending if s != event.sha256),
            tries=0,
        )


def _upload_failed(draft: Draft, event: ev.UploadFailed) -> None:
    task = draft.tasks.get((event.project, event.task))
    if task is None or task.phase != "uploading":
        return
    tries = task.tries + 1
    pause = int(delay_s(tries, draft.rng, event.retry_after_s) * US)
    sending = tuple(s for s in task.sending if s != event.sha256)
    draft.task(task, sending=sending, tries=tries, retry_at=draft.now + pause)
    if tries == 1:
        draft.emit(Notify("warning", "upload_failed", event.text, event.project, event.task))


def _in_memory(draft: Draft, project: str, task_id: str) -> TaskState | None:
    task = draft.tasks.get((project, task_id))
    return task if task is not None and task.phase in IN_MEMORY else None


def _task_finished(draft: Draft, event: ev.TaskFinished) -> None:
    task = _in_memory(draft, event.project, event.task)
    if task is None:
        return
    result = event.result
    if result.outcome == "success":
        mean = draft.view().task_s
        took = max(result.elapsed_s, 0.001)
        mixed = took if mean <= 0 else mean + _MEAN_WEIGHT * (took - mean)
        draft.change(task_s=mixed)
        move(draft, task, "computed", "it ran to its end", result=result, progress=1.0)
    elif result.outcome == "error":
        cause = f"it failed: {result.reason}"
        draft.emit(Notify("warning", result.reason, cause, task.project, task.id))
        move(draft, task, "failed", cause, result=result)
    else:
        move(draft, task, "aborted", f"it was given up: {result.reason}", result=result)


def _task_interrupted(draft: Draft, event: ev.TaskInterrupted) -> None:
    task = _in_memory(draft, event.project, event.task)
    if task is None:
        return
    tries = task.tries + 1
    draft.emit(Notify("warning", "interrupted", event.text, task.project, task.id))
    if tries >= START_TRIES_MAX:
        result = Result(outcome="error", reason="host_fault", stderr=event.text)
        move(draft, task, "failed", event.text, result=result)
    elif event.files_lost:
        forget_runtime(draft, task.runtime)  # one of them may be its interpreter's
        project = draft.projects[task.project]
        lost = {f.sha256 for f in task.files}
        files = {
            s: f for s, f in project.files.items() if s not in lost or f.state == "downloading"
        }
        draft.project(task.project, files=files)
        move(draft, task, "new", event.text, tries=tries)
    else:
        retry_at = draft.now + int(delay_s(tries, draft.rng) * US)
        move(draft, task, "ready", event.text, tries=tries, retry_at=retry_at, progress=0.0)


def _task_untrusted(draft: Draft, event: ev.TaskUntrusted) -> None:
    task = _in_memory(draft, event.project, event.task)
    if task is not None:
        abort(draft, task, event.code, event.text)


def _task_progress(draft: Draft, event: ev.TaskProgress) -> None:
    task = _in_memory(draft, event.project, event.task)
    if task is not None:
        draft.task(task, progress=min(1.0, max(0.0, event.fraction)))


_HANDLERS: dict[type[Any], Callable[[Draft, Any], None]] = {
    ev.Timer: _timer,
    ev.Started: _started,
    ev.ProjectAttached: _attached,
    ev.CommandGiven: _command,
    ev.MachineChanged: _machine_changed,
    ev.ReplyReceived: receive,
    ev.ExchangeFailed: exchange_failed,
    ev.ProblemReceived: problem_received,
    ev.Enrolled: _enrolled,
    ev.KeyRenewed: _key_renewed,
    ev.DownloadFinished: _download_finished,
    ev.DownloadFailed: _download_failed,
    ev.UploadFinished: _upload_finished,
    ev.UploadFailed: _upload_failed,
    ev.CheckpointMade: checkpoint_made,
    ev.CheckpointLost: checkpoint_lost,
    ev.CheckpointSent: checkpoint_sent,
    ev.CheckpointNotSent: checkpoint_not_sent,
    ev.RuntimeReady: runtime_ready,
    ev.RuntimeFailed: runtime_failed,
    ev.TaskFinished: _task_finished,
    ev.TaskInterrupted: _task_interrupted,
    ev.TaskLeft: task_left,
    ev.TaskUntrusted: _task_untrusted,
    ev.TaskProgress: _task_progress,
}
