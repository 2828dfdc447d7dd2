"""A worker process: ``python -m idlegrid_server.pipeline.worker DIR wake|compute``."""

import argparse
import logging
import os
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from idlegrid_server.log import start_logging
from idlegrid_server.project import open_project
from idlegrid_server.store_access import server_store

from .rounds import Bound, bind
from .tools import make_tools
from .wake import QUEUES, Notifier, connect, queue_name

NICE = 10  # of the compute worker: answering hosts comes first
log = logging.getLogger(__name__)


class RoundWorker(SimpleWorker):
    """RQ's worker in one process, which tells its rounds when they should come to an end."""

    max_connection_wait_time = 2.0

    def __init__(self, *args: Any, **options: Any) -> None:
        self.stopping = threading.Event()
        super().__init__(*args, **options)

    def request_stop(self, signum: int, frame: Any) -> None:
        """SIGTERM or SIGINT: end after this round, which is asked to hurry."""
        self.stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


def remove_leftovers(work: Path) -> None:
    """Remove the folders of combines whose worker was killed. There is one such worker at most."""
    for folder in work.glob("combine-*"):
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("queue", choices=QUEUES)
    args = parser.parse_args()
    start_logging(args.queue)
    for noisy in ("rq.worker", "rq.queue", "rq.job"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if args.queue == "compute":
        os.nice(NICE)
    project = open_project(args.folder)
    running = project.running()
    if running is None:
        parser.error(f"no server of {args.folder} runs: start it with `idlegrid-server serve`")
    connection = connect(running.valkey)
    notifier = Notifier(running.valkey, project.queue_prefix)
    queue = Queue(
        queue_name(project.queue_prefix, args.queue),
        connection=connection,
        serializer=JSONSerializer,
    )
    name = f"{queue.name}-{os.getpid()}-{secrets.token_hex(4)}"
    worker = RoundWorker([queue], name=name, connection=connection, serializer=JSONSerializer)
    with server_store(project) as store:
        tools = make_tools(project, store, lambda: time.time_ns() // 1000, name)
        if args.queue == "compute":
            remove_leftovers(tools.work)
        bind(Bound(tools, notifier, worker.stopping.is_set))
        # What waits since before this worker came: look at once.
        notifier.wake(args.queue)
        worker.work(logging_level="WARNING")
    notifier.close()


if __name__ == "__main__":
    main()
