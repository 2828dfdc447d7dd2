"""The supervisor: one thread that starts the server's processes, watches and ends them."""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import msgspec

from idlegrid_server.birth import birth_of
from idlegrid_server.project import Project, local_url
from idlegrid_server.running import Running, locked, write_running

from .child import Child, kill_group, trim_log
from .listening import open_listener
from .orphans import end_orphans
from .readiness import Announce, Readiness
from .roles import make_children
from .socket_folder import make_socket_folder, remove_socket_folder
from .valkey import valkey_url

TICK_S = 1.0
TRIM_EVERY_S = 60.0
log = logging.getLogger(__name__)


class Supervisor:
    """The processes of one project, while :meth:`run` runs."""

    def __init__(self, project: Project, children: list[Child], running: Running) -> None:
        self.project = project
        self.children = children
        self.running = running
        self.trimmed_at = 0.0

    def run(self, wakeup: socket.socket, asked_to_end: list[int]) -> None:
        """Keep every process alive until ``asked_to_end`` has a signal, then end them in order.

        ``wakeup`` becomes readable when a signal arrives, also that of a child's death.
        """
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(wakeup, selectors.EVENT_READ)
                while not asked_to_end:
                    now = time.monotonic()
                    if self.step(now):
                        self.publish()
                    selector.select(self.pause(now))
                    with suppress(BlockingIOError):
                        wakeup.recv(4096)
        finally:
            self.end()

    def step(self, now: float) -> bool:
        """Notice deaths, start what is to be started. Returns whether anything changed."""
        changed = False
        for child in self.children:
            code = child.poll(now)
            if code is not None:
                changed = True
                self.note_death(child, code, now)
            if child.start_at is not None and now >= child.start_at:
                child.start(now)
                changed = True
        if now - self.trimmed_at >= TRIM_EVERY_S:
            self.trimmed_at = now
            for child in self.children:
                trim_log(child.log)
        return changed

    def pause(self, now: float) -> float:
        """Seconds until something is to be done if no signal comes."""
        starts = [c.start_at for c in self.children if c.start_at is not None]
        return max(0.0, min([TICK_S, *(at - now for at in starts)]))

    def note_death(self, child: Child, code: int, now: float) -> None:
        """Say that a process died, and mark it in serve.json if that happens over and over."""
        if self.running.processes.get(child.role):
            kill_group(self.running.processes[child.role])  # what it started dies with it
        wait = (child.start_at or now) - now
        log.warning(
            "The %s process died (%s) and starts again in %.1f s.",
            child.role,
            describe_exit(code),
            wait,
            extra={"role": child.role, "exit": code, "restarts": child.starts},
        )
        if child.backoff.is_incident(now):
            log.error(
                "The %s process dies again and again; its log is %s.",
                child.role,
                child.log,
                extra={"role": child.role, "exit": code},
            )
            restless = {**self.running.restless, child.role: time.time_ns() // 1000}
            self.running = msgspec.structs.replace(self.running, restless=restless)

    def publish(self) -> None:
        """Write down which processes run."""
        alive = [c for c in self.children if c.pid]
        self.running = msgspec.structs.replace(
            self.running,
            processes={c.role: c.pid for c in alive},
            births={c.role: birth_of(c.pid) for c in alive},
            restarts={c.role: max(0, c.starts - 1) for c in self.children},
        )
        try:
            write_running(self.project.layout, self.running)
        except OSError as error:  # a full disk must not stop the watch
            log.error("Cannot write %s: %s.", self.project.layout.serve, error.strerror)

    def end(self) -> None:
        """End everything: the web first, so that nothing new comes in; Valkey last."""
        for child in reversed(self.children):
            child.stop()
            log.info("The %s process has ended.", child.role, extra={"role": child.role})


def describe_exit(code: int) -> str:
    """An exit code in words: ``exit code 3`` or ``killed by SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


@contextmanager
def signals_noted() -> Iterator[tuple[socket.socket, list[int]]]:
    """A socket that is readable after a signal, and the list of signals that ask us to end."""
    asked: list[int] = []
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, _: asked.append(number)),
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, _: asked.append(number)),
        signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None),
    }
    old = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours, asked
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


def serve(project: Project, port: int, tls: tuple[str, str], announce: Announce) -> None:
    """Run the server of ``project`` until SIGTERM or SIGINT; ``announce`` its address when it
    answers.

    ``port`` 0 takes a free one; ``tls`` are the paths of certificate and key, or empty. Raises
    ``RunningError`` if one runs already, ``ListenError`` if the port cannot be had, ``OSError``.
    """
    layout, config = project.layout, project.config
    os.umask(0o077)
    with locked(layout), closing(open_listener(config.web.bind, port)) as listener:
        end_orphans(layout)
        layout.logs.mkdir(mode=0o700, exist_ok=True)
        sockets = make_socket_folder()
        try:
            bound = listener.getsockname()[1]
            local = local_url(config, bound, tls=bool(tls[0]))
            running = Running(
                supervisor=os.getpid(),
                url=config.project.url or local,
                bind=config.web.bind,
                port=bound,
                sockets=str(sockets),
                valkey=config.valkey.url or valkey_url(sockets),
                started_at=time.time_ns() // 1000,
            )
            write_running(layout, running)
            children = make_children(project, sockets, listener.fileno(), tls)
            with signals_noted() as (wakeup, asked), Readiness(local, running.url, announce):
                Supervisor(project, children, running).run(wakeup, asked)
        finally:
            layout.serve.unlink(missing_ok=True)
            remove_socket_folder(sockets)
