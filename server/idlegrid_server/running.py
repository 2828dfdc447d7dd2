"""``DIR/run/serve.json``: what a running server tells its own processes, the CLI and tests."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from idlegrid_shared.keyfile import write_private

from .layout import Layout


class RunningError(Exception):
    """The project is served by another process, or should be and is not."""


class Running(msgspec.Struct, frozen=True):
    """The address, the sockets and the processes of the server of one project."""

    supervisor: int
    url: str
    bind: str
    port: int
    sockets: str  # folder of Unix sockets, short and private
    valkey: str  # URL
    started_at: int  # µs UTC
    processes: dict[str, int] = {}  # pid by role: valkey, writer, web, wake, compute, sweep
    births: dict[str, float] = {}  # by role, s since the epoch as the system counts it: tells a
    # process from a later stranger with the same pid
    restarts: dict[str, int] = {}  # by role, since the server started
    restless: dict[str, int] = {}  # by role, µs UTC: when it last died ten times in a minute

    @property
    def writer_socket(self) -> Path:
        """Where the SQLite writer listens."""
        return Path(self.sockets) / "writer"


def write_running(layout: Layout, running: Running) -> None:
    """Publish ``running``, all of it or nothing."""
    data = msgspec.json.format(msgspec.json.encode(running), indent=1)
    write_private(layout.serve, data, replace=True)


def read_running(layout: Layout) -> Running | None:
    """What stands in serve.json, which may be left from a server that died; None if nothing."""
    try:
        return msgspec.json.decode(layout.serve.read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_served(layout: Layout) -> bool:
    """Whether a server (or a command that writes) holds the project now."""
    try:
        with locked(layout):
            return False
    except RunningError:
        return True


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the project for oneself; raises :class:`RunningError` if somebody else does.

    The lock is the kernel's (flock): it ends with its holder, however that dies.
    """
    layout.run.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            running = read_running(layout)
            at = f" at {running.url} (pid {running.supervisor})" if running else ""
            raise RunningError(f"a server of {layout.folder} runs already{at}") from error
        yield
    finally:
        os.close(handle)
