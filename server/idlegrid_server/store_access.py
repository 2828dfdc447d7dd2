"""The one way to a project's store, whether its server runs or not.

With PostgreSQL every process talks to the database itself. With the embedded database a running
server's writer does the writing; without a server, a command does, and holds the project's lock.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .project import Project, ProjectError
from .running import RunningError, locked
from .store import LocalStore, PostgresStore, WriterStore
from .store.command import Store

PATIENCE_S = 10.0  # for another command that holds the project for a moment
PAUSE_S = 0.1


@contextmanager
def opened_store(project: Project) -> Iterator[Store]:
    """The store for a command of the admin; raises ``RunningError``, ``StoreError``."""
    if project.config.database.url:
        with server_store(project) as store:
            yield store
        return
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with locked(project.layout), own_store(project) as store:
                yield store
            return
        except RunningError:
            running = project.running()
            if running is not None and running.writer_socket.exists():
                break
            if time.monotonic() >= end:
                raise
        time.sleep(PAUSE_S)
    with server_store(project) as store:
        yield store


@contextmanager
def server_store(project: Project) -> Iterator[Store]:
    """The store as a process of the running server uses it; raises :class:`ProjectError`."""
    if project.config.database.url:
        store: Store = PostgresStore(project.config.database.url)
    else:
        running = project.running()
        if running is None:
            raise ProjectError(f"no server of {project.layout.folder} runs")
        store = WriterStore(running.writer_socket, project.layout.database)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def own_store(project: Project) -> Iterator[Store]:
    """The store for the only process that writes. The caller sees to it that it is the only one."""
    store: Store
    if project.config.database.url:
        store = PostgresStore(project.config.database.url)
    else:
        store = LocalStore(project.layout.database)
    try:
        yield store
    finally:
        store.close()
