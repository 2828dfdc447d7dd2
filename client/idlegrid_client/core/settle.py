"""The consequences that time and state alone bring about, whatever event came."""

import msgspec

from .draft import Draft
from .exchange import contact, due_at
from .instruction import Download, ForgetProject, SaveTask, Upload, Wait
from .limit import (
    BACKOFF_CAP_S,
    CONTACT_MAX_S,
    HEARTBEAT_S,
    RESULT_KEEP_S,
    US,
)
from .migrate import next_send_at, send_checkpoint
from .model import DELIVERING, IN_MEMORY, FileState, ProjectState, TaskState
from .pause import apply_pause, next_leave_at
from .prepare import next_prepare_at, prepare
from .reply import abort
from .task_order import choose_to_start
from .transition import move


def settle(draft: Draft) -> None:
    """Bring the draft to rest and end with the time of the next thing to do."""
    _survive_clock_jumps(draft)
    for task in list(draft.tasks.values()):
        _expire(draft, task)
    for task in list(draft.tasks.values()):
        _gather_files(draft, task)
    for project in list(draft.projects.values()):
        _download(draft, project)
    for task in list(draft.tasks.values()):
        _deliver(draft, task)
    for task in list(draft.tasks.values()):
        send_checkpoint(draft, task)
    apply_pause(draft)
    prepare(draft)
    for task in choose_to_start(draft.view(), draft.now):
        move(draft, task, "running", "its turn", started_at=draft.now, tries=task.tries)
    for fingerprint in list(draft.projects):
        _leave(draft, draft.projects[fingerprint])
    for project in list(draft.projects.values()):
        contact(draft, project)
    draft.emit(Wait(_next_at(draft)))


def _survive_clock_jumps(draft: Draft) -> None:
    """A clock set back must not make us wait for a time that lies far ahead."""
    far = draft.now + int(BACKOFF_CAP_S * US)
    for project in list(draft.projects.values()):
        if project.next_contact_at > draft.now + int(CONTACT_MAX_S * US):
            draft.project(project.fingerprint, next_contact_at=draft.now)
        if project.last_reply_at > draft.now:
            draft.project(project.fingerprint, last_reply_at=draft.now)
        for file in project.files.values():
            if file.retry_at > far:
                draft.file(project.fingerprint, msgspec.structs.replace(file, retry_at=0))
    for runtime in list(draft.runtimes.values()):
        if runtime.state == "wanted" and runtime.retry_at > far:
            draft.runtime(runtime, retry_at=draft.now)
    for task in list(draft.tasks.values()):
        if task.retry_at > far:
            draft.task(task, retry_at=draft.now)
        if task.checkpoint_at > far:
            draft.task(draft.tasks[task.key], checkpoint_at=draft.now)


def _expire(draft: Draft, task: TaskState) -> None:
    if task.phase in DELIVERING:
        if draft.now > task.deadline_at + int(RESULT_KEEP_S * US):
            move(draft, task, "forgotten", "it could not be delivered for a month")
    elif draft.now >= task.deadline_at and task.phase not in IN_MEMORY:
        if task.wants_reoffer:
            move(draft, task, "forgotten", "its deadline passed while the server did not offer it")
        else:
            abort(draft, task, "deadline_passed", "its deadline passed before it could start")


def _gather_files(draft: Draft, task: TaskState) -> None:
    if task.phase == "new" and not task.wants_reoffer:
        task = move(draft, task, "downloading", "its files are fetched", tries=task.tries)
        known = draft.projects[task.project].files
        for need in task.files:
            if need.sha256 not in known:
                draft.file(task.project, FileState(need.sha256, need.bytes, need.url))
    if task.phase == "downloading":
        known = draft.projects[task.project].files
        if all(f.sha256 in known and known[f.sha256].state == "present" for f in task.files):
            move(draft, task, "ready", "all its files are here", tries=task.tries)


def _download(draft: Draft, project: ProjectState) -> None:
    for file in project.files.values():
        if file.state == "wanted" and file.retry_at <= draft.now:
            draft.file(project.fingerprint, msgspec.structs.replace(file, state="downloading"))
            draft.emit(Download(project.fingerprint, file.sha256, file.bytes, file.url))


def _deliver(draft: Draft, task: TaskState) -> None:
    if task.phase not in ("computed", "uploading") or task.result is None:
        return
    uploads = task.result.uploads()
    left = {s: e for s, e in uploads.items() if s not in task.uploaded}
    if not left:
        cause = "all its files are at the server" if uploads else "its files fit into the report"
        done = move(draft, task, "reporting", cause, sending=(), tries=0)
        if uploads:
            draft.emit(SaveTask(done))
        return
    if task.phase == "computed":
        task = move(draft, task, "uploading", f"{len(left)} files go to the server")
    if task.retry_at > draft.now:
        return
    for sha256, entry in left.items():
        if sha256 not in task.sending:
            task = draft.task(task, sending=(*task.sending, sha256))
            draft.emit(Upload(task.project, task.id, sha256, entry.bytes, entry.name))


def _leave(draft: Draft, project: ProjectState) -> None:
    """One that the server never knew needs no farewell; else the answer to it ends things."""
    unknown = not project.enrolled and project.busy in ("", "enrol")
    if project.leaving and unknown and not draft.tasks_of(project.fingerprint):
        del draft.projects[project.fingerprint]
        draft.emit(ForgetProject(project.fingerprint))


def _next_at(draft: Draft) -> int:
    times = [draft.now + int(HEARTBEAT_S * US)]
    for project in draft.projects.values():
        if not project.busy:
            times.append(due_at(draft, project))
        times += [f.retry_at for f in project.files.values() if f.state == "wanted"]
    for task in draft.tasks.values():
        if task.phase in ("uploading", "ready") and task.retry_at > draft.now:
            times.append(task.retry_at)
        if task.phase in ("new", "downloading", "ready"):
            times.append(task.deadline_at)
        send_at = next_send_at(task)
        if send_at is not None:
            times.append(send_at)
    times += next_prepare_at(draft)
    times += next_leave_at(draft.view(), draft.now)
    return max(draft.now, min(times))
