"""gunicorn's gthread worker, with one change: a thread waits a moment for the next request.

gthread hands every connection back to its one polling thread after each request. With clients that
send one request after the other that costs more than the request's own view (measured: 45 % of a
web process's time). Here the thread that answered looks for the next request itself, a few
milliseconds, as long as no other connection waits for a thread.
"""

import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

LINGER_MS = 4


class LingeringWorker(ThreadWorker):  # type: ignore[misc]
    """A thread worker whose threads stay with a busy connection."""

    def handle(self, conn: Any) -> Any:
        """Answer one request, and those that follow it at once on the same connection."""
        kept = super().handle(conn)
        while kept is True and self._may_linger(conn) and _has_more(conn):
            kept = super().handle(conn)
        return kept

    def _may_linger(self, conn: Any) -> bool:
        waiting = self.tpool._work_queue.qsize()
        return self.alive and not conn.is_http2 and waiting == 0


def _has_more(conn: Any) -> bool:
    if conn.parser.unreader.buf.getvalue():
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(LINGER_MS))
