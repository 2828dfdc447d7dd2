"""A real HTTP server on loopback that follows a script: for what a good server never does."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Say:
    """A reply; ``cut`` closes the connection after that many bytes of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    #: Close the connection without any answer.
    silent: bool = False


def say_json(value: object, status: int = 200) -> Say:
    return Say(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def problem(status: int, code: str, detail: str, errors: tuple[str, ...] = ()) -> Say:
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code}
    body["errors"] = errors
    return Say(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json"})


class Loopback:
    """``answer`` decides; everything that arrived is in ``seen``."""

    def __init__(self, answer: Callable[[Seen], Say]) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.url = ""


@contextlib.contextmanager
def serve(answer: Callable[[Seen], Say]) -> Iterator[Loopback]:
    """Serve ``answer`` until the block ends."""
    state = Loopback(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen = Seen(self.command, self.path, dict(self.headers), body)
            state.seen.append(seen)
            say = state.answer(seen)
            if say.silent:
                self.close_connection = True
                return
            self.send_response(say.status)
            for name, value in say.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(say.body)))
            self.end_headers()
            self.wfile.write(say.body if say.cut is None else say.body[: say.cut])
            if say.cut is not None:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def get_request(self) -> tuple[socket.socket, object]:
            accepted, peer = super().get_request()
            # A connection that failed once is closed by its client only when it is collected.
            open_sockets.append(accepted)
            return accepted, peer

    open_sockets: list[socket.socket] = []
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        for accepted in open_sockets:
            with contextlib.suppress(OSError):
                accepted.shutdown(socket.SHUT_RDWR)
        server.server_close()
