"""The checkpoints of one task on this disk: made now and then, tried at every start.

The worker writes each under another name, makes it durable and only then puts it in the place of
the last. So there is always one good checkpoint, or none.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from idlegrid_client.core.event import CheckpointLost, CheckpointMade, Event
from idlegrid_client.core.limit import DISK_FREE_MIN_BYTES, START_TRIES_MAX
from idlegrid_client.core.model import CheckpointHere, TaskState
from idlegrid_client.core.save import seconds_to_next_save
from idlegrid_client.durable import hash_file
from idlegrid_client.layout import TaskFolder
from idlegrid_client.machine.facts import disk_free_bytes
from idlegrid_shared.box.box import Box, CheckpointingBox
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import TaskDescriptor
from idlegrid_shared.keyfile import sync_folder
from idlegrid_shared.sandbox.run import SAFEPOINT_WAIT_S, CheckpointError

#: When the agent ends, the user waits for it: a program that comes to no safepoint is not awaited.
LEAVE_WAIT_S = 5.0

Post = Callable[[Event], None]


def work_name(descriptor: TaskDescriptor) -> str:
    """The same for every task of a work unit and for no other: what a checkpoint belongs to."""
    facts = (
        descriptor.project,
        descriptor.release,
        descriptor.unit,
        descriptor.program,
        descriptor.args,
        [(given.name, given.sha256, given.bytes) for given in descriptor.inputs],
        descriptor.seed,
    )
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


class Saving:
    """Keeps the checkpoints of one run of a task."""

    def __init__(self, folder: TaskFolder, task: TaskState, post: Post) -> None:
        self._folder = folder
        self._task = task
        self._post = post
        self._began_s = time.monotonic()
        self._wait_s = seconds_to_next_save(0.0)
        #: The agent knows of the checkpoint on the disk, if there is one.
        self._is_told = task.checkpoint is not None

    # --- starting

    def starts(self, order: BoxOrder) -> list[BoxOrder]:
        """The order with everything that it can be started from, the best first.

        That is the task's own checkpoint, then another host's, then nothing. The last try after the
        machine failed twice begins at the beginning, in case a checkpoint was to blame.
        """
        if order.checkpoint == "none":
            return [msgspec.structs.replace(order, resume=None)]
        self._folder.checkpoints.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self._folder.root)
        order = msgspec.structs.replace(order, checkpoint_dir=str(self._folder.checkpoints))
        found: list[str | None] = []
        if self._task.tries < START_TRIES_MAX - 1:
            if self._folder.checkpoint.is_file():
                found.append(str(self._folder.checkpoint))
            if order.resume is not None:
                found.append(order.resume)
        return [msgspec.structs.replace(order, resume=path) for path in [*found, None]]

    def refused(self, resume: str, why: str) -> None:
        """A checkpoint cannot be used: our own is deleted, another's is only passed over."""
        if Path(resume) == self._folder.checkpoint:
            self._folder.checkpoint.unlink(missing_ok=True)
        self._post(CheckpointLost(self._task.project, self._task.id, why))

    # --- running

    def launched(self) -> None:
        """The program runs from now on."""
        self._began_s = time.monotonic()

    def follow(self, box: Box, order: BoxOrder) -> None:
        """Checkpoint the running task if it is time."""
        self._tell_resumed(box, order)
        if order.checkpoint == "none" or time.monotonic() - self._began_s < self._wait_s:
            return
        tried_s = time.monotonic()
        try:
            took_s = self._save(box, stop=False, timeout_s=SAFEPOINT_WAIT_S)
        except CheckpointError:
            took_s = time.monotonic() - tried_s
        self._began_s = time.monotonic()
        self._wait_s = seconds_to_next_save(took_s)

    def _tell_resumed(self, box: Box, order: BoxOrder) -> None:
        """Tell of the checkpoint that an earlier life of the agent left, once it has proved good.

        The next one may be long in coming, and until then nobody else could go on from this one.
        """
        if self._is_told or order.resume != str(self._folder.checkpoint):
            return
        ops = box.progress.resumed_ops
        if ops:
            sha256, size = hash_file(self._folder.checkpoint)
            self._tell(CheckpointHere(sha256, size, ops))

    def _tell(self, here: CheckpointHere) -> None:
        self._is_told = True
        self._post(CheckpointMade(self._task.project, self._task.id, here))

    def leave(self, box: Box, order: BoxOrder) -> bool:
        """Checkpoint the running task and end it there; whether that went well."""
        if order.checkpoint == "none":
            return False
        try:
            self._save(box, stop=True, timeout_s=LEAVE_WAIT_S)
        except CheckpointError:
            return False
        return True

    def _save(self, box: Box, *, stop: bool, timeout_s: float) -> float:
        if not isinstance(box, CheckpointingBox):
            raise CheckpointError("programs of this runtime cannot be checkpointed")
        # The new one and the old one are there together for a moment.
        room = DISK_FREE_MIN_BYTES + box.progress.peak_memory_bytes
        if disk_free_bytes(self._folder.root) < room:
            raise CheckpointError("the disk is nearly full")
        made = box.checkpoint(self._folder.checkpoint.name, stop=stop, timeout_s=timeout_s)
        self._tell(CheckpointHere(made.sha256, made.bytes, made.ops))
        return made.took_s

    # --- ending

    def clear(self) -> None:
        """The result is durable: no checkpoint is needed any more."""
        shutil.rmtree(self._folder.checkpoints, ignore_errors=True)
