"""Wake-ups: "there may be something to do". They carry nothing, may be lost, and cost little.

A request that made work due says so here and goes on at once; a thread sends at most one wake-up
per queue and quarter second. A wake-up that waits is not sent again. What is lost, the sweep finds.
"""

import logging
import threading
import time
from functools import lru_cache
from typing import Any, Literal, Protocol

import redis
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

QueueName = Literal["wake", "compute"]
QUEUES: tuple[QueueName, ...] = ("wake", "compute")
ROUND = {
    "wake": "idlegrid_server.pipeline.rounds.pass_round",
    "compute": "idlegrid_server.pipeline.rounds.compute_round",
}
DEBOUNCE_S = 0.25
TIMEOUT_S = 2.0
COMPLAIN_EVERY_S = 60.0
# Job ids come from a small fixed set, so that nothing grows if a worker never cleans up.
IDS = 8

log = logging.getLogger(__name__)


class Waker(Protocol):
    """Whoever can be asked to see to it that a pass or the compute worker looks soon."""

    def wake(self, queue: QueueName = "wake") -> None:
        """Ask; never fails, never waits."""
        ...


class Silence:
    """A waker for places without a queue: tests, and commands without a running server."""

    def wake(self, queue: QueueName = "wake") -> None:
        """Do nothing; the sweep or the caller looks by itself."""


def connect(url: str) -> redis.Redis:
    """A client of the Valkey at ``url``; it connects when first used."""
    return redis.Redis.from_url(
        _redis_url(url), socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )


def _redis_url(url: str) -> str:
    """The client library knows Valkey by its older name."""
    return url.replace("valkeys://", "rediss://", 1).replace("valkey://", "redis://", 1)


def queue_name(prefix: str, queue: QueueName) -> str:
    """RQ's name of a project's queue."""
    return f"{prefix}-{queue}"


@lru_cache(maxsize=16)
def _queue(connection: redis.Redis, name: str) -> Queue:
    """RQ's queue object; making one costs as much as using it."""
    return Queue(name, connection=connection, serializer=JSONSerializer)


def send_wake(connection: redis.Redis, prefix: str, queue: QueueName) -> bool:
    """Queue one round unless one waits already; returns whether it was queued.

    Raises ``redis.RedisError`` or ``OSError`` if Valkey cannot be reached.
    """
    name = queue_name(prefix, queue)
    waiting = _queue(connection, name)
    if waiting.count:
        return False
    number = int(connection.incr(f"{name}-number")) % IDS
    options: dict[str, Any] = {
        "job_id": f"{name}-{number}",
        "result_ttl": 0,
        "failure_ttl": 60,
        "job_timeout": -1,  # rounds end by themselves; the worker is watched from outside
    }
    try:
        waiting.enqueue(ROUND[queue], **options)
    except DuplicateJobError:
        return False
    return True


class Notifier:
    """Sends wake-ups from a thread of its own. One for each process."""

    def __init__(self, url: str, prefix: str) -> None:
        self._connection = connect(url)
        self._prefix = prefix
        self._asked: set[QueueName] = set()
        self._condition = threading.Condition()
        self._closed = False
        self._complained_at = -COMPLAIN_EVERY_S
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)
        self._thread.start()

    def wake(self, queue: QueueName = "wake") -> None:
        """Ask for a round of ``queue``; never fails, never waits."""
        with self._condition:
            self._asked.add(queue)
            self._condition.notify()

    def close(self) -> None:
        """Send what was asked for, and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(2 * TIMEOUT_S)
        self._connection.close()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._asked and not self._closed:
                    self._condition.wait()
                if not self._asked:
                    return
                asked, self._asked = sorted(self._asked), set()
            for queue in asked:
                self._send(queue)
            time.sleep(DEBOUNCE_S)

    def _send(self, queue: QueueName) -> None:
        try:
            send_wake(self._connection, self._prefix, queue)
        except (redis.RedisError, OSError) as error:
            now = time.monotonic()
            if now - self._complained_at >= COMPLAIN_EVERY_S:
                self._complained_at = now
                log.warning(
                    "A wake-up could not be sent (%s); the sweep will find the work.",
                    error,
                    extra={"queue": queue},
                )
