"""Tasks on the disk: written so that a crash at any point loses no finished result."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from idlegrid_shared.keyfile import sync_folder

from .core.model import Phase, Result, Step, TaskState
from .durable import DamagedError, hash_file, read_state, sync_file, write_state
from .faults import reach
from .layout import ProjectFolder, TaskFolder

Say = Callable[[str], None]
T = TypeVar("T")

_PHASE_OF: dict[str, Phase] = {"success": "computed", "error": "failed", "aborted": "aborted"}


class StoredResult(msgspec.Struct, frozen=True):
    """A result with all that is needed to report it, even if nothing else of its task is left."""

    task: str
    deadline_at: int
    accepted_at: int
    result: Result


def save_result(folder: TaskFolder, stored: StoredResult) -> None:
    """Write a result down; its output files must be durable already."""
    write_state(folder.result, stored, "result")


def sync_outputs(folder: Path) -> None:
    """Make every output file and every folder of them durable; raises ``OSError``."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            sync_file(path)
        else:
            sync_folder(path)
    sync_folder(folder)
    sync_folder(folder.parent)
    reach("outputs.synced")


def save_task(project: ProjectFolder, task: TaskState) -> None:
    """Write a task down: its result first, for that is what must never be lost."""
    folder = project.task(task.id)
    new = not folder.root.exists()
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if task.result is not None:
        stored = StoredResult(task.id, task.deadline_at, task.accepted_at, task.result)
        if not _holds(folder, stored):
            save_result(folder, stored)
    write_state(
        folder.task,
        msgspec.structs.replace(task, result=None, sending=(), checkpoint_sending=False),
        "task",
    )
    if new:
        sync_folder(project.tasks)


def _holds(folder: TaskFolder, stored: StoredResult) -> bool:
    try:
        return read_state(folder.result, StoredResult) == stored
    except DamagedError:
        return False


def forget_task(project: ProjectFolder, task: str) -> None:
    """Delete a task: first out of the way in one step, then piece by piece."""
    folder = project.task(task).root
    reach("forget.before")
    if folder.exists():
        aside = _free_name(project.trash, folder.name)
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    reach("forget.after")


def empty_trash(project: ProjectFolder) -> None:
    """Finish what a crash interrupted."""
    for path in project.trash.iterdir():
        shutil.rmtree(path, ignore_errors=True)


def load_tasks(project: ProjectFolder, fingerprint: str, say: Say) -> list[TaskState]:
    """All tasks that the disk remembers, oldest first.

    What was not finished begins anew; a finished result counts if its outputs still have the bytes
    that its manifest names. What cannot be believed is set aside in ``broken/``, with a sentence to
    ``say``; the server gives such a task again, since it is not listed as held any more.
    """
    tasks = []
    for path in sorted(project.tasks.iterdir()):
        task = _load_task(TaskFolder(path), fingerprint, say)
        if task is None:
            path.rename(_free_name(project.broken, path.name))
            say(f"the folder of task {path.name} was set aside: nothing in it can be believed")
        else:
            tasks.append(task)
    return sorted(tasks, key=lambda t: (t.accepted_at, t.id))


def _load_task(folder: TaskFolder, fingerprint: str, say: Say) -> TaskState | None:
    task = _read(folder.task, TaskState, say)
    stored = _read(folder.result, StoredResult, say)
    if task is not None and task.project != fingerprint:
        say(f"{folder.task} belongs to another project and is not used")
        task = None
    if stored is not None and task is not None and stored.task != task.id:
        say(f"{folder.result} belongs to another task and is not used")
        stored = None
    if stored is not None and stored.result.outcome == "success":
        fault = _fault_of_outputs(folder.out, stored.result)
        if fault:
            say(f"the result of task {stored.task} is not used, it is computed anew: {fault}")
            stored = None
    if stored is not None:
        return _with_result(task, stored, fingerprint)
    if task is None or task.descriptor is None:
        return None
    shutil.rmtree(folder.out, ignore_errors=True)
    return msgspec.structs.replace(
        task,
        phase="new",
        result=None,
        sending=(),
        tries=0,
        retry_at=0,
        wants_reoffer=False,
        checkpoint=None,  # a newer one may lie there: it is told of when the task goes on from it
    )


def _with_result(task: TaskState | None, stored: StoredResult, fingerprint: str) -> TaskState:
    phase = _PHASE_OF[stored.result.outcome]
    if task is None:
        step = Step(stored.accepted_at, phase, "rebuilt from its result alone")
        return TaskState(
            project=fingerprint,
            id=stored.task,
            phase=phase,
            deadline_at=stored.deadline_at,
            accepted_at=stored.accepted_at,
            result=stored.result,
            history=(step,),
        )
    return msgspec.structs.replace(
        task, phase=phase, result=stored.result, sending=(), tries=0, retry_at=0
    )


def _fault_of_outputs(out: Path, result: Result) -> str:
    for entry in result.manifest:
        try:
            found = hash_file(out / entry.name)
        except OSError as error:
            return f"output {entry.name} cannot be read ({error.strerror})"
        if found != (entry.sha256, entry.bytes):
            return f"output {entry.name} has other bytes than were computed"
    return ""


def _read(path: Path, kind: type[T], say: Say) -> T | None:
    try:
        return read_state(path, kind)
    except DamagedError as error:
        say(f"{error}; it was set aside")
        path.rename(_free_name(path.parent, path.name + ".broken"))
        return None


def _free_name(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, n = folder / name, 1
    while path.exists():
        path, n = folder / f"{name}.{n}", n + 1
    return path
