"""The real application in this process, on a clock of the measurement's own: no waiting, no chance
but one seed. Hosts speak the real protocol through the application's test client."""

import hashlib
import heapq
import os
from collections.abc import Callable
from unittest import mock

import msgspec
from werkzeug.test import Client

from idlegrid_server.files import CheckpointFolder, ContentStore, PartialUploads
from idlegrid_server.pipeline.jobs import work_jobs
from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.pipeline.tools import make_tools
from idlegrid_server.pipeline.wake import QueueName
from idlegrid_server.store import LocalStore
from idlegrid_server.web.app import create_app
from idlegrid_server.web.services import Keys, Services
from idlegrid_shared import wire
from idlegrid_shared.signing import encode_token, request_body_to_sign, sign_bytes

from .load import PATH, SimulatedHost
from .project import BenchProject, now_us

US = 1_000_000
PASS_AFTER_S = 0.25  # how long a wake-up takes
SWEEP_S = 2.0
IDLE_CONTACT_S = 300.0


class VirtualProject:
    """A project with ``hosts``, served in this process. Use as a context."""

    def __init__(self, hosts: int) -> None:
        self.bench = BenchProject(hosts, 0)
        self.now = self.start = now_us() // US * US
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._woken = False
        project = self.bench.project
        layout = project.layout
        self.store = LocalStore(layout.database)
        files = ContentStore(layout.files)
        self.tools = make_tools(project, self.store, self.clock, "compute")
        # Hosts that get nothing call seldom: what they ask in vain is most of a run's time.
        dispatch = msgspec.structs.replace(
            project.config.dispatch, next_contact_idle_s=IDLE_CONTACT_S
        )
        services = Services(
            config=msgspec.structs.replace(project.config, dispatch=dispatch),
            store=self.store,
            files=files,
            uploads=PartialUploads(layout.uploads, files),
            checkpoints=CheckpointFolder(layout.checkpoints),
            clock=self.clock,
            keys=Keys(
                online=project.online_key,
                root_public=project.root_public,
                ids=project.ids_key,
                tokens=project.token_key,
            ),
            waker=self,
            address=lambda: self.bench.url,
        )
        self._client = Client(create_app(services))
        # Nothing here outlives the measurement, and no power goes off: do not wait for the disk.
        self._no_sync = mock.patch.object(os, "fsync", return_value=None)
        self._no_sync.start()
        self.after(SWEEP_S, self._sweep)

    def __enter__(self) -> "VirtualProject":
        return self

    def __exit__(self, *error: object) -> None:
        self._no_sync.stop()
        self.store.close()
        self.bench.remove()

    # --- time

    def clock(self) -> int:
        """µs UTC."""
        return self.now

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have ``act`` happen ``seconds`` from now."""
        self._order += 1
        heapq.heappush(self._queue, (self.now + round(seconds * US), self._order, act))

    def run(self, seconds: float, until: Callable[[], bool]) -> None:
        """Let things happen until ``until()``, or for ``seconds`` at most."""
        end = self.now + round(seconds * US)
        while self._queue and self._queue[0][0] <= end and not until():
            self.now, _, act = heapq.heappop(self._queue)
            act()

    def wake(self, queue: QueueName = "wake") -> None:
        """Somebody asks for a pass, or for the compute worker."""
        if not self._woken:
            self._woken = True
            self.after(PASS_AFTER_S, self._work)

    def _work(self) -> None:
        self._woken = False
        work_jobs(self.tools)
        run_passes(self.store, self.tools.files, self.clock, tools=self.tools)

    def _sweep(self) -> None:
        self._work()
        self.after(SWEEP_S, self._sweep)

    # --- requests

    def exchange(self, host: SimulatedHost, request: wire.ExchangeRequest) -> wire.ExchangeReply:
        """One signed exchange; raises ``RuntimeError`` unless it is answered."""
        body = msgspec.json.encode(request)
        text = request_body_to_sign("POST", PATH, body, request.request_id)
        response = self._client.post(
            PATH,
            data=body,
            headers={
                "Content-Type": "application/json",
                wire.DEVICE_HEADER: host.device,
                wire.REQUEST_HEADER: request.request_id,
                wire.SIGNATURE_HEADER: encode_token(sign_bytes("request", text, host.key)),
            },
        )
        if response.status_code != 200:
            raise RuntimeError(f"an exchange was answered {response.status_code}: {response.text}")
        return msgspec.json.decode(response.get_data(), type=wire.ExchangeReply)

    def api(
        self, method: str, path: str, body: object = None, data: bytes = b""
    ) -> dict[str, object]:
        """One call of REST by the admin; raises ``RuntimeError`` unless it is well."""
        headers = {"Authorization": f"Bearer {self.bench.admin_token}"}
        if data:
            headers |= {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
        response = self._client.open(
            f"/api/v1/{path}",
            method=method,
            data=data or msgspec.json.encode(body or {}),
            headers=headers,
        )
        if response.status_code >= 300:
            raise RuntimeError(
                f"{method} {path} was answered {response.status_code}: {response.text}"
            )
        return msgspec.json.decode(response.get_data() or b"{}", type=dict[str, object])

    def submit(self, app: str, units: int, **more: object) -> str:
        """Submit a batch as the SDK does; returns its public id."""
        table = b"".join(b'{"args":["%d"]}\n' % i for i in range(units))
        digest = hashlib.sha256(table).hexdigest()
        upload = self.api("POST", "uploads", {"sha256": digest, "bytes": len(table)})
        if not upload["done"]:
            self.api("PATCH", f"uploads/{upload['upload']}", data=table)
        form = {
            "name": "measured",
            "app": app,
            "version": "1",
            "units": digest,
            "stages": [{"kind": "map", "program": "main"}],
            **more,
        }
        return str(self.api("POST", "batches", form)["id"])
