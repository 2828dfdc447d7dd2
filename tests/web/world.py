"""A project in a folder of its own, its web application, and people and hosts who talk to it."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask
from nacl.signing import SigningKey
from werkzeug.test import TestResponse

from idlegrid_server.config import Config, DispatchSettings, LimitSettings, WebSettings
from idlegrid_server.files import CheckpointFolder, ContentStore, PartialUploads
from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.token import SCOPES, new_token, token_hash
from idlegrid_server.trust import allow_publisher, first_delegations
from idlegrid_server.web.app import create_app
from idlegrid_server.web.services import Keys, Services
from idlegrid_shared import wire
from idlegrid_shared.documents import (
    PLATFORM_WASM,
    Delegations,
    Policy,
    Program,
    Publisher,
    Receipt,
    Release,
    TaskDescriptor,
    TaskInput,
)
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.seeds import batch_seed
from idlegrid_shared.signing import (
    Signed,
    encode_token,
    new_key,
    open_document,
    public_hex,
    request_body_to_sign,
    sign_bytes,
    sign_document,
)

US = 1_000_000
START = 1_800_000_000 * US
MODULE = b"\0asm\1\0\0\0"
OUTPUT_BYTES = 300_000
FREE_BYTES = 10 * 2**30


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += round(seconds * US)


class Folder(ContentStore):
    """The real folder of files on a disk whose free room a test decides."""

    free = FREE_BYTES

    def free_bytes(self) -> int:
        return self.free


class Wakes:
    """Counts what was woken."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def wake(self, queue: str = "wake") -> None:
        self.asked.append(queue)


def entry(name: str, data: bytes) -> ManifestEntry:
    return ManifestEntry(name, hashlib.sha256(data).hexdigest(), len(data))


