"""The exchange with a host: decoded messages in, one store command, signed answers out.

Nothing here knows HTTP or the form of messages on the wire. Everything signed is signed after the
commit, so that no receipt can leave for a result that is not durable.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import msgspec
from nacl.signing import SigningKey

from idlegrid_server.domain.kind import machine_kind
from idlegrid_server.faults import reach
from idlegrid_server.store import command as c
from idlegrid_shared.documents import Receipt, ResumePoint, TaskDescriptor, TaskInput
from idlegrid_shared.requirement import FEATURES
from idlegrid_shared.seeds import unit_seed
from idlegrid_shared.signing import Signed, sign_bytes
from idlegrid_shared.wire import (
    ExchangeReply,
    ExchangeRequest,
    Extension,
    FileSource,
    Machine,
    Notice,
    Refusal,
    ReportAnswer,
    TaskOffer,
)

from .disk import DiskWatch
from .newcomer import NewcomerWatch
from .report import Refused, check_reports
from .stage_facts import StageCache, StageFacts
from .tally import RefusalTally
from .trust import TrustDesk

US = 1_000_000
FILE_ADDRESS_LIFE_US = 24 * 3600 * US
SEND_AGAIN_S = 60.0  # while the disk is full
LOW_DISK = Notice(
    level="warning",
    code="disk_low",
    text="The server's disk is nearly full, so it gives out no work until there is room. "
    "Results are still accepted.",
)
_encode = msgspec.json.Encoder().encode


class Ids(Protocol):
    """The translation between the database's ids and public ones."""

    def encode(self, kind: Any, number: int) -> str: ...

    def decode(self, kind: Any, text: str) -> int: ...


class Addresses(Protocol):
    """Makes the short-lived part of a private file's address."""

    def make(self, owner: str, sha256: str, expires_at: int) -> str: ...


