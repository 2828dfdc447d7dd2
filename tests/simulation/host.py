"""A volunteer's machine: disk, address, behaviour, and the client that lives and dies on it."""

import errno
import functools
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from nacl.signing import SigningKey

from idlegrid_client.agent_loop import LOOK_ROUND_S
from idlegrid_client.attach import Introduction, join
from idlegrid_client.core.event import Timer
from idlegrid_client.core.instruction import ForgetTask
from idlegrid_client.core.limit import HEARTBEAT_S
from idlegrid_client.core.model import DELIVERING, TaskState
from idlegrid_client.faults import WRITTEN
from idlegrid_client.layout import DataFolder
from idlegrid_client.transfer.http import Server
from idlegrid_client.verify import open_trust
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import Receipt, TaskDescriptor
from idlegrid_shared.keyfile import save_key
from idlegrid_shared.signing import Kind, SignatureError, Signed, open_document, public_hex
from idlegrid_shared.wire import ExchangeReply

from .agent import SimAgent
from .behaviour import Behaviour
from .mix import TAMPERED
from .network import URL, Network
from .world import US, World

POINTS_UNTIL_KILL = 15
#: Where a client writes to its disk.
FILLING = frozenset(f"{what}.{step}" for what in WRITTEN for step in ("before", "written"))
TOO_FAR_S = 5 * 86_400.0  # a clock that is so far ahead: signatures may seem to have run out


D = TypeVar("D", Receipt, TaskDescriptor)


class ClientKilled(BaseException):
    """The power went at a fault point of the client."""


