"""The real server in this process: web application, store, passes, jobs, sweep.

Only three things are replaced: the clock, the carrier of wake-ups, and the fate of the process,
which a test kills at fault points. A kill loses all memory; what was committed is there again.
"""

import contextlib
import errno
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec
import requests
from flask import Flask
from werkzeug.test import Client

from idlegrid_server.config import DispatchSettings, PassSettings
from idlegrid_server.files import CheckpointFolder, ContentStore, PartialUploads
from idlegrid_server.pipeline.jobs import work_jobs
from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.pipeline.sweep import sweep_pass
from idlegrid_server.pipeline.tools import Tools
from idlegrid_server.pipeline.wake import QueueName
from idlegrid_server.project import Project
from idlegrid_server.store import LocalStore
from idlegrid_server.store.command import StoreError
from idlegrid_server.store.connection import Connection
from idlegrid_server.web.app import create_app
from idlegrid_server.web.rpc.shortcut import with_shortcut
from idlegrid_server.web.services import Keys, Services

from .mix import Faults, Mix
from .network import URL
from .world import BrokenRule, World

Reply = tuple[int, dict[str, str], bytes]
INTERLEAVED_MAX = 6
EXCHANGE_POINTS = frozenset({"exchange.commit.before", "exchange.commit.after"})
FILLING = frozenset(
    {"files.write.before", "files.write.after", "files.upload.append.before", "files.sync.after"}
)
POINTS_UNTIL_KILL = 25  # a kill that is due strikes at one of so many next points


class ServerKilled(BaseException):
    """The power went at a fault point."""


def _app(services: Services) -> Flask:
    """A new process's application. All that it remembers is in its services."""
    if not _made:
        _made.append(create_app(services))
        return _made[0]
    app = _made[0]
    app.extensions["idlegrid"] = services
    app.wsgi_app = Flask.wsgi_app.__get__(app)  # type: ignore[method-assign]
    app.wsgi_app = with_shortcut(app, services)  # type: ignore[method-assign, assignment]
    return app


_made: list[Flask] = []  # once for all seeds: compiling the routes takes a tenth of a second


def _locked() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


