"""A project as a client meets it: the real messages, keys and signatures, over real HTTP.

Attacks and mishaps are scripted by editing the attributes: they are data.
"""

import gzip
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from idlegrid_shared.documents import (
    PLATFORM_WASM,
    TIMESTAMP_LIFE_S,
    Delegations,
    Policy,
    Program,
    Publisher,
    Receipt,
    Release,
    TaskDescriptor,
    Timestamp,
)
from idlegrid_shared.manifest import ManifestEntry, manifest_hash
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.signing import (
    Signed,
    decode_token,
    fingerprint,
    new_key,
    public_hex,
    request_body_to_sign,
    sign_document,
    verify_bytes,
)
from idlegrid_shared.wire import (
    PROTOCOL,
    EnrolReply,
    ExchangeReply,
    ExchangeRequest,
    FileSource,
    ProjectInfo,
    ReleaseOffer,
    Report,
    ReportAnswer,
    TaskOffer,
    UploadOpen,
    UploadState,
)

US = 1_000_000
LIMITS = Limits(
    memory_bytes=16 * 1024**2,
    max_ops=10**10,
    time_s=20.0,
    output_bytes=10**6,
    output_files=10,
)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class RefusedError(Exception):
    """The server's answer is a problem."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code


class SimulatedProject:
    """Keys, files, units; and what the server knows of hosts, tasks and uploads."""

    def __init__(self, name: str = "Test project") -> None:
        self.name = name
        self.root, self.online, self.publisher = new_key(), new_key(), new_key()
        self.files: dict[str, bytes] = {}
        self.serial = 1
        self.apps: tuple[str, ...] = ("demo",)
        self.issued_at = time.time_ns() // 1000
        self.lock = threading.Lock()
        self.releases: dict[str, Signed] = {}
        self.waiting: list[Signed] = []  # descriptors to be given
        self.descriptors: dict[str, Signed] = {}
        self.in_progress: dict[str, str] = {}  # task → device
        self.done: dict[str, tuple[str, Report]] = {}  # task → device and its report
        self.uploads: dict[str, bytearray] = {}
        self.upload_names: dict[str, str] = {}  # name → hash
        self.checkpoint_ops: dict[str, int] = {}  # hash of a checkpoint → its ops, as claimed
        self.hosts: set[str] = set()
        self.left: set[str] = set()
        self.seen: dict[str, tuple[int, str, str]] = {}  # device → seq, request id, body hash
        self.requests: list[ExchangeRequest] = []
        self.repeats = 0
        self.next_contact_s = 1.0
        self.cancel: tuple[str, ...] = ()
        # mishaps, in this order of the hand: problems to answer, replies to swallow, files to cut
        self.problems: list[RefusedError] = []
        self.swallow = 0
        self.cut_downloads: list[int] = []
        self.cut_uploads = 0

    # --- what is signed

    @property
    def fingerprint(self) -> str:
        return fingerprint(public_hex(self.root))

    def delegations(self) -> Signed:
        document = Delegations(
            project=self.name,
            root=public_hex(self.root),
            serial=self.serial,
            online=(public_hex(self.online),),
            publishers=(Publisher(public_hex(self.publisher), "Ada", self.apps),),
            issued_at=self.issued_at,
        )
        return sign_document("delegations", document, self.root)

    def timestamp(self, life_s: int = TIMESTAMP_LIFE_S) -> Signed:
        issued_at = self.issued_at
        document = Timestamp(public_hex(self.root), self.serial, issued_at, issued_at + life_s * US)
        return sign_document("timestamp", document, self.online)

    def info(self) -> ProjectInfo:
        return ProjectInfo(
            protocol=PROTOCOL,
            name=self.name,
            url="",
            root=public_hex(self.root),
            fingerprint=self.fingerprint,
            delegations=self.delegations(),
            timestamp=self.timestamp(),
        )

    def add_release(
        self, module: bytes, limits: Limits = LIMITS, app: str = "demo", **changes: Any
    ) -> Signed:
        self.files[sha256(module)] = module
        entry = ManifestEntry("main.wasm", sha256(module), len(module))
        release = Release(
            app=app,
            version="1.0",
            summary="",
            platform=PLATFORM_WASM,
            runtime="wasm",
            profile=current_profile(),
            programs=(Program("main", entry, limits),),
            policy=Policy(),
        )
        release = msgspec.structs.replace(release, **changes)
        signed = sign_document("release", release, self.publisher)
        self.releases[sha256(signed.body)] = signed
        return signed

    def descriptor(self, task: str, release: Signed, **changes: object) -> Signed:
        fields: dict[str, object] = {
            "project": public_hex(self.root),
            "task": task,
            "unit": "wu_" + task,
            "app": "demo",
            "version": "1.0",
            "release": sha256(release.body),
            "program": "main",
            "args": (),
            "inputs": (),
            "seed": sha256(b"seed"),
            "deadline_s": 3600,
            "batch_name": "batch",
        }
        return sign_document("task", TaskDescriptor(**{**fields, **changes}), self.online)

    def add_task(self, task: str, release: Signed, **changes: object) -> None:
        self.waiting.append(self.descriptor(task, release, **changes))

    # --- the exchange

    def exchange(self, device: str, request: ExchangeRequest, digest: str) -> ExchangeReply:
        self.requests.append(request)
        if device not in self.hosts:
            raise RefusedError(401, "unknown_host", "this device is not known here")
        seq, request_id, body = self.seen.get(device, (0, "", ""))
        if request.request_id == request_id:
            self.repeats += 1
            if body != digest:
                raise RefusedError(409, "conflict", "the same request id came with another body")
        elif request.seq <= seq:
            raise RefusedError(409, "clone", "this sequence number was used before")
        self.seen[device] = (request.seq, request.request_id, digest)
        answers = tuple(self._answer(device, report) for report in request.reports)
        held = {*request.held, *(r.task for r in request.reports)}
        lost = [t for t, owner in self.in_progress.items() if owner == device and t not in held]
        given = [self.descriptors[t] for t in lost]
        for _ in range(request.want.tasks if request.want else 0):
            if not self.waiting:
                break
            signed = self.waiting.pop(0)
            task = msgspec.json.decode(signed.body, type=TaskDescriptor).task
            self.descriptors[task], self.in_progress[task] = signed, device
            given.append(signed)
        return ExchangeReply(
            server_at=self.issued_at,
            next_contact_s=self.next_contact_s,
            answers=answers,
            tasks=tuple(self._offer(signed) for signed in given),
            releases=tuple(self._release_offer(s) for s in self.releases.values()) if given else (),
            cancel=tuple(t for t in request.held if t in self.cancel or t not in self.in_progress),
            timestamp=self.timestamp(),
            delegations=self.delegations(),
        )

    def _offer(self, signed: Signed) -> TaskOffer:
        descriptor = msgspec.json.decode(signed.body, type=TaskDescriptor)
        return TaskOffer(signed, tuple(self.source(i.sha256) for i in descriptor.inputs))

    def _release_offer(self, signed: Signed) -> ReleaseOffer:
        release = msgspec.json.decode(signed.body, type=Release)
        return ReleaseOffer(signed, tuple(self.source(p.module.sha256) for p in release.programs))

    def source(self, digest: str) -> FileSource:
        return FileSource(digest, len(self.files.get(digest, b"")), f"/files/{digest}?token=t")

    def _answer(self, device: str, report: Report) -> ReportAnswer:
        task = report.task
        if task in self.done and self.done[task][0] == device:
            return ReportAnswer(task, "duplicate", receipt=self.receipt(device, report))
        if self.in_progress.get(task) != device:
            return ReportAnswer(task, "refused", reason="not a task of this host")
        inline = {f.name for f in report.inline}
        missing = tuple(
            e.sha256
            for e in report.manifest
            if e.name not in inline and sha256(bytes(self.uploads.get(e.sha256, b""))) != e.sha256
        )
        if missing:
            return ReportAnswer(task, "missing_files", missing=missing)
        for file in report.inline:
            self.uploads[sha256(file.data)] = bytearray(file.data)
        self.done[task] = (device, report)
        del self.in_progress[task]
        return ReportAnswer(task, "accepted", receipt=self.receipt(device, report))

    def receipt(self, device: str, report: Report) -> Signed:
        success = report.outcome == "success"
        document = Receipt(
            project=public_hex(self.root),
            task=report.task,
            device=device,
            manifest=manifest_hash(report.manifest) if success else "",
            outcome=report.outcome,
            received_at=self.issued_at,
        )
        return sign_document("receipt", document, self.online)

    # --- uploads

    def open_upload(self, order: UploadOpen) -> UploadState:
        name = f"up_{len(self.upload_names)}"
        self.upload_names[name] = order.sha256
        if order.checkpoint_ops is not None:
            self.checkpoint_ops[order.sha256] = order.checkpoint_ops
        self.uploads.setdefault(order.sha256, bytearray())
        return self.upload_state(name, order.bytes)

    def upload_state(self, name: str, size: int = 0) -> UploadState:
        digest = self.upload_names[name]
        data = bytes(self.uploads[digest])
        done = sha256(data) == digest
        return UploadState(upload=name, offset=len(data), bytes=size, done=done)

    def append(self, name: str, offset: int, data: bytes) -> UploadState:
        kept = self.uploads[self.upload_names[name]]
        if offset != len(kept):
            raise RefusedError(409, "offset", f"the upload stands at {len(kept)}")
        kept += data
        return self.upload_state(name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    project: SimulatedProject

    def log_message(self, *args: object) -> None:
        """Tests stay quiet."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _run(self, answer: object) -> None:
        body = self._body()
        try:
            with self.project.lock:
                message = answer(body)  # type: ignore[operator]
        except RefusedError as refusal:
            problem = {
                "type": "about:blank",
                "title": str(refusal),
                "status": refusal.status,
                "detail": str(refusal),
                "code": refusal.code,
            }
            self._send(refusal.status, json.dumps(problem).encode())
            return
        if self.project.swallow and self.path.endswith("/exchange"):
            self.project.swallow -= 1
            self.close_connection = True  # the work is done, the answer is lost
            return
        self._send(200, msgspec.json.encode(message))

    def _device(self, body: bytes) -> str:
        device = self.headers["Idlegrid-Device"]
        request_id = self.headers["Idlegrid-Request"]
        message = request_body_to_sign(self.command, self.path, body, request_id)
        signature = decode_token(self.headers["Idlegrid-Signature"])
        verify_bytes("request", message, signature, device)
        return str(device)

    def do_GET(self) -> None:
        if self.path == "/rpc/v1/project":
            self._run(lambda body: self.project.info())
        elif self.path.startswith("/rpc/v1/uploads/"):
            name = self.path.rpartition("/")[2]
            self._run(lambda body: self.project.upload_state(name))
        elif self.path.startswith("/files/"):
            self._file(self.path.removeprefix("/files/").partition("?")[0])
        else:
            self._send(404, b"nothing here")

    def _file(self, digest: str) -> None:
        data = self.project.files.get(digest)
        if data is None:
            self._send(404, b"")
            return
        span = self.headers.get("Range", "")
        start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if span else {}
        rest = data[start:]
        if self.project.cut_downloads:
            cut = self.project.cut_downloads.pop(0)
            self.send_response(206 if span else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[:cut])
            self.close_connection = True
            return
        self._send(206 if span else 200, rest, headers)

    def do_POST(self) -> None:
        if self.path == "/rpc/v1/enrol":
            self._run(self._enrol)
        elif self.path == "/rpc/v1/exchange":
            self._run(self._exchange)
        elif self.path == "/rpc/v1/detach":
            self._run(self._detach)
        elif self.path == "/rpc/v1/uploads":
            self._run(self._open)
        else:
            self._send(404, b"nothing here")

    def _enrol(self, body: bytes) -> EnrolReply:
        self.project.hosts.add(self._device(body))
        return EnrolReply(host="host_1", name="")

    def _detach(self, body: bytes) -> ExchangeReply:
        device = self._device(body)
        self.project.left.add(device)
        return ExchangeReply(server_at=self.project.issued_at, next_contact_s=0.0)

    def _exchange(self, body: bytes) -> ExchangeReply:
        device = self._device(body)
        if self.project.problems:
            raise self.project.problems.pop(0)
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        request = msgspec.json.decode(plain, type=ExchangeRequest)
        return self.project.exchange(device, request, sha256(body))

    def _open(self, body: bytes) -> UploadState:
        self._device(body)
        return self.project.open_upload(msgspec.json.decode(body, type=UploadOpen))

    def do_PATCH(self) -> None:
        name = self.path.rpartition("/")[2]
        offset = int(self.headers["Upload-Offset"])
        if self.project.cut_uploads:
            self.project.cut_uploads -= 1
            half = self._body()
            with self.project.lock:
                self.project.append(name, offset, half[: len(half) // 2])
            self.close_connection = True
            return
        self._run(lambda body: self.project.append(name, offset, body))


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in mid-answer is part of the tests."""


@contextmanager
def serving(project: SimulatedProject, port: int = 0) -> Iterator[str]:
    """The project's address while it is served on loopback."""
    handler = type("Handler", (_Handler,), {"project": project})
    server = _QuietServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
