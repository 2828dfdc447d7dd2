"""A served project with many hosts and three apps, made for a measurement and removed after it."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import requests

from idlegrid_server.project import Project, open_project
from idlegrid_server.store import command
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH
from idlegrid_server.store_access import own_store
from idlegrid_server.trust import allow_publisher, load_root
from idlegrid_shared.documents import (
    PLATFORM_WASM,
    Delegations,
    Policy,
    Program,
    Publisher,
    Release,
)
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.seeds import batch_seed
from idlegrid_shared.signing import decode_key, new_key, open_document, public_hex, sign_document

from .load import SimulatedHost

APPS = ("bench-a", "bench-b", "bench-c")
EMPTY_MODULE = b"\0asm\1\0\0\0"
MEMORY_BYTES = 64 * 2**20
READY_S = 60.0


def now_us() -> int:
    """The time in µs UTC."""
    return time.time_ns() // 1000


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BenchProject:
    """A project under ``build/bench``, filled through the store before it is served."""

    def __init__(self, hosts: int, units: int) -> None:
        self.folder = Path("build/bench").absolute() / f"{os.getpid()}-{now_us()}"
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.server: subprocess.Popen[bytes] | None = None
        self.hosts = [SimulatedHost() for _ in range(hosts)]
        self._run("init", str(self.folder), "--lab", "--name", "Bench", "--port", str(self.port))
        self.project: Project = open_project(self.folder)
        self._fill(units)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "idlegrid_server", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"idlegrid-server {words[0]}: {done.stderr}")
        return done.stdout

    def _fill(self, units: int) -> None:
        profile = current_profile()
        with own_store(self.project) as store:
            account = store.execute(
                command.CreateAccount(
                    now=now_us(), email="bench@example.org", name="Bench", role="scientist"
                )
            ).account_id
            publisher = new_key()
            root = load_root(self.project.layout, None)
            signed = self.project.delegations()
            current = open_document("delegations", signed, Delegations)
            signed = allow_publisher(
                current, Publisher(public_hex(publisher), "Bench", ("bench-*",)), root, now_us()
            )
            store.execute(
                command.SetSetting(
                    now=now_us(), name="delegations", value=msgspec.json.encode(signed).decode()
                )
            )
            digest = hashlib.sha256(EMPTY_MODULE)
            store.execute(
                command.AddFile(
                    now=now_us(),
                    sha256=digest.digest(),
                    size=len(EMPTY_MODULE),
                    public=True,
                    data=EMPTY_MODULE,
                    account_id=account,
                )
            )
            limits = Limits(MEMORY_BYTES, 10**12, 3600, 2**20, 10)
            module = ManifestEntry("bench.wasm", digest.hexdigest(), len(EMPTY_MODULE))
            for app in APPS:
                release = sign_document(
                    "release",
                    Release(
                        app=app,
                        version="1",
                        summary="",
                        platform=PLATFORM_WASM,
                        runtime="wasm",
                        profile=profile,
                        programs=(Program("main", module, limits),),
                        policy=Policy(),
                    ),
                    publisher,
                )
                added = store.execute(
                    command.AddAppVersion(
                        now=now_us(),
                        account_id=account,
                        app=app,
                        version="1",
                        summary="",
                        platform=PLATFORM_WASM,
                        runtime="wasm",
                        profile=profile.name,
                        release=msgspec.json.encode(release),
                        release_hash=hashlib.sha256(release.body).digest(),
                        modules=(command.ModuleIn(digest.digest(), len(EMPTY_MODULE)),),
                    )
                )
                if units:
                    self._add_batch(store, account, added.app_version_id, app, units)
            for host in self.hosts:
                store.execute(
                    command.EnrolHost(
                        now=now_us(),
                        device=decode_key(host.device),
                        machine=command.MachineFacts(
                            name=host.device[:8],
                            json="{}",
                            cores=4,
                            memory_bytes=2**34,
                            profiles=(profile.name,),
                        ),
                        subnet="127.0.0.0/24",
                    )
                )

    def _add_batch(
        self, store: command.Store, account: int, version: int, app: str, units: int
    ) -> None:
        stage = command.NewStage(
            index=0,
            kind="map",
            placement="grid",
            app_version_id=version,
            program="main",
            inputs="[]",
            policy=msgspec.json.encode(Policy()).decode(),
            memory_bytes=MEMORY_BYTES,
            profile=current_profile().name,
            expected=units,
        )
        batch = store.execute(
            command.CreateBatch(
                now=now_us(),
                account_id=account,
                app_version_id=version,
                name=f"{app}-filled",
                idempotency_key=f"{app}-filled",
                spec="{}",
                seed=batch_seed(app, "1"),
                priority=0,
                on_failure='{"mode":"stop"}',
                stages=(stage,),
            )
        ).batch_id
        store.execute(command.StartBatch(now=now_us(), batch_id=batch, expected=units))
        stage_id = self._stage_of(store, batch)
        for offset in range(0, units, command.UNITS_MAX):
            chunk = range(offset, min(units, offset + command.UNITS_MAX))
            store.execute(
                command.InsertUnits(
                    now=now_us(),
                    stage_id=stage_id,
                    offset=offset,
                    units=tuple(command.NewUnit(f'["{app}","{i}"]') for i in chunk),
                )
            )

    def _stage_of(self, store: command.Store, batch: int) -> int:
        with store.reading() as db:
            return int(db.fetch_all(STAGES_OF_BATCH, batch_id=batch)[0].id)

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_token(self) -> str:
        """The lab's API token."""
        return self.project.layout.admin_token.read_text(encoding="ascii").strip()

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serve it by the real command for the block."""
        log = (self.folder / "logs" / "serve.log").open("wb")
        self.server = subprocess.Popen(
            [sys.executable, "-m", "idlegrid_server", "serve", str(self.folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            self._wait_ready()
            yield
        finally:
            self.server.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.wait(60)
            if self.server.poll() is None:
                self.server.kill()
                self.server.wait()
            log.close()

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            time.sleep(0.2)
        raise RuntimeError("the server was not ready in time; see logs/serve.log")

    def server_cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far by the server's processes, by name of the program."""
        assert self.server is not None
        root = psutil.Process(self.server.pid)
        used: dict[str, float] = {}
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline()[1:4])
                times = process.cpu_times()
                used[words] = used.get(words, 0.0) + times.user + times.system
        return used

    def submit(self, app: str, units: int) -> None:
        """Submit a batch of ``units`` over REST, as the SDK does."""
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self.admin_token}"
        table = b"".join(b'{"args":["more","%d"]}\n' % i for i in range(units))
        digest = hashlib.sha256(table).hexdigest()
        opened = session.post(
            f"{self.url}/api/v1/uploads", json={"sha256": digest, "bytes": len(table)}, timeout=60
        )
        opened.raise_for_status()
        name = opened.json()["upload"]
        for offset in range(0, len(table), 2**20):
            session.patch(
                f"{self.url}/api/v1/uploads/{name}",
                data=table[offset : offset + 2**20],
                headers={"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"},
                timeout=60,
            ).raise_for_status()
        session.post(
            f"{self.url}/api/v1/batches",
            json={
                "name": "more",
                "app": app,
                "version": "1",
                "units": digest,
                "stages": [{"kind": "map", "program": "main", "inputs": []}],
            },
            timeout=60,
        ).raise_for_status()

    def recount(self) -> str:
        """What `idlegrid-server recount` says; raises ``RuntimeError`` when a rule is broken."""
        return self._run("recount", str(self.folder))

    def remove(self) -> None:
        """Delete the project's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
