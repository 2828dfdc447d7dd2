"""Checkpoints that go to the server, so that another host can continue if this one falls silent.

They only ever save somebody's time: one at a time, seldom, and nothing waits for them.
"""

from .draft import Draft
from .event import CheckpointLost, CheckpointMade, CheckpointNotSent, CheckpointSent
from .instruction import Notify, SaveTask, SendCheckpoint
from .limit import CHECKPOINT_RETRY_S, CHECKPOINT_SEND_S, US
from .model import UNFINISHED, TaskState


def checkpoint_made(draft: Draft, event: CheckpointMade) -> None:
    """Remember the newest one."""
    task = draft.tasks.get((event.project, event.task))
    if task is not None and task.phase in UNFINISHED:
        draft.task(task, checkpoint=event.checkpoint)


def checkpoint_lost(draft: Draft, event: CheckpointLost) -> None:
    """It is gone: there is nothing to send, and the volunteer may know why work was done twice."""
    task = draft.tasks.get((event.project, event.task))
    if task is not None:
        draft.task(task, checkpoint=None)
        draft.emit(Notify("warning", "checkpoint_lost", event.text, event.project, event.task))


def checkpoint_sent(draft: Draft, event: CheckpointSent) -> None:
    """The next one goes after a while."""
    task = draft.tasks.get((event.project, event.task))
    if task is not None:
        changed = draft.task(
            task,
            checkpoint_sent=event.sha256,
            checkpoint_sending=False,
            checkpoint_at=draft.now + int(CHECKPOINT_SEND_S * US),
        )
        draft.emit(SaveTask(changed))  # or a restart would send it once more


def checkpoint_not_sent(draft: Draft, event: CheckpointNotSent) -> None:
    """Try another time, or never again if the server wants none of this task."""
    task = draft.tasks.get((event.project, event.task))
    if task is None:
        return
    pause_s = max(CHECKPOINT_RETRY_S, event.retry_after_s)
    draft.task(
        task,
        checkpoint_sending=False,
        migrates=task.migrates and not event.refused,
        checkpoint_at=draft.now + int(pause_s * US),
    )
    draft.emit(Notify("info", "checkpoint_not_sent", event.text, event.project, event.task))


def send_checkpoint(draft: Draft, task: TaskState) -> None:
    """Let the newest checkpoint go to the server if it is time."""
    here = task.checkpoint
    if here is None or not _is_news(task) or draft.now < task.checkpoint_at:
        return
    draft.task(task, checkpoint_sending=True)
    draft.emit(SendCheckpoint(task.project, task.id, here))


def next_send_at(task: TaskState) -> int | None:
    """When :func:`send_checkpoint` has something to do, if nothing else happens."""
    return task.checkpoint_at if _is_news(task) else None


def _is_news(task: TaskState) -> bool:
    return (
        task.migrates
        and task.phase in UNFINISHED
        and task.checkpoint is not None
        and not task.checkpoint_sending
        and task.checkpoint.sha256 != task.checkpoint_sent
    )
