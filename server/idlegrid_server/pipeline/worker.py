"""A worker process: ``python -m idlegrid_server.pipeline.worker DIR wake|compute``.

RQ waits for wake-ups and runs the rounds. While Valkey cannot be reached there are none, and the
rounds run once a second all the same: the database says what is to be done, not the queue.
"""

import argparse
import logging
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from idlegrid_server.log import start_logging
from idlegrid_server.project import open_project
from idlegrid_server.store.command import StoreError
from idlegrid_server.store_access import server_store

from .rounds import Bound, bind, compute_round, pass_round
from .takeover import take_over, worker_name
from .tools import make_tools
from .wake import QUEUES, Notifier, QueueName, connect, queue_name

NICE = 10  # of the compute worker: answering hosts comes first
ALONE_S = 1.0  # between two rounds while Valkey is away
ROUNDS: dict[QueueName, Callable[[], None]] = {"wake": pass_round, "compute": compute_round}
log = logging.getLogger(__name__)


class RoundWorker(SimpleWorker):
    """RQ's worker in one process, which tells its rounds when they should come to an end."""

    max_connection_wait_time = 1.0

    def __init__(self, stopping: threading.Event, *args: Any, **options: Any) -> None:
        self.stopping = stopping
        super().__init__(*args, **options)

    def request_stop(self, signum: int, frame: Any) -> None:
        """SIGTERM or SIGINT: end after this round, which is asked to hurry."""
        self.stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]


class NoTraceOfOutages(logging.Filter):
    """An outage of Valkey is one line in the log, not a page; jobs' faults keep their trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the trace off a line that tells of an outage."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, redis.RedisError):
            record.exc_info = None
            record.exc_text = None
        return True


class Post:
    """One worker process's place: works with Valkey while it is there, and alone while not."""

    def __init__(self, url: str, prefix: str, queue: QueueName, stopping: threading.Event) -> None:
        self.queue = queue
        self.name = queue_name(prefix, queue)
        self.connection = connect(url)
        self.stopping = stopping

    def work(self) -> None:
        """Work until ``stopping`` is set."""
        while not self.stopping.is_set():
            self.listen_for_the_end()
            if self.valkey_answers():
                self.work_with_valkey()
            else:
                self.work_alone()

    def listen_for_the_end(self) -> None:
        """Take SIGTERM and SIGINT back from RQ."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())

    def valkey_answers(self) -> bool:
        """Whether Valkey can be reached now."""
        try:
            return bool(self.connection.ping())
        except (redis.RedisError, OSError):
            return False

    def work_with_valkey(self) -> None:
        """Let RQ run the rounds, until it ends or loses Valkey."""
        queue = Queue(self.name, connection=self.connection, serializer=JSONSerializer)
        try:
            worker = RoundWorker(
                self.stopping,
                [queue],
                name=f"{self.name}-{os.getpid()}-{secrets.token_hex(4)}",
                connection=self.connection,
                serializer=JSONSerializer,
            )
            worker.work(logging_level="WARNING")
        except (redis.RedisError, OSError) as error:
            log.warning("Valkey was lost: %s", error, extra={"queue": self.queue})

    def work_alone(self) -> None:
        """One round without a wake-up."""
        try:
            ROUNDS[self.queue]()
        except (StoreError, OSError) as error:
            log.warning("A round failed and will be repeated: %s", error)
        self.stopping.wait(ALONE_S)


def remove_leftovers(work: Path) -> None:
    """Remove the folders of jobs whose worker was killed. There is one such worker at most."""
    for pattern in ("combine-*", "validate-*"):
        for folder in work.glob(pattern):
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
        logging.getLogger(noisy).addFilter(NoTraceOfOutages())
    if args.queue == "compute":
        os.nice(NICE)
    project = open_project(args.folder)
    running = project.running()
    if running is None:
        parser.error(f"no server of {args.folder} runs: start it with `idlegrid-server serve`")
    stopping = threading.Event()
    notifier = Notifier(running.valkey, project.queue_prefix)
    with server_store(project) as store:
        tools = make_tools(project, store, lambda: time.time_ns() // 1000, worker_name(args.queue))
        if args.queue == "compute":
            remove_leftovers(tools.work)
            take_over(tools)
        bind(Bound(tools, notifier, stopping.is_set))
        # What waits since before this worker came: look at once.
        notifier.wake(args.queue)
        Post(running.valkey, project.queue_prefix, args.queue, stopping).work()
    notifier.close()


if __name__ == "__main__":
    main()
