"""The real client in this process: loop, core, contact, transfers and disk, event by event.

Replaced are the threads (everything happens when the world says so), the wire, and the sandbox.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from nacl.signing import SigningKey

from idlegrid_client.agent_loop import Agent, AgentOptions
from idlegrid_client.contact import ENROL_PATH, EXCHANGE_PATH, Contact, TasksById
from idlegrid_client.core.event import CheckpointMade, Enrolled, Event
from idlegrid_client.core.instruction import Enrol, ForgetTask, Instruction, SendExchange
from idlegrid_client.core.model import CheckpointHere, TaskKey, TaskState
from idlegrid_client.faults import reach
from idlegrid_client.layout import DataFolder, ProjectFolder
from idlegrid_client.runner import runner as runner_module
from idlegrid_client.runner.runner import Post, Runner
from idlegrid_client.store_state import LoadedProject, load_invitation
from idlegrid_client.transfer.pool import TransferPool, Work
from idlegrid_client.verify import Trust
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.signing import Signed
from idlegrid_shared.wire import EnrolReply, EnrolRequest, ExchangeReply, Machine

from .cheating import tampered
from .mix import TAMPERED

if TYPE_CHECKING:
    from .host import SimHost

CORES = 2
MEMORY_BYTES = 2**31
TRANSFER_S = 0.5  # mean time until a transfer happens


class SimContact(Contact):
    """A contact whose requests and replies take time, get lost, and come twice."""

    host: "SimHost"

    def start(self) -> None:
        """No thread."""

    def join(self, timeout_s: float) -> None:
        """No thread."""

    def _submit(self, job: Callable[[], None]) -> None:
        job()

    def send(self, order: SendExchange, tasks: TasksById) -> None:
        """Write the request down, and let it go."""
        try:
            self._prepare(order, tasks)
        except OSError as error:
            refusal = error
            self._guarded(lambda: _raise(refusal))
            return
        stored = self._exchange
        line = self._line()
        reach("exchange.sent.before")

        def call() -> ExchangeReply:
            return line.post(
                EXCHANGE_PATH,
                stored.body,
                ExchangeReply,
                request_id=order.request_id,
                encoding=stored.encoding,
            )

        def take(reply: ExchangeReply) -> Event:
            reach("exchange.sent.after")
            self.host.note_reply(reply)
            return self._take(order, reply)

        self._ask(call, take)

    def _prepare(self, order: SendExchange, tasks: TasksById) -> None:
        if not order.again:
            self._write_down(order, tasks)
            if self.host.behaviour.kind in TAMPERED:
                self._store(tampered(self.host, self._exchange))

    def enrol(self, order: Enrol, machine: Machine) -> None:
        """Introduce the device."""
        request = EnrolRequest(
            request_id=order.request_id, machine=machine, token=load_invitation(self.folder)
        )
        body = msgspec.json.encode(request)
        line = self._line()

        def call() -> EnrolReply:
            return line.post(ENROL_PATH, body, EnrolReply, request_id=order.request_id)

        self._ask(call, lambda reply: _enrolled(self.fingerprint, reply))

    def _ask(self, call: Callable[[], Any], take: Callable[[Any], Event]) -> None:
        def then(reply: Any, error: Exception | None) -> None:
            def talk() -> Event:
                if error is not None:
                    raise error
                return take(reply)

            self._guarded(talk)

        self.host.network.ask(call, self.host.if_alive(then))


def _raise(error: Exception) -> Event:
    raise error


def _enrolled(fingerprint: str, reply: EnrolReply) -> Event:
    return Enrolled(fingerprint, reply.house)


class SimPool(TransferPool):
    """Transfers that happen a moment later, each whole or broken."""

    def __init__(self, host: "SimHost") -> None:
        super().__init__()
        self._host = host

    def submit(self, url: str, key: SigningKey, work: Work) -> None:
        """Have it happen soon."""
        line = self._host.line(key, breaks=True)
        act = self._host.if_alive(lambda: work(line))
        self._host.world.after(self._host.world.rng.expovariate(1 / TRANSFER_S), act)


class SimRunner(Runner):
    """Runs tasks in virtual time."""

    def __init__(self, host: "SimHost", data: DataFolder) -> None:
        super().__init__(data.compiled)
        self._host = host
        self._going: dict[TaskKey, object] = {}

    def start(
        self,
        project: ProjectFolder,
        task: TaskState,
        trust: Trust,
        releases: Mapping[str, Signed],
        post: Post,
    ) -> None:
        """Finish after as long as the host's behaviour says."""
        self._host.on_start(self._host)
        run = runner_module._Run(self, project, task, trust, releases, post)

        def compute(job: BoxOrder) -> Outcome:
            self._host.on_run(self._host, task, job)
            return self._host.behaviour.compute(job)

        run._sandbox = compute  # type: ignore[method-assign]
        mark = object()
        self._going[task.key] = mark

        def finish() -> None:
            if self._going.get(task.key) is mark:
                del self._going[task.key]
                event = run._guarded()
                if event is not None:
                    post(event)

        def leave() -> None:
            if self._going.get(task.key) is mark:
                data = self._host.behaviour.checkpoint(task.id)
                run.folder.checkpoints.mkdir(parents=True, exist_ok=True)
                run.folder.checkpoint.write_bytes(data)
                here = CheckpointHere(hashlib.sha256(data).hexdigest(), len(data), self._ops())
                post(CheckpointMade(task.project, task.id, here))

        seconds = self._host.behaviour.seconds()
        if task.migrates:
            for part in (0.3, 0.7):
                self._host.world.after(part * seconds, self._host.if_alive(leave))
        self._host.world.after(seconds, self._host.if_alive(finish))

    def _ops(self) -> int:
        """A host may claim that it came any distance."""
        return self._host.world.rng.randrange(10**12)

    def stop(self, key: TaskKey) -> None:
        """Forget it; no event follows."""
        self._going.pop(key, None)

    def leave(self, key: TaskKey) -> None:
        """The same: what it left before is all that stays of it."""
        self.stop(key)


class SimAgent(Agent):
    """One life of a client, driven from outside."""

    def __init__(self, host: "SimHost", data: DataFolder) -> None:
        self._host = host
        options = AgentOptions(
            cores=CORES, memory_bytes=MEMORY_BYTES, clock=host.clock, rng=host.world.rng
        )
        super().__init__(data, options, SimRunner(host, data))

    def begin(self) -> None:
        """Read the disk, and go on from there."""
        self._start()

    def drain(self) -> None:
        """Handle what has come in."""
        while not self._mail.empty():
            self._handle(self._mail.get_nowait())

    def handle(self, event: Event) -> None:
        """Handle one event."""
        self._handle(event)

    @property
    def wait_until(self) -> int:
        """When the core wants to be asked again (µs UTC)."""
        return self._wait_until

    def post(self, event: Event) -> None:
        super().post(event)
        self._host.soon()

    def _carry_out(self, order: Instruction) -> None:
        if isinstance(order, ForgetTask):
            self._host.note_forgotten(order)
        super()._carry_out(order)

    def _make_contact(self, folder: ProjectFolder, loaded: LoadedProject) -> Contact:
        contact = SimContact(folder, loaded, self.post)
        contact.host = self._host
        contact.connect = lambda url, key: self._host.line(key, breaks=False)  # type: ignore[method-assign, assignment]
        return contact

    def _make_pool(self) -> TransferPool:
        return SimPool(self._host)
