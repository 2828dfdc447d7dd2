"""The real agent, its store and its contact, in one thread with a virtual clock.

Only the edges of the world are replaced: HTTP by calls of the simulated project, the sandbox by a
function, waiting by setting the clock. So a whole life runs in milliseconds, and can be made to
crash at any durable step.
"""

import gzip
import hashlib
import queue
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nacl.signing import SigningKey

from idlegrid_client.agent_loop import Agent, AgentOptions
from idlegrid_client.attach import Introduction, join
from idlegrid_client.contact import Contact
from idlegrid_client.core.event import CommandGiven, Event, Timer
from idlegrid_client.core.model import TaskState
from idlegrid_client.layout import DataFolder, ProjectFolder
from idlegrid_client.runner import runner as runner_module
from idlegrid_client.runner.runner import Post, Runner
from idlegrid_client.store_state import LoadedProject
from idlegrid_client.transfer.http import ServerProblem, UnreachableError
from idlegrid_client.transfer.pool import TransferPool, Work
from idlegrid_client.verify import Trust, open_trust
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.signing import Signed, public_hex
from idlegrid_shared.wire import EnrolReply, ExchangeRequest, UploadOpen

from .simulator import RefusedError, SimulatedProject

URL = "http://127.0.0.1:9"
EVENTS_MAX = 5_000


class Crash(BaseException):
    """The power went."""


class DirectServer:
    """What ``transfer.http.Server`` does, without a network."""

    def __init__(self, project: SimulatedProject, key: SigningKey) -> None:
        self.url = URL
        self._project = project
        self._device = public_hex(key)

    def close(self) -> None:
        """Nothing to let go."""

    def get(self, path: str, kind: type[Any]) -> Any:
        if path.startswith("/rpc/v1/uploads/"):
            return self._project.upload_state(path.rpartition("/")[2])
        assert path == "/rpc/v1/project"
        return self._project.info()

    def post(
        self, path: str, body: bytes, kind: type[Any], *, request_id: str = "", encoding: str = ""
    ) -> Any:
        try:
            return self._post(path, body, encoding)
        except RefusedError as refusal:
            raise ServerProblem(refusal.status, refusal.code, str(refusal)) from refusal

    def _post(self, path: str, body: bytes, encoding: str) -> Any:
        project = self._project
        if path == "/rpc/v1/enrol":
            project.hosts.add(self._device)
            return EnrolReply(host="host_1", name="")
        if path == "/rpc/v1/uploads":
            return project.open_upload(msgspec.json.decode(body, type=UploadOpen))
        if project.problems:
            raise project.problems.pop(0)
        plain = gzip.decompress(body) if encoding else body
        request = msgspec.json.decode(plain, type=ExchangeRequest)
        reply = project.exchange(self._device, request, hashlib.sha256(body).hexdigest())
        if project.swallow:
            project.swallow -= 1
            raise UnreachableError("the answer was lost")
        return reply

    def patch(self, path: str, body: bytes, offset: int, kind: type[Any]) -> Any:
        name = path.rpartition("/")[2]
        if self._project.cut_uploads:
            self._project.cut_uploads -= 1
            self._project.append(name, offset, body[: len(body) // 2])
            raise UnreachableError("the line broke")
        return self._project.append(name, offset, body)

    @contextmanager
    def stream(self, path: str, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        digest = path.removeprefix("/files/").partition("?")[0]
        data = self._project.files.get(digest)
        if data is None:
            raise ServerProblem(404, "not_found", "there is no such file")
        yield offset, self._pieces(data[offset:])

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if self._project.cut_downloads:
            yield data[: self._project.cut_downloads.pop(0)]
            raise UnreachableError("the line broke")
        yield data


class _InlineContact(Contact):
    def _submit(self, job: Callable[[], None]) -> None:
        job()

    def start(self) -> None:
        """No thread."""

    def join(self, timeout_s: float) -> None:
        """No thread."""


class _InlinePool(TransferPool):
    def __init__(self, project: SimulatedProject) -> None:
        super().__init__()
        self._project = project

    def submit(self, url: str, key: SigningKey, work: Work) -> None:
        work(DirectServer(self._project, key))  # type: ignore[arg-type]


class InlineRunner(Runner):
    """Runs a task at once, with ``compute`` in place of the sandbox."""

    def __init__(self, compiled: Path, compute: Callable[[BoxOrder], Outcome]) -> None:
        super().__init__(compiled)
        self._compute = compute
        self.computed: list[str] = []

    def start(
        self,
        project: ProjectFolder,
        task: TaskState,
        trust: Trust,
        releases: Any,
        post: Post,
    ) -> None:
        run = runner_module._Run(self, project, task, trust, releases, post)
        run._sandbox = self._compute  # type: ignore[method-assign, assignment]
        event = run._guarded()
        self.computed.append(task.id)
        if event is not None:
            post(event)


def compute_text(job: BoxOrder) -> Outcome:
    """A program that writes its arguments and seed, and 70,000 bytes if told `large`."""
    out = Path(job.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    (out / "answer").write_bytes(" ".join(job.args).encode() + job.seed)
    if "large" in job.args:
        (out / "large").write_bytes(b"x" * 70_000)
    if "fails" in job.args:
        return Outcome(status="error", reason="trap", message="it trapped")
    return Outcome(status="success", reason="ok", message="", ops=1000, elapsed_s=0.5)


class InlineAgent(Agent):
    """One life of a client; ends when there is nothing to do, or at a crash."""

    def __init__(
        self, data: DataFolder, project: SimulatedProject, start: int, rng: random.Random
    ) -> None:
        self.now = start
        self._project = project
        options = AgentOptions(
            cores=2,
            memory_bytes=2**31,
            until_idle=True,
            clock=lambda: self.now,
            rng=rng,
        )
        self.inline_runner = InlineRunner(data.compiled, compute_text)
        super().__init__(data, options, self.inline_runner)
        self.events = 0

    def _make_contact(self, folder: ProjectFolder, loaded: LoadedProject) -> Contact:
        contact = _InlineContact(folder, loaded, self.post)
        contact.connect = lambda url, key: DirectServer(self._project, key)  # type: ignore
        return contact

    def _make_pool(self) -> TransferPool:
        return _InlinePool(self._project)

    def _next_event(self) -> Event | None:
        self.events += 1
        assert self.events < EVENTS_MAX, f"no rest after {EVENTS_MAX} events: {self.state.tasks}"
        try:
            return self._mail.get_nowait()
        except queue.Empty:
            self.now = max(self.now + 1, self._wait_until)
            return Timer()

    def leave(self, fingerprint: str) -> None:
        self.post(CommandGiven("leave", fingerprint))


def attach(data: DataFolder, project: SimulatedProject, now: int) -> None:
    """Join without asking anybody."""
    trust = open_trust(project.fingerprint, project.delegations(), project.timestamp())
    join(data, Introduction(project.name, URL, project.fingerprint, trust), "", now)


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real fsync: what these tests look at is the order of steps, which stays the same."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


def releases_of(project: SimulatedProject) -> Signed:
    """A release whose module nobody will really run."""
    return project.add_release(b"\0asm\1\0\0\0")
