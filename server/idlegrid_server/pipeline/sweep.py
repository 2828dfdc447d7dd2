"""The sweep: finds what a lost wake-up, a dead worker or the clock has left. A process of its own.

It changes little itself: leases that ran out, uploads whose time is over, what is out under caps.
For the rest it wakes those whose work it is; if nobody can be woken, it runs the passes.
"""

import argparse
import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import redis

from idlegrid_server.faults import reach
from idlegrid_server.files import CheckpointFolder
from idlegrid_server.health import Condition, judge
from idlegrid_server.layout import Layout
from idlegrid_server.log import start_logging
from idlegrid_server.project import Project, open_project
from idlegrid_server.store.command import (
    DropExpiredUploads,
    DropIdleCheckpoints,
    RecordIncident,
    RecountBusy,
    ReleaseExpiredJobs,
    ReleaseHosts,
    Store,
    StoreError,
)
from idlegrid_server.store.sql.checkpoint import CHECKPOINTS_OF_TASKS
from idlegrid_server.store_access import server_store

from .due import what_waits
from .passes import run_passes
from .tools import Tools, make_tools
from .wake import QueueName, connect, send_wake

US = 1_000_000
STRAY_AGE_S = 86_400.0
STRAYS_MAX = 1_000  # looked at in one sweep
REMIND_S = 600.0  # a condition that lasts is an incident again so often
log = logging.getLogger(__name__)


def sweep_pass(
    store: Store, clock: Callable[[], int], layout: Layout | None = None
) -> set[QueueName]:
    """One sweep; returns the queues whose workers have something to do.

    Half-sent files of dropped uploads, and checkpoints that nobody will continue, are removed from
    the folders of ``layout``. Raises ``StoreError``.
    """
    reach("pass.sweep.before")
    store.execute(ReleaseExpiredJobs(now=clock()))
    store.execute(RecountBusy(now=clock()))
    dropped = store.execute(DropExpiredUploads(now=clock()))
    idle = store.execute(DropIdleCheckpoints(now=clock()))
    store.execute(ReleaseHosts(now=clock()))
    if layout is not None:
        for name in dropped.names:
            (layout.uploads / name).unlink(missing_ok=True)
        folder = CheckpointFolder(layout.checkpoints)
        for file in idle.files:
            folder.remove(file.task_id, file.sha256)
        _remove_strays(store, folder, clock())
    reach("pass.sweep.after")
    with store.reading() as db:
        return what_waits(db, clock())


def _remove_strays(store: Store, folder: CheckpointFolder, now: int) -> None:
    """Checkpoints without a row: a crash came between the two, or between row and file."""
    old = sorted(folder.written_before(now / US - STRAY_AGE_S))[:STRAYS_MAX]
    if not old:
        return
    with store.reading() as db:
        task_ids = sorted({task_id for task_id, _ in old})
        rows = db.fetch_all(CHECKPOINTS_OF_TASKS, task_ids=task_ids)
    known = {(row.task_id, row.sha256) for row in rows}
    for task_id, sha256 in old:
        if (task_id, sha256) not in known:
            folder.remove(task_id, sha256)


class Sweep:
    """The loop of the sweep process."""

    def __init__(self, project: Project, tools: Tools, url: str) -> None:
        self.project = project
        self.tools = tools
        self.connection = connect(url)
        self.told: dict[str, float] = {}

    def once(self) -> None:
        """One round; faults of store or queue are logged, and the next round tries again."""
        try:
            queues = sweep_pass(self.tools.store, self.tools.clock, self.project.layout)
            for queue in sorted(queues):
                self.wake(queue)
            self.tell_conditions()
        except (StoreError, OSError) as error:
            log.warning("A sweep failed and will be repeated: %s", error)

    def wake(self, queue: QueueName) -> None:
        """Wake a worker; if that cannot be done, run the passes here."""
        try:
            send_wake(self.connection, self.project.queue_prefix, queue)
        except (redis.RedisError, OSError) as error:
            log.warning("Valkey cannot be reached: %s", error, extra={"queue": queue})
            self.tell(Condition("error", "valkey", f"Valkey cannot be reached: {error}"))
            if queue == "wake":
                run_passes(self.tools.store, self.tools.files, self.tools.clock, tools=self.tools)

    def tell_conditions(self) -> None:
        """Record what is not well where the admin will look."""
        for condition in judge(self.project, self.tools.clock()):
            if condition.level == "error" and condition.code != "not_served":
                self.tell(condition)

    def tell(self, condition: Condition) -> None:
        """Record ``condition`` as an incident, unless that was done lately."""
        now = time.monotonic()
        if now - self.told.get(condition.code, -REMIND_S) < REMIND_S:
            return
        self.told[condition.code] = now
        self.tools.store.execute(
            RecordIncident(
                now=self.tools.clock(), code=condition.code, source="sweep", text=condition.text
            )
        )


def main() -> None:
    """Sweep until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    start_logging("sweep")
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    project = open_project(args.folder)
    running = project.running()
    if running is None:
        parser.error(f"no server of {args.folder} runs: start it with `idlegrid-server serve`")
    with server_store(project) as store:
        tools = make_tools(project, store, lambda: time.time_ns() // 1000, "sweep")
        sweep = Sweep(project, tools, running.valkey)
        while not ended.wait(project.config.passes.sweep_s):
            sweep.once()


if __name__ == "__main__":
    main()
