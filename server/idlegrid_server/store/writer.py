"""The one process that writes an SQLite database: ``python -m idlegrid_server.store.writer``.

One thread, one event loop: read what has arrived, do it as a group, commit, answer, again. While a
commit waits for the disk the next commands arrive; so the more is asked at once, the more shares
one commit.
"""

import argparse
import contextlib
import fcntl
import gc
import logging
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

import msgspec

from .command import StoreError
from .frame import FRAME_BYTES_MAX, LENGTH, decode_command, encode_error, frame
from .group import Group
from .schema import require_schema
from .sqlite import open_sqlite

CONNECTIONS_MAX = 1024
RECEIVE_BYTES = 1 << 18
BACKLOG = 256
OLD_OBJECTS = 50_000  # allocations between two runs of the garbage collector
log = logging.getLogger(__name__)


class Peer:
    """One connection of another process of the server."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = bytearray()
        self.unsent = bytearray()
        self.gone = False

    def frames(self) -> Iterator[bytes]:
        """Whole requests that have come; raises ``ValueError`` for one that is too large."""
        while len(self.received) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self.received)
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"a request of {length} bytes")
            end = LENGTH.size + length
            if len(self.received) < end:
                return
            payload = bytes(self.received[LENGTH.size : end])
            del self.received[:end]
            yield payload


class Writer:
    """Serves a listening Unix socket until told to end."""

    def __init__(self, listener: socket.socket, group: Group) -> None:
        self.listener = listener
        self.group = group
        self.ending = False
        self.peers: set[Peer] = set()
        self.selector = selectors.DefaultSelector()
        self.wake, self._wake_other = socket.socketpair()
        for end in (self.wake, self._wake_other, listener):
            end.setblocking(False)
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.selector.register(listener, selectors.EVENT_READ)

    def end(self, number: int = 0, stack: FrameType | None = None) -> None:
        """Finish what has arrived, answer it, and return from :meth:`serve`. For signals."""
        self.ending = True
        with contextlib.suppress(BlockingIOError):
            self._wake_other.send(b"\0")

    def serve(self) -> None:
        """Do what is asked until :meth:`end`."""
        while not self.ending:
            self._poll(None if self.group.idle else 0)
            self.group.run()
        self._poll(0)
        while not self.group.idle:
            self.group.run()
        self.close()

    def close(self) -> None:
        """Close every socket."""
        for peer in list(self.peers):
            self._drop(peer)
        self.selector.close()
        for end in (self.wake, self._wake_other, self.listener):
            end.close()

    def _poll(self, timeout: float | None) -> None:
        for key, events in self.selector.select(timeout):
            if key.fileobj is self.listener:
                self._accept()
            elif key.fileobj is self.wake:
                with contextlib.suppress(BlockingIOError):
                    self.wake.recv(1024)
            elif events & selectors.EVENT_WRITE:
                self._flush(key.data)
            else:
                self._read(key.data)

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError as error:
            log.warning("A connection could not be taken: %s.", error)
            return
        if not _is_ours(connection) or len(self.peers) >= CONNECTIONS_MAX:
            log.warning("A connection was refused: of another user, or one too many.")
            connection.close()
            return
        connection.setblocking(False)
        peer = Peer(connection)
        self.peers.add(peer)
        self.selector.register(connection, selectors.EVENT_READ, peer)

    def _read(self, peer: Peer) -> None:
        try:
            data = peer.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(peer)
            return
        peer.received += data
        try:
            for payload in peer.frames():
                self._take(peer, payload)
        except ValueError as error:
            log.error("A connection was closed: %s.", error)
            self._drop(peer)

    def _take(self, peer: Peer, payload: bytes) -> None:
        def reply(answer: bytes) -> None:
            self._answer(peer, answer)

        try:
            command = decode_command(payload)
        except msgspec.DecodeError as error:
            reply(encode_error(StoreError("invalid", f"not a command: {error}")))
            return
        self.group.add(command, reply)

    def _answer(self, peer: Peer, payload: bytes) -> None:
        if not peer.gone:
            peer.unsent += frame(payload)
            self._flush(peer)

    def _flush(self, peer: Peer) -> None:
        try:
            sent = peer.socket.send(peer.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(peer)
            return
        del peer.unsent[:sent]
        events = selectors.EVENT_WRITE if peer.unsent else selectors.EVENT_READ
        if self.selector.get_key(peer.socket).events != events:
            self.selector.modify(peer.socket, events, peer)

    def _drop(self, peer: Peer) -> None:
        if not peer.gone:
            peer.gone = True
            self.peers.discard(peer)
            self.selector.unregister(peer.socket)
            peer.socket.close()


def _is_ours(connection: socket.socket) -> bool:
    """Whether the other end is of our own user (or root). Where the system cannot say, the folder
    of the socket, which only we may enter, is the guard."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    layout = struct.Struct("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    _, uid, _ = layout.unpack(raw)
    return uid in (os.geteuid(), 0)


@contextlib.contextmanager
def sole_writer(database: Path) -> Iterator[IO[bytes]]:
    """Be the only writer of ``database``; raises ``StoreError`` if there is one already."""
    with database.with_name(database.name + ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                "second_writer", f"another process writes {database} already; stop it first"
            ) from error
        yield lock


def listen(path: Path) -> socket.socket:
    """A Unix socket that only our own user can reach. The caller is the sole writer."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(BACKLOG)
    return listener


def run_writer(database: Path, path: Path) -> None:
    """Write ``database`` for those who ask at the socket ``path``, until SIGTERM or SIGINT."""
    with sole_writer(database):
        db = open_sqlite(database, write=True)
        try:
            require_schema(db)
            writer = Writer(listen(path), Group(db))
            signal.signal(signal.SIGTERM, writer.end)
            signal.signal(signal.SIGINT, writer.end)
            gc.collect()
            gc.freeze()
            gc.set_threshold(OLD_OBJECTS, 20, 20)
            log.info("The writer serves %s.", database)
            writer.serve()
        finally:
            db.close()
            path.unlink(missing_ok=True)


def main() -> None:
    """Write the database of a running server, or one that is named with its socket."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the project's folder; or the database itself")
    parser.add_argument("socket", type=Path, nargs="?", help="the socket, if a database was named")
    args = parser.parse_args()
    database, path = args.folder, args.socket
    if path is None:
        from idlegrid_server.log import start_logging
        from idlegrid_server.project import open_project

        start_logging("writer")
        project = open_project(args.folder)
        running = project.running()
        if running is None:
            parser.error(f"no server of {args.folder} runs: start it with `idlegrid-server serve`")
        database, path = project.layout.database, running.writer_socket
    try:
        run_writer(database, path)
    except StoreError as error:
        sys.exit(f"writer: {error}")


if __name__ == "__main__":
    main()
