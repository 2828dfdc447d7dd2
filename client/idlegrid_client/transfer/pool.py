"""A few threads that fetch and send files, so that the agent's loop never waits for a network."""

import queue
import threading
from collections.abc import Callable

from nacl.signing import SigningKey

from .http import Server

THREADS = 4

Work = Callable[[Server], None]
_Job = tuple[str, SigningKey, Work]


class TransferPool:
    """Runs transfers in the order they come; threads start when the first one is wanted."""

    def __init__(self, threads: int = THREADS) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = threads
        self._started: list[threading.Thread] = []
        self._closed = threading.Event()

    def submit(self, url: str, key: SigningKey, work: Work) -> None:
        """Have ``work`` called with a connection to the server at ``url``. It must not raise."""
        if len(self._started) < self._threads:
            thread = threading.Thread(target=self._serve, name="transfer", daemon=True)
            self._started.append(thread)
            thread.start()
        self._jobs.put((url, key, work))

    def close(self) -> None:
        """Take nothing more; what is under way is cut off with the process."""
        self._closed.set()
        for _ in self._started:
            self._jobs.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the threads, at most so long in all."""
        for thread in self._started:
            thread.join(timeout_s / len(self._started))

    def _serve(self) -> None:
        servers: dict[tuple[str, bytes], Server] = {}
        while (job := self._jobs.get()) is not None and not self._closed.is_set():
            url, key, work = job
            place = (url, bytes(key))
            if place not in servers:
                servers[place] = Server(url, key)
            work(servers[place])
        for server in servers.values():
            server.close()