class SimHost:
    """One machine."""

    def __init__(
        self, network: Network, behaviour: Behaviour, root: Path, address: str, trust: "Known"
    ) -> None:
        self.network = network
        self.world: World = network.world
        self.behaviour = behaviour
        self.name = f"host {behaviour.number} ({behaviour.kind})"
        self.address = address
        self.data = DataFolder(root)
        self.backup = root.with_name(root.name + "-backup")
        self.agent: SimAgent | None = None
        self.gone = False  # for ever
        self.lives = 0
        self.kills = 0
        self.receipts: list[Receipt] = []
        self.offers: dict[str, TaskDescriptor] = {}
        self.forgotten: list[tuple[str, str]] = []  # finished tasks that were deleted, and why
        self.on_deletion: Callable[[SimHost, str], None] = lambda host, task: None
        self.on_receipt: Callable[[SimHost, Receipt], None] = lambda host, receipt: None
        self.on_start: Callable[[SimHost], None] = lambda host: None
        self.on_run: Callable[[SimHost, TaskState, BoxOrder], None] = lambda host, task, job: None
        self.skew = 0  # µs that its clock is ahead
        self._fuse: int | None = None
        self._soon = False
        self._timer = 0
        self.device = b""
        self.fingerprint = trust.fingerprint
        self._attach(trust)
        self.start()

    def _attach(self, known: "Known") -> None:
        self.data.make()
        folder = self.data.project(known.fingerprint)
        folder.make()
        seed = hashlib.sha256(f"device {self.world.seed} {self.behaviour.number}".encode())
        key = SigningKey(seed.digest())
        self.device = bytes(key.verify_key)
        save_key(folder.key, key)
        trust = open_trust(known.fingerprint, known.delegations)
        join(
            self.data, Introduction("Simulation", URL, known.fingerprint, trust), "", self.world.now
        )

    # --- life and death

    def start(self) -> None:
        """The client's process begins, from its disk."""
        if self.agent is None and not self.gone:
            self.lives += 1
            self.agent = SimAgent(self, self.data)
            self._guard(self.agent.begin)

    def arm(self) -> None:
        """Die at one of the next fault points."""
        if self.agent is not None and self._fuse is None:
            self._fuse = self.world.rng.randrange(POINTS_UNTIL_KILL)

    def disarm(self) -> None:
        """Do not die after all."""
        self._fuse = None

    def reached(self, point: str) -> None:
        """The fault hook, while this host's code runs."""
        self._trouble(point)
        if self._fuse is None:
            return
        if self._fuse == 0:
            self._fuse = None
            self.world.tell(f"{self.name} is killed at {point}")
            raise ClientKilled(point)
        self._fuse -= 1

    def _trouble(self, point: str) -> None:
        """Its disk has no room now. The client insists, and nothing else happens on it."""
        if point not in FILLING:
            return
        if self.world.chance(self.network.faults.client_full):
            self.world.tell(f"the disk of {self.name} is full at {point}")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def clock(self) -> int:
        """µs UTC, as this machine has it."""
        return self.world.now + self.skew

    def set_clock(self, skew: int) -> None:
        """The clock jumps; who sleeps until a time looks at the clock now and then."""
        self.world.tell(f"the clock of {self.name} is now {skew / US:.0f} s ahead")
        self.skew = skew
        self._timer = 0
        self.world.after(LOOK_ROUND_S, self.if_alive(self._look_round))

    def _look_round(self) -> None:
        assert self.agent is not None
        now = self.clock()
        set_back = self.agent.wait_until - now > (HEARTBEAT_S + LOOK_ROUND_S) * US
        if now >= self.agent.wait_until or set_back:
            self.agent.handle(Timer())

    def die(self, pause_s: float | None) -> None:
        """The process is gone; None = the machine never comes back."""
        self.agent = None
        self.lives += 1
        self.kills += 1
        self._fuse = None
        self._soon = False
        if pause_s is None:
            self.world.tell(f"{self.name} is gone for ever")
            self.gone = True
        else:
            self.world.after(pause_s, self.start)

    def save_backup(self) -> None:
        """Copy the disk as it is."""
        shutil.rmtree(self.backup, ignore_errors=True)
        shutil.copytree(self.data.root, self.backup)

    def restore_backup(self) -> None:
        """The disk goes back to what it was: a sequence number, tasks and key of long ago."""
        if not self.backup.exists() or self.gone:
            return
        self.world.tell(f"{self.name} is restored from a backup")
        self.die(1.0)
        shutil.rmtree(self.data.root)
        shutil.copytree(self.backup, self.data.root)

    # --- what happens in it

    def if_alive(self, act: Callable[..., None]) -> Callable[..., None]:
        """``act``, unless this process has died until then; a kill within ends it."""
        life = self.lives

        def guarded(*args: Any) -> None:
            if self.agent is not None and self.lives == life:
                self._guard(functools.partial(act, *args))

        return guarded

    def _guard(self, act: Callable[[], None]) -> None:
        outer = running.host
        running.host = self
        try:
            act()
            if self.agent is not None:
                self._set_timer()
        except ClientKilled:
            self.die(self.world.rng.uniform(0.5, 60))
        finally:
            running.host = outer

    def soon(self) -> None:
        """There is mail."""
        if not self._soon:
            self._soon = True
            self.world.after(0, self.if_alive(self._drain))

    def _drain(self) -> None:
        self._soon = False
        assert self.agent is not None
        self.agent.drain()

    def _set_timer(self) -> None:
        assert self.agent is not None
        when = self.agent.wait_until
        if self._timer == when:
            return
        self._timer = when
        self.world.at(when - self.skew, self.if_alive(functools.partial(self._ring, when)))

    def _ring(self, when: int) -> None:
        if self._timer == when and self.agent is not None:
            self._timer = 0
            self.agent.handle(Timer())

    # --- what it sees

    def line(self, key: SigningKey, *, breaks: bool) -> Server:
        """A connection to the server."""
        return self.network.line(key, self.address, breaks=breaks)

    def note_reply(self, reply: ExchangeReply) -> None:
        """Keep the receipts: what they promise is checked. And the tasks. Only what is genuine."""
        for offer in reply.tasks:
            if (task := self._genuine("task", offer.descriptor, TaskDescriptor)) is not None:
                self.offers[task.task] = task
        for answer in reply.answers:
            if answer.receipt is None:
                continue
            receipt = self._genuine("receipt", answer.receipt, Receipt)
            if receipt is not None:
                self.receipts.append(receipt)
                self.on_receipt(self, receipt)

    def _genuine(self, kind: Kind, signed: Signed, document: type[D]) -> D | None:
        online = public_hex(self.network.server.project.online_key)
        try:
            return open_document(kind, signed, document, key=online)
        except SignatureError:
            return None

    def note_forgotten(self, order: ForgetTask) -> None:
        """A finished result is about to be deleted: the rule is looked at at once."""
        folder = self.data.project(order.project).task(order.task)
        if folder.result.exists():
            self.forgotten.append((order.task, order.why))
            self.on_deletion(self, order.task)

    @property
    def counts(self) -> bool:
        """Whether all must end well for it: it is there, its client is the one we made, and its
        clock is not so wrong that it rightly believes nobody."""
        return (
            not self.gone
            and self.behaviour.kind not in TAMPERED
            and abs(self.skew) < TOO_FAR_S * US
        )

    def waiting(self) -> list[TaskState]:
        """Finished tasks that have no receipt yet."""
        if self.agent is None:
            return []
        return [t for t in self.agent.state.tasks.values() if t.phase in DELIVERING]


class Known(msgspec.Struct, frozen=True):
    """What a volunteer was told of the project."""

    fingerprint: str
    delegations: Signed


class _Running:
    """Whose code runs now; the client's fault hook is one for the process."""

    host: SimHost | None = None


running = _Running()


def client_reached(point: str) -> None:
    """The client's fault hook."""
    if running.host is not None:
        running.host.reached(point)