class World:
    """The project. ``app`` is the real application."""

    def __init__(
        self, folder: Path, database: Path, *, limits: LimitSettings | None = None
    ) -> None:
        self.clock = Clock()
        self.store = LocalStore(database)
        self.files = Folder(folder / "files")
        self.files.folder.mkdir()
        self.root, self.online, self.publisher = new_key(), new_key(), new_key()
        self.wakes = Wakes()
        config = Config(
            dispatch=DispatchSettings(distinct=("host",)),
            limits=limits or LimitSettings(),
            web=WebSettings(trusted_proxies=("10.0.0.0/8",)),
        )
        self.services = Services(
            config=config,
            store=self.store,
            files=self.files,
            uploads=PartialUploads(folder / "uploads", self.files),
            checkpoints=CheckpointFolder(folder / "checkpoints"),
            clock=self.clock,
            keys=Keys(self.online, public_hex(self.root), b"i" * 32, b"t" * 32),
            waker=self.wakes,  # type: ignore[arg-type]
            address=lambda: "https://grid.example",
        )
        self.app: Flask = create_app(self.services)
        self.http = self.app.test_client()
        self.delegate()
        self.admin = self.account("admin@example.org", "admin")

    def close(self) -> None:
        self.store.close()

    # -- what an admin and a scientist prepare ------------------------------------------------

    def delegate(self, *apps: str) -> None:
        """Let the publisher sign apps of these names, or any that begins with sky-."""
        signed = first_delegations("Test", self.root, public_hex(self.online), self.clock())
        publisher = Publisher(public_hex(self.publisher), "Ada", apps or ("sky-*",))
        current = open_document("delegations", signed, Delegations)
        signed = allow_publisher(current, publisher, self.root, self.clock())
        value = msgspec.json.encode(signed).decode()
        self.store.execute(c.SetSetting(now=self.clock(), name="delegations", value=value))

    def account(self, email: str, role: c.Role = "scientist", password: str | None = None) -> int:
        made = c.CreateAccount(
            now=self.clock(), email=email, name=email, role=role, password_hash=password
        )
        return self.store.execute(made).account_id

    def token(
        self,
        account: int | None = None,
        *scopes: str,
        expires_at: int | None = None,
        single_use: bool = False,
    ) -> str:
        token = new_token()
        self.store.execute(
            c.CreateToken(
                now=self.clock(),
                account_id=self.admin if account is None else account,
                hash=token_hash(token),
                label="test",
                scopes=scopes or SCOPES,
                expires_at=expires_at,
                single_use=single_use,
            )
        )
        return token

    def add_file(
        self, data: bytes, *, account: int | None = None, public: bool = False
    ) -> TaskInput:
        self.store.execute(
            c.AddFile(
                now=self.clock(),
                sha256=hashlib.sha256(data).digest(),
                size=len(data),
                data=data,
                public=public,
                account_id=account,
            )
        )
        return TaskInput("given", hashlib.sha256(data).hexdigest(), len(data))

    def release(
        self, app: str = "sky-map", version: str = "1", key: SigningKey | None = None
    ) -> Signed:
        limits = Limits(2**26, 10**9, 60.0, OUTPUT_BYTES, 5)
        programs = tuple(Program(name, entry("m.wasm", MODULE), limits) for name in ("map", "sum"))
        document = Release(
            app=app,
            version=version,
            summary="A map of the sky",
            platform=PLATFORM_WASM,
            runtime="wasm",
            profile=current_profile(),
            programs=programs,
            policy=Policy(),
        )
        return sign_document("release", document, key or self.publisher)

    def publish(self, account: int) -> int:
        self.add_file(MODULE, account=account, public=True)
        signed = self.release()
        return self.store.execute(
            c.AddAppVersion(
                now=self.clock(),
                account_id=account,
                app="sky-map",
                version="1",
                summary="A map of the sky",
                platform=PLATFORM_WASM,
                runtime="wasm",
                profile=current_profile().name,
                release=msgspec.json.encode(signed),
                release_hash=hashlib.sha256(signed.body).digest(),
                modules=(c.ModuleIn(hashlib.sha256(MODULE).digest(), len(MODULE)),),
            )
        ).app_version_id

    def batch(
        self,
        units: int,
        *,
        name: str = "sky",
        inputs: tuple[TaskInput, ...] = (),
        spec: dict[str, Any] | None = None,
        migrates: bool = False,
        version: int | None = None,
        profile: str | None = None,
    ) -> int:
        """A running batch of ``units`` work units of ``version``, or sky-map; returns its id."""
        version = version or self.publish(self.admin)
        stage = c.NewStage(
            index=0,
            kind="map",
            placement="grid",
            app_version_id=version,
            program="map",
            inputs=msgspec.json.encode(inputs).decode(),
            policy=msgspec.json.encode(Policy()).decode(),
            memory_bytes=2**26,
            profile=profile or current_profile().name,
            migrates=migrates,
            expected=units,
        )
        batch = self.store.execute(
            c.CreateBatch(
                now=self.clock(),
                account_id=self.admin,
                app_version_id=version,
                name=name,
                idempotency_key=None,
                spec=msgspec.json.encode(spec or {"units": "0" * 64}).decode(),
                seed=batch_seed("sky-map", "1"),
                priority=0,
                on_failure='{"mode":"stop"}',
                stages=(stage,),
            )
        ).batch_id
        self.store.execute(c.StartBatch(now=self.clock(), batch_id=batch, expected=units))
        from idlegrid_server.store.sql.batch import STAGES_OF_BATCH

        with self.store.reading() as db:
            stage_id = db.fetch_all(STAGES_OF_BATCH, batch_id=batch)[0].id
        lines = tuple(c.NewUnit(f'["line","{n}"]') for n in range(units))
        self.store.execute(
            c.InsertUnits(now=self.clock(), stage_id=stage_id, offset=0, units=lines)
        )
        return batch

    def incidents(self) -> dict[str, int]:
        """How often each code stands in the admin's list."""
        from idlegrid_server.store.sql.account import INCIDENTS_NEWEST

        with self.store.reading() as db:
            rows = db.fetch_all(INCIDENTS_NEWEST, limit=1_000)
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.code] = counts.get(row.code, 0) + row.times
        return counts


