"""One project's conversation with its server: exchanges, enrolment, the device key.

One thread per project does the talking, one thing at a time. A request is on the disk before it is
on the wire, and it is sent with the same bytes until it is answered.
"""

import queue
import threading
from collections.abc import Callable, Mapping

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.keyfile import KeyFileError
from idlegrid_shared.signing import Signed, public_hex
from idlegrid_shared.wire import (
    EnrolReply,
    EnrolRequest,
    ExchangeReply,
    ExchangeRequest,
    Machine,
    Notice,
    ProjectInfo,
    Running,
    Want,
)

from .core.event import (
    Enrolled,
    Event,
    ExchangeFailed,
    KeyRenewed,
    ProblemReceived,
    ReplyReceived,
)
from .core.instruction import CloseExchange, Enrol, NewDeviceKey, SendExchange
from .core.model import Pending, TaskState
from .faults import reach
from .layout import ProjectFolder
from .reply_check import check_reply, source_addresses
from .report import compose_reports
from .store_state import (
    LoadedProject,
    StoredExchange,
    StoredRelease,
    load_invitation,
    renew_device_key,
    save_exchange,
    save_release,
    save_trust,
)
from .transfer.download import large_files
from .transfer.http import BadAnswerError, Server, ServerProblem, UnreachableError, compress
from .verify import Trust, VerifyError, open_trust, release_hash, renew_trust

EXCHANGE_PATH = "/rpc/v1/exchange"
DETACH_PATH = "/rpc/v1/detach"  # the same messages: what the host held is handed back at once
ENROL_PATH = "/rpc/v1/enrol"
PROJECT_PATH = "/rpc/v1/project"

Post = Callable[[Event], None]
TasksById = Mapping[str, TaskState]


