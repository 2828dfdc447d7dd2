"""Finding out when the web answers, so that nobody is told an address too early."""

import http.client
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Announce = Callable[[str], None]
PATH = "/healthz"
PAUSE_S = 0.1
TIMEOUT_S = 5.0


class Readiness(threading.Thread):
    """Within a ``with`` block: asks the server at ``local`` until it answers, then calls
    ``announce(url)`` once."""

    def __init__(self, local: str, url: str, announce: Announce) -> None:
        super().__init__(name="readiness", daemon=True)
        self.local = local
        self.url = url
        self.announce = announce
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask until it answers or the block ends."""
        while not self.ended.wait(PAUSE_S):
            if answers(self.local):
                self.announce(self.url)
                return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self.join(TIMEOUT_S + 1)


def answers(url: str) -> bool:
    """Whether the server at ``url`` says that it is well."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # It is our own socket on this machine that we ask, whatever the certificate calls it.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
