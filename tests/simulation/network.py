"""The network: requests and replies get lost, come twice, come late, and overtake each other.

The client's own HTTP code runs on top: only the last step, from a prepared request to a response,
is replaced by a call of the server's WSGI application.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from idlegrid_client.transfer.http import (
    BadAnswerError,
    Server,
    ServerProblem,
    UnreachableError,
)

from .mix import Faults
from .tampering import falsified

if TYPE_CHECKING:
    from .server import SimServer
    from .world import World

URL = "http://127.0.0.1:9"
TIMEOUT_S = 60.0
LATE_S = 50.0  # the longest that a message is under way without being given up

#: How a call ended: its answer, or the error that the client's HTTP code raised.
Outcome = tuple[Any, Exception | None]


class Network:
    """Carries messages of all clients; ``faults`` can be changed at any time."""

    def __init__(self, world: "World", server: "SimServer", faults: Faults) -> None:
        self.world = world
        self.server = server
        self.faults = faults

    def line(self, key: Any, address: str, *, breaks: bool) -> Server:
        """The client's end of a connection. ``breaks``: it may break in the middle of a call."""
        line = Server(URL, key)
        line._session.mount("http://", Wire(self, address, breaks=breaks, watched=True))
        return line

    def ask(self, call: Callable[[], Any], then: Callable[[Any, Exception | None], None]) -> None:
        """Do ``call`` at the server's end some time, and tell ``then`` how it ended, later."""
        world, faults = self.world, self.faults
        there, back = self._delay(), self._delay()
        if world.chance(faults.drop_request):
            world.tell("a request is lost")
            world.after(TIMEOUT_S, lambda: then(None, _silence()))
            return
        if world.chance(faults.duplicate):
            world.after(there + self._delay(), lambda: self._again(call))
        lost = world.chance(faults.drop_reply)

        def arrive() -> None:
            answer, error = _outcome(call)
            if lost:
                world.tell("a reply is lost")
                world.after(TIMEOUT_S - there, lambda: then(None, _silence()))
            else:
                world.after(back, lambda: then(answer, error))

        world.after(there, arrive)

    def _again(self, call: Callable[[], Any]) -> None:
        self.world.tell("a request comes a second time")
        _outcome(call)

    def _delay(self) -> float:
        if self.world.chance(self.faults.reorder):
            return self.world.rng.uniform(0, LATE_S / 2)
        return min(LATE_S / 2, self.world.rng.expovariate(1 / self.faults.delay_s))


def _silence() -> UnreachableError:
    return UnreachableError("no answer came in time")


def _outcome(call: Callable[[], Any]) -> Outcome:
    try:
        return call(), None
    except (UnreachableError, BadAnswerError, ServerProblem) as error:
        return None, error


class Wire(BaseAdapter):
    """Where `requests` would open a socket. ``watched``: somebody on the way may change replies."""

    def __init__(
        self, network: Network, address: str, *, breaks: bool, watched: bool = False
    ) -> None:
        super().__init__()
        self.watched = watched
        self.network = network
        self.address = address
        self.breaks = breaks

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, *args: object, **options: object
    ) -> requests.Response:
        """One request to the server as it is now."""
        world, faults = self.network.world, self.network.faults
        breaks = self.breaks and world.chance(faults.transfer)
        if breaks and world.chance(0.3):
            raise requests.ConnectionError("the line broke before anything came through")
        cut = None
        if breaks and request.method != "GET" and world.chance(0.5):
            cut = world.rng.randrange(1 + len(request.body or b""))
        reply = self.network.server.serve(request, self.address, cut=cut)
        if reply is None:
            raise requests.ConnectionError("the server is not there, or not any more")
        status, headers, data = reply
        if breaks and request.method != "GET":
            raise requests.ConnectionError("the line broke before the answer came")
        if self.watched and world.chance(faults.tamper):
            data = falsified(data, headers, world.rng)
        response = requests.Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict(headers)
        response.url = request.url or URL
        response.request = request
        response._content = data[: len(data) // 2] if breaks else data
        response._content_consumed = True  # type: ignore[attr-defined]
        return response

    def close(self) -> None:
        """Nothing is open."""