class Contact:
    """The talk with one server. ``post`` receives what comes of it."""

    connect: Callable[[str, SigningKey], Server] = Server

    def __init__(self, folder: ProjectFolder, loaded: LoadedProject, post: Post) -> None:
        self.folder = folder
        self.fingerprint = loaded.state.fingerprint
        self.url = loaded.state.url
        self.key = loaded.key
        self.trust: Trust | None = loaded.trust
        self.releases: dict[str, StoredRelease] = loaded.releases
        #: The profiles of native programs and containers that may be run here; the agent sets it.
        self.offered: tuple[str, ...] = ()
        self._exchange = loaded.exchange
        self._post = post
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=self._serve, name=f"contact {self.fingerprint[:8]}", daemon=True
        )
        self._server: Server | None = None

    def start(self) -> None:
        """Begin to listen to instructions."""
        self._thread.start()

    def close(self) -> None:
        """No more instructions; what is under way is cut off with the process."""
        self._jobs.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the thread."""
        self._thread.join(timeout_s)

    def signed_releases(self) -> dict[str, Signed]:
        """The releases known here, by hash."""
        return {digest: stored.release for digest, stored in list(self.releases.items())}

    # --- instructions, given by the agent's loop

    def send(self, order: SendExchange, tasks: TasksById) -> None:
        """Talk; ends in ReplyReceived, ExchangeFailed or ProblemReceived."""
        self._submit(lambda: self._guarded(lambda: self._send(order, tasks)))

    def enrol(self, order: Enrol, machine: Machine) -> None:
        """Introduce this device; ends in Enrolled, ExchangeFailed or ProblemReceived."""
        self._submit(lambda: self._guarded(lambda: self._enrol(order, machine)))

    def renew_key(self, order: NewDeviceKey) -> None:
        """Take another device key; ends in KeyRenewed."""
        self._submit(lambda: self._guarded(self._renew_key))

    def close_exchange(self, order: CloseExchange) -> None:
        """The request is answered and applied: its bytes are not needed any more."""
        self._store(StoredExchange(seq=order.seq, serial=self._serial()))

    # --- the thread

    def _submit(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _guarded(self, talk: Callable[[], Event]) -> None:
        try:
            event = talk()
        except ServerProblem as problem:
            event = ProblemReceived(
                self.fingerprint,
                problem.status,
                problem.code,
                str(problem),
                problem.retry_after_s,
            )
        except (UnreachableError, BadAnswerError, VerifyError) as error:
            event = ExchangeFailed(self.fingerprint, str(error))
        except (OSError, KeyFileError) as error:
            event = ExchangeFailed(self.fingerprint, f"this machine's disk refuses: {error}")
        self._post(event)

    def _line(self) -> Server:
        if self._server is None:
            self._server = self.connect(self.url, self.key)
        return self._server

    def _send(self, order: SendExchange, tasks: TasksById) -> Event:
        if self.trust is None:
            self._fetch_trust()
        if not order.again:
            self._write_down(order, tasks)
        stored = self._exchange
        reach("exchange.sent.before")
        reply = self._line().post(
            DETACH_PATH if order.last else EXCHANGE_PATH,
            stored.body,
            ExchangeReply,
            request_id=order.request_id,
            encoding=stored.encoding,
        )
        reach("exchange.sent.after")
        return self._take(order, reply)

    def _write_down(self, order: SendExchange, tasks: TasksById) -> None:
        reports, manifests = compose_reports(self.folder, [tasks[t] for t in order.reports])
        request = ExchangeRequest(
            request_id=order.request_id,
            seq=order.seq,
            machine=order.machine,
            reports=tuple(reports),
            held=order.held,
            want=self._with_files(order.want),
            running=tuple(Running(task, progress) for task, progress in order.running),
        )
        body, encoding = compress(msgspec.json.encode(request))
        wanted = order.want.tasks if order.want is not None else 0
        pending = Pending(order.request_id, order.seq, order.reports, wanted, order.last)
        self._store(StoredExchange(order.seq, self._serial(), pending, body, encoding, manifests))

    def _with_files(self, want: Want | None) -> Want | None:
        """Tell which large files are here, so that work comes that needs no download."""
        if want is None:
            return None
        return msgspec.structs.replace(want, files=large_files(self.folder))

    def _store(self, exchange: StoredExchange) -> None:
        save_exchange(self.folder, exchange)
        self._exchange = exchange

    def _serial(self) -> int:
        known = self.trust.delegations.serial if self.trust is not None else 0
        return max(self._exchange.serial, known)

    def _take(self, order: SendExchange, reply: ExchangeReply) -> Event:
        notices = list(reply.notices)
        trust = self._renew(reply, notices)
        addresses: dict[str, str] = {}
        for offered in reply.releases:
            digest = release_hash(offered.release)
            found = source_addresses(offered.files)
            if digest not in self.releases:
                stored = StoredRelease(offered.release, found)
                save_release(self.folder, digest, stored)
                self.releases[digest] = stored
            addresses.update(found)
        for stored in self.releases.values():
            addresses = {**stored.addresses, **addresses}
        checked = check_reply(
            reply,
            trust,
            self.signed_releases(),
            addresses,
            self._exchange.reported,
            public_hex(self.key),
            self.offered,
        )
        checked = msgspec.structs.replace(checked, notices=tuple(notices))
        return ReplyReceived(self.fingerprint, order.request_id, checked)

    def _renew(self, reply: ExchangeReply, notices: list[Notice]) -> Trust:
        """Take newer signatures; what cannot be believed is left, and told."""
        trust = self.trust
        if trust is None:
            raise VerifyError("no_trust", "the project's signatures are not known")
        try:
            try:
                renewed = renew_trust(trust, reply.delegations, reply.timestamp)
            except VerifyError as error:
                if error.code not in ("stale_delegations", "bad_timestamp"):
                    raise
                info = self._line().get(PROJECT_PATH, ProjectInfo)
                renewed = renew_trust(trust, info.delegations, info.timestamp)
        except VerifyError as error:
            notices.append(Notice(level="error", code=error.code, text=str(error)))
            return trust
        if renewed is not trust:
            save_trust(self.folder, renewed)
            self.trust = renewed
        return renewed

    def _fetch_trust(self) -> None:
        """What was on the disk is lost: begin again from the fingerprint."""
        info = self._line().get(PROJECT_PATH, ProjectInfo)
        trust = open_trust(
            self.fingerprint, info.delegations, info.timestamp, self._exchange.serial
        )
        save_trust(self.folder, trust)
        self.trust = trust

    def _enrol(self, order: Enrol, machine: Machine) -> Event:
        request = EnrolRequest(
            request_id=order.request_id, machine=machine, token=load_invitation(self.folder)
        )
        body = msgspec.json.encode(request)
        reply = self._line().post(ENROL_PATH, body, EnrolReply, request_id=order.request_id)
        return Enrolled(self.fingerprint, reply.house)

    def _renew_key(self) -> Event:
        self.key = renew_device_key(self.folder)
        self._hang_up()
        return KeyRenewed(self.fingerprint)