class ExchangeRefused(Exception):  # noqa: N818 - what is the case is its name
    """Nothing was done: the host must do something else first. ``status`` is the store's word."""

    def __init__(self, status: c.ExchangeStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as the door has verified it."""

    device: bytes
    device_hex: str
    subnet: str
    body_hash: bytes


@dataclass
class Answered:
    """What became of an exchange: the reply, and what the door should note about it."""

    reply: ExchangeReply
    host_id: int
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True)
class Scheduler:
    """Everything that an exchange needs. One for each process; safe for many threads."""

    store: c.Store
    clock: Callable[[], int]
    ids: Ids
    addresses: Addresses
    online_key: SigningKey
    online_public: str
    trust: TrustDesk
    stages: StageCache
    disk: DiskWatch
    newcomers: NewcomerWatch
    tally: RefusalTally
    distinct: tuple[c.Distinct, ...]
    next_contact_min_s: float
    next_contact_idle_s: float
    wake: Callable[[], None]

    def exchange(self, request: ExchangeRequest, caller: Caller) -> Answered:
        """Do one exchange; raises :class:`ExchangeRefused` and ``StoreError``."""
        trusted = self.trust.current()
        now = self.clock()
        reports, refused = check_reports(request.reports, self._task_id)
        held, unknown = self._held(request.held)
        low = request.want is not None and self.disk.is_low()
        reach("exchange.commit.before")
        result = self.store.execute(
            c.Exchange(
                now=now,
                device=caller.device,
                request_id=request.request_id,
                seq=request.seq,
                body_hash=caller.body_hash,
                subnet=caller.subnet,
                distinct=self.distinct,
                machine=None if request.machine is None else machine_facts(request.machine),
                reports=tuple(reports),
                held=tuple(held),
                newcomers=request.want is None or self.newcomers.may(),
                want=None
                if request.want is None or low
                else c.Wanted(
                    request.want.tasks,
                    request.want.memory_bytes,
                    request.want.disk_bytes,
                    request.want.files,
                ),
                running=self._running(request, held),
            )
        )
        reach("exchange.commit.after")
        if result.status != "ok":
            raise ExchangeRefused(result.status, result.reason)
        if result.made_due:
            self.wake()
        if result.turned_away or low:
            self.tally.note(_refused(result, low))
        offers, releases = self._offers(result.tasks, result.profiles, now)
        reply = ExchangeReply(
            server_at=now,
            next_contact_s=self._next_contact_s(request, result, low),
            answers=self._answers(result, refused, caller, now),
            tasks=offers,
            releases=cast("Any", releases),  # encoded already
            cancel=(*unknown, *(held[task_id] for task_id in result.cancel)),
            extended=tuple(
                Extension(held[e.task_id], max(1, (e.deadline_at - now) // US))
                for e in result.extended
            ),
            refusals=tuple(Refusal(r.code, r.count, r.text) for r in result.refusals),
            notices=(LOW_DISK,) if low else (),
            timestamp=trusted.timestamp,
        )
        reach("exchange.reply.before")
        return Answered(reply, result.host_id, refused)

    def _task_id(self, text: str) -> int:
        return self.ids.decode("task", text)

    def _held(self, tasks: tuple[str, ...]) -> tuple[dict[int, str], list[str]]:
        """Tasks by id, and those that no server of this project can have given out."""
        held: dict[int, str] = {}
        unknown = []
        for text in tasks:
            try:
                held[self._task_id(text)] = text
            except ValueError:
                unknown.append(text)
        return held, unknown

    def _running(
        self, request: ExchangeRequest, held: dict[int, str]
    ) -> tuple[c.RunningTask, ...] | None:
        """What the host has begun of what it holds; None: it does not say."""
        if request.running is None:
            return None
        by_text = {text: task_id for task_id, text in held.items()}
        return tuple(
            c.RunningTask(by_text[task.task], task.progress)
            for task in request.running
            if task.task in by_text
        )

    def _next_contact_s(
        self, request: ExchangeRequest, result: c.ExchangeResult, low: bool
    ) -> float:
        if low:
            return max(self.next_contact_idle_s, SEND_AGAIN_S)
        if result.tasks or request.held:
            return self.next_contact_min_s
        return self.next_contact_idle_s

    def _sign(self, kind: Any, document: msgspec.Struct) -> Signed:
        body = _encode(document)
        return Signed(
            body=body,
            key=self.online_public,
            signature=sign_bytes(kind, body, self.online_key),
        )

    def _answers(
        self, result: c.ExchangeResult, refused: list[Refused], caller: Caller, now: int
    ) -> tuple[ReportAnswer, ...]:
        answers = [ReportAnswer(task=r.task, fate="refused", reason=r.text) for r in refused]
        for answer in result.answers:
            task = self.ids.encode("task", answer.task_id)
            receipt = None
            if answer.fate in ("accepted", "duplicate"):
                receipt = self._sign(
                    "receipt",
                    Receipt(
                        project=self.trust.root,
                        task=task,
                        device=caller.device_hex,
                        manifest=answer.manifest.hex(),
                        outcome=answer.outcome,
                        received_at=answer.received_at or now,
                    ),
                )
            answers.append(
                ReportAnswer(
                    task=task,
                    fate=answer.fate,
                    reason=answer.reason,
                    receipt=receipt,
                    missing=tuple(digest.hex() for digest in answer.missing),
                )
            )
        return tuple(answers)

    def _offers(
        self, tasks: tuple[c.Assignment, ...], profiles: tuple[str, ...], now: int
    ) -> tuple[tuple[TaskOffer, ...], tuple[msgspec.Raw, ...]]:
        offers = []
        releases: dict[str, msgspec.Raw] = {}
        for task in tasks:
            facts = self.stages.get(task.stage_id)
            build = facts.build_for(profiles)
            releases[build.release] = build.offer
            if facts.runtime:
                releases[facts.runtime] = facts.runtime_offer
            offers.append(self._offer(task, facts, build.release, now))
        return tuple(offers), tuple(releases.values())

    def _offer(self, task: c.Assignment, facts: StageFacts, release: str, now: int) -> TaskOffer:
        inputs = facts.inputs
        if task.inputs:
            inputs += msgspec.json.decode(task.inputs, type=tuple[TaskInput, ...])
        public = self.ids.encode("task", task.task_id)
        descriptor = TaskDescriptor(
            project=self.trust.root,
            task=public,
            unit=self.ids.encode("wu", task.unit_id),
            app=facts.app,
            version=facts.version,
            release=release,
            program=facts.program.name,
            args=msgspec.json.decode(task.args, type=tuple[str, ...]),
            inputs=inputs,
            seed=unit_seed(facts.batch_seed, facts.index, task.index).hex(),
            deadline_s=task.deadline_s,
            ops_estimate=task.ops_estimate,
            batch_name=facts.batch_name,
            resume=None
            if task.resume is None
            else ResumePoint(task.resume.sha256.hex(), task.resume.size, task.resume.ops),
        )
        until = now + FILE_ADDRESS_LIFE_US
        files = tuple(
            FileSource(
                sha256=sha256,
                bytes=size,
                url=f"/files/{sha256}?token={self.addresses.make(public, sha256, until)}",
            )
            for sha256, size in {i.sha256: i.bytes for i in inputs}.items()
        )
        if task.resume is not None:
            sha256 = task.resume.sha256.hex()
            ticket = self.addresses.make(public, sha256, until)
            url = f"/rpc/v1/checkpoints/{sha256}?token={ticket}"
            files += (FileSource(sha256=sha256, bytes=task.resume.size, url=url),)
        return TaskOffer(descriptor=self._sign("task", descriptor), files=files)


def _refused(result: c.ExchangeResult, low: bool) -> list[tuple[int, str]]:
    found = [(away.stage_id, away.code) for away in result.turned_away]
    return [*found, (0, "disk_low")] if low else found


def machine_facts(machine: Machine) -> c.MachineFacts:
    """What a host says of itself, for the store."""
    return c.MachineFacts(
        name=machine.name,
        json=_encode(machine).decode(),
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        profiles=machine.profiles,
        kind=machine_kind(machine),
        features=tuple(sorted(set(machine.features) & FEATURES)),
    )
