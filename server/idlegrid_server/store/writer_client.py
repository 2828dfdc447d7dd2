"""The store as processes of a running SQLite server use it: commands go to the one writer."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from .command import Command, Result, StoreUnavailable
from .frame import FRAME_BYTES_MAX, LENGTH, decode_answer, encode, frame
from .local import Readers
from .sqlite import SqliteConnection

R = TypeVar("R", bound=Result)

ANSWER_S = 30.0
CONNECT_S = 10.0  # as long as a restart of the writer may take
CONNECT_AGAIN_S = 0.05
CHUNK = 65_536


class WriterStore:
    """Sends each command to the writer's socket, on one connection for each thread.

    A command whose answer was lost raises :class:`StoreUnavailable`: it may be done or not, and can
    be sent again. A command that could not be sent is tried again here, on a new connection.
    """

    def __init__(
        self,
        writer: Path,
        database: Path,
        *,
        answer_s: float = ANSWER_S,
        connect_s: float = CONNECT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.writer = writer
        self._readers = Readers(database)
        self._answer_s = answer_s
        self._connect_s = connect_s
        self._sleep = sleep
        self._mine = threading.local()
        self._all: set[socket.socket] = set()
        self._lock = threading.Lock()

    def execute(self, command: Command[R]) -> R:
        """Have the writer do ``command``; raises :class:`StoreError`."""
        data = frame(encode(command))
        if len(data) > FRAME_BYTES_MAX:
            raise ValueError(f"{type(command).__name__} is larger than {FRAME_BYTES_MAX} bytes")
        name = type(command).__name__
        connection: socket.socket | None = getattr(self._mine, "socket", None)
        if connection is not None and not self._send(connection, data):
            connection = None
        if connection is None:
            connection = self._connect()
            if not self._send(connection, data):
                raise StoreUnavailable(f"the writer closed before it took {name}")
        try:
            payload = _receive(connection)
        except OSError as error:
            self._drop(connection)
            raise StoreUnavailable(f"the answer to {name} was lost: {error}") from error
        return decode_answer(payload, command)  # type: ignore[no-any-return]

    def reading(self) -> AbstractContextManager[SqliteConnection]:
        """One consistent snapshot for the queries in the block."""
        return self._readers.reading()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._mine = threading.local()
        self._readers.close()

    def _connect(self) -> socket.socket:
        end = time.monotonic() + self._connect_s
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._answer_s)
            try:
                connection.connect(str(self.writer))
            except OSError as error:
                connection.close()
                if time.monotonic() >= end:
                    raise StoreUnavailable(f"the writer does not answer: {error}") from error
                self._sleep(CONNECT_AGAIN_S)
                continue
            _limit_in_kernel(connection, self._answer_s)
            self._mine.socket = connection
            with self._lock:
                self._all.add(connection)
            return connection

    def _send(self, connection: socket.socket, data: bytes) -> bool:
        """Send a whole request. A writer that got only a part of it has done nothing."""
        try:
            connection.sendall(data)
        except OSError:
            self._drop(connection)
            return False
        return True

    def _drop(self, connection: socket.socket) -> None:
        connection.close()
        self._mine.socket = None
        with self._lock:
            self._all.discard(connection)


def _limit_in_kernel(connection: socket.socket, seconds: float) -> None:
    """A blocking socket with the kernel's own time limit: one poll less for each call."""
    connection.settimeout(None)
    limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _receive(connection: socket.socket) -> bytes:
    """One answer; nothing follows it before the next request."""
    data = _more(connection, CHUNK)
    while len(data) < LENGTH.size:
        data += _more(connection, CHUNK)
    (length,) = LENGTH.unpack_from(data)
    if length > FRAME_BYTES_MAX:
        raise OSError(f"an answer of {length} bytes is too large")
    whole = LENGTH.size + length
    if len(data) == whole:
        return data[LENGTH.size :]
    parts = bytearray(data)
    while len(parts) < whole:
        parts += _more(connection, min(whole - len(parts), 1 << 20))
    return bytes(parts[LENGTH.size :])


def _more(connection: socket.socket, count: int) -> bytes:
    try:
        data = connection.recv(count)
    except BlockingIOError as error:
        raise TimeoutError("no answer came in time") from error
    if not data:
        raise OSError("the writer closed the connection")
    return data