class Host:
    """A volunteer's machine that speaks the protocol, honestly unless told otherwise."""

    def __init__(self, world: World, key: SigningKey | None = None) -> None:
        self.world = world
        self.key = key or new_key()
        self.device = public_hex(self.key)
        self.seq = 0
        self.http = world.app.test_client()

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        request_id: str = "request-0001",
        headers: dict[str, str] | None = None,
        signed_body: bytes | None = None,
    ) -> TestResponse:
        message = request_body_to_sign(
            method, path, body if signed_body is None else signed_body, request_id
        )
        signature = encode_token(sign_bytes("request", message, self.key))
        return self.http.open(
            path,
            method=method,
            data=body,
            headers={
                wire.DEVICE_HEADER: self.device,
                wire.REQUEST_HEADER: request_id,
                wire.SIGNATURE_HEADER: signature,
                **(headers or {}),
            },
            environ_base={"REMOTE_ADDR": "192.0.2.7"},
        )

    def post(self, path: str, message: Any, **more: Any) -> TestResponse:
        return self.send("POST", path, msgspec.json.encode(message), **more)

    def enrol(self, token: str = "") -> TestResponse:
        machine = wire.Machine(
            name="attic", cores=4, memory_bytes=2**33, profiles=(current_profile().name,)
        )
        request = wire.EnrolRequest(request_id="enrol-00001", machine=machine, token=token)
        return self.post("/rpc/v1/enrol", request, request_id="enrol-00001")

    def request(self, **fields: Any) -> wire.ExchangeRequest:
        self.seq += 1
        return wire.ExchangeRequest(
            request_id=fields.pop("request_id", f"exchange-{self.seq:05}"),
            seq=fields.pop("seq", self.seq),
            **fields,
        )

    def send_exchange(
        self, request: wire.ExchangeRequest, path: str = "/rpc/v1/exchange", **more: Any
    ) -> TestResponse:
        return self.post(path, request, request_id=request.request_id, **more)

    def exchange(self, **fields: Any) -> wire.ExchangeReply:
        response = self.send_exchange(self.request(**fields))
        assert response.status_code == 200, response.text
        return msgspec.json.decode(response.data, type=wire.ExchangeReply)

    def get_tasks(self, count: int = 1, **fields: Any) -> list[TaskDescriptor]:
        want = wire.Want(tasks=count, memory_bytes=2**30)
        return self.tasks_of(self.exchange(want=want, **fields))

    def tasks_of(self, reply: wire.ExchangeReply) -> list[TaskDescriptor]:
        online = public_hex(self.world.online)
        return [
            open_document("task", offer.descriptor, TaskDescriptor, key=online)
            for offer in reply.tasks
        ]

    def receipt_of(self, answer: wire.ReportAnswer) -> Receipt:
        assert answer.receipt is not None
        return open_document("receipt", answer.receipt, Receipt, key=public_hex(self.world.online))


def result(task: TaskDescriptor, data: bytes = b"a result", **more: Any) -> wire.Report:
    """A success with one small output inside the report."""
    return wire.Report(
        task=task.task,
        outcome="success",
        ops=1_000,
        elapsed_s=1.5,
        profile=current_profile().name,
        manifest=(entry("out.txt", data),),
        inline=(wire.InlineFile("out.txt", data),),
        **more,
    )


def problem_of(response: TestResponse) -> wire.Problem:
    """The problem details of an error."""
    assert response.content_type == "application/problem+json", response.text
    found = msgspec.json.decode(response.data, type=wire.Problem)
    assert found.status == response.status_code
    assert found.detail
    return found


def code_of(response: TestResponse) -> tuple[int, str]:
    """Status and code of an error."""
    return response.status_code, problem_of(response).code


NewWorld = Callable[..., World]
pack = gzip.compress