class SimServer:
    """A server that can die at any fault point and starts again after a while."""

    def __init__(self, world: World, project: Project, mix: Mix) -> None:
        self.world = world
        self.project = project
        self.faults: Faults = mix.faults
        self.sweep_s = mix.sweep_s
        self.config = msgspec.structs.replace(
            project.config,
            dispatch=DispatchSettings(
                distinct=mix.distinct, next_contact_min_s=5.0, next_contact_idle_s=30.0
            ),
            passes=PassSettings(sweep_s=mix.sweep_s, lease_s=60.0),
        )
        self.up = False
        self.life = 0
        self.kills = 0
        self._asked: set[QueueName] = set()
        self.on_exchange: Callable[[str], None] = lambda point: None
        self.on_pass: Callable[[], None] = lambda: None
        self.on_reply: Callable[[requests.PreparedRequest, Reply], None] = lambda asked, reply: None
        self._broken: BrokenRule | None = None
        self._fuse: int | None = None
        self._nested = False
        self.skew = 0  # µs that this machine's clock is ahead
        self.start()
        world.after(self.sweep_s, self._sweep)

    # --- life and death

    def start(self) -> None:
        """A new process: nothing is remembered but what is on the disk."""
        layout = self.project.layout
        self.store = LocalStore(layout.database)
        self.files = ContentStore(layout.files)
        work = layout.run / "work"
        work.mkdir(parents=True, exist_ok=True)
        self.tools = Tools(
            store=self.store,
            files=self.files,
            clock=self.clock,
            work=work,
            worker=f"compute-{self.life}",
            lease_us=round(self.config.passes.lease_s * 1e6),
        )
        services = Services(
            config=self.config,
            store=self.store,
            files=self.files,
            uploads=PartialUploads(layout.uploads, self.files),
            checkpoints=CheckpointFolder(layout.checkpoints),
            clock=self.clock,
            keys=Keys(
                online=self.project.online_key,
                root_public=self.project.root_public,
                ids=self.project.ids_key,
                tokens=self.project.token_key,
            ),
            waker=self,
            address=lambda: URL,
        )
        self.ids = services.ids
        self._client = Client(_app(services))
        self.up = True
        self.life += 1

    def clock(self) -> int:
        """µs UTC, as this machine has it."""
        return self.world.now + self.skew

    def arm(self) -> None:
        """Die at one of the next fault points."""
        if self.up and self._fuse is None:
            self._fuse = self.world.rng.randrange(POINTS_UNTIL_KILL)

    def disarm(self) -> None:
        """Do not die after all."""
        self._fuse = None

    def close(self) -> None:
        """End for good."""
        if self.up:
            self.up = False
            self.store.close()

    def reached(self, point: str) -> None:
        """The fault hook of the server's code."""
        if point == "pass.transition.planned" and self.world.chance(self.faults.interleave):
            self._let_others_go_first()
        if point in EXCHANGE_POINTS and self.up:
            try:
                self.on_exchange(point)
            except BrokenRule as error:
                self._broken = error  # the application would answer 500 and say no more
        if point == "pass.transition.after" and self.up:
            self.on_pass()
        if self.up:
            self._trouble(point)
        if self._fuse is None or not self.up:
            return
        if self._fuse == 0:
            self._fuse = None
            self.world.tell(f"the server is killed at {point}")
            raise ServerKilled(point)
        self._fuse -= 1

    def _trouble(self, point: str) -> None:
        """The disk is full, or somebody else holds the database."""
        chance, faults = self.world.chance, self.faults
        if point == "store.command.before" and chance(faults.busy):
            self.world.tell("the database is locked")
            raise _locked()
        if point == "store.commit.before" and chance(faults.full):
            self.world.tell("the database's disk is full")
            raise sqlite3.OperationalError("database or disk is full")
        if point in FILLING and chance(faults.full):
            self.world.tell(f"the disk is full at {point}")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _let_others_go_first(self) -> None:
        """Between a pass's snapshot and its commit, reports and the scientist's word come in."""
        if self._nested:
            return
        self._nested, life = True, self.life
        try:
            for _ in range(self.world.rng.randint(1, INTERLEAVED_MAX)):
                if self.life != life or not self.world.step(self.world.now + 2_000_000):
                    break
        finally:
            self._nested = False
        if not self.up or self.life != life:
            raise ServerKilled("while others went first")

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        life = self.life
        try:
            yield
        except ServerKilled:
            if self.life == life:
                self.die()

    def die(self) -> None:
        """All memory is lost; a supervisor starts the server again."""
        if not self.up:
            return
        self.up = False
        self.kills += 1
        self._fuse = None
        self._asked.clear()
        self.store.close()
        self.world.after(self.world.rng.uniform(0.5, 40), self.revive)

    def revive(self) -> None:
        """Start again, if it is not up already."""
        if not self.up:
            self.world.tell("the server starts again")
            self.start()

    # --- requests

    def serve(
        self, request: requests.PreparedRequest, address: str, *, cut: int | None = None
    ) -> Reply | None:
        """Answer a request; None if nobody was there, or died over it.

        ``cut``: the line breaks after so many bytes of the body.
        """
        if not self.up:
            return None
        parts = urlsplit(request.url or "")
        body = request.body or b""
        body = body if isinstance(body, bytes) else str(body).encode()
        with self._mortal():
            response = self._client.open(
                path=parts.path,
                query_string=parts.query,
                method=request.method or "GET",
                headers=[(k, v) for k, v in request.headers.items() if k != "Content-Length"],
                data=body[:cut],
                environ_overrides={"REMOTE_ADDR": address, "CONTENT_LENGTH": str(len(body))},
            )
            with contextlib.closing(response):
                reply = (response.status_code, dict(response.headers), response.get_data())
            if self._broken is not None:
                raise self._broken
            if reply[0] == 500:
                raise AssertionError(f"the server made a mistake: {reply[2]!r}")
            self.on_reply(request, reply)
            return reply if self.up else None
        return None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection of the test's own, whether the server is up or not."""
        if self.up:
            with self.store.reading() as db:
                yield db
            return
        store = LocalStore(self.project.layout.database)
        try:
            with store.reading() as db:
                yield db
        finally:
            store.close()

    def count(self, sql: str) -> int:
        """The one number that a query of a test's own gives."""
        with self.reading() as db:
            ((number,),) = db.raw.execute(sql)  # type: ignore[attr-defined]
        return int(number)

    def task_id(self, public: str) -> int:
        """The database's id of a task."""
        return self.ids.decode("task", public)

    # --- passes and jobs: what RQ's workers and the sweep do

    def wake(self, queue: QueueName = "wake") -> None:
        """The carrier of wake-ups: loses them, or brings them after a moment, each once."""
        if self.world.chance(self.faults.lost_wake):
            self.world.tell(f"a wake-up of {queue} is lost")
            return
        if queue not in self._asked:
            self._asked.add(queue)
            delay = self.world.rng.expovariate(1 / 0.3)
            self.world.after(delay, functools.partial(self._round, queue, self.life))
            if self.world.chance(self.faults.double_wake):
                again = delay + self.world.rng.expovariate(1 / 0.3)
                self.world.after(again, functools.partial(self._round, queue, self.life))

    def _round(self, queue: QueueName, life: int) -> None:
        if not self.up or life != self.life:
            return
        if self._nested:  # one worker for each queue: it is busy with the pass around us
            self.world.after(1.0, functools.partial(self._round, queue, life))
            return
        self._asked.discard(queue)
        with self._mortal(), self._failing(f"a round of {queue}"):
            if queue == "wake":
                done = run_passes(self.store, self.files, self.clock, tools=self.tools)
                if done.jobs:
                    self.wake("compute")
            elif work_jobs(self.tools):
                self.wake("wake")

    def _sweep(self) -> None:
        self.world.after(self.sweep_s, self._sweep)
        if self.up:
            with self._mortal(), self._failing("a sweep"):
                for queue in sorted(self.sweep()):
                    self.wake(queue)

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """As worker and sweep do it: what failed is found again by the next sweep."""
        try:
            yield
        except (StoreError, OSError) as error:
            self.world.tell(f"{what} failed: {error}")

    def sweep(self) -> set[QueueName]:
        """One sweep."""
        return sweep_pass(self.store, self.clock, self.project.layout)
