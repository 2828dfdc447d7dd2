"""The whole server as an admin starts it: real processes, killed, starved of Valkey, ended."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from idlegrid_server.layout import Layout
from idlegrid_server.pipeline.wake import connect
from idlegrid_server.project import open_project
from idlegrid_server.running import Running, read_running
from idlegrid_server.store.command import AddFile, CreateAccount
from idlegrid_server.store_access import opened_store
from tests.store.cluster import Cluster

from .pipeline_bench import Bench, table

START_S = 60.0
ROLES = {"valkey", "writer", "compute", "wake", "sweep", "web"}


def until(what: str, true: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    end = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.05)
    return found


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "idlegrid_server", *map(str, words)]


def admin(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    return done


def make_lab(folder: Path, *more: object) -> Path:
    admin("init", folder, "--lab", "--port", 0, *more)
    settings = folder / "idlegrid.toml"
    text = settings.read_text().replace("sweep_s = 2.0", "sweep_s = 0.3")
    settings.write_text(text.replace("lease_s = 60.0", "lease_s = 3.0"))
    return folder


class Server:
    """`idlegrid-server serve` in its own process."""

    def __init__(self, folder: Path, *more: object, roles: set[str] = ROLES) -> None:
        self.folder = folder
        self.roles = roles
        self.layout = Layout(folder)
        self.process = subprocess.Popen(
            command("serve", folder, *more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def running(self) -> Running:
        state = read_running(self.layout)
        assert state is not None
        return state

    def ready(self) -> "Server":
        until("the start", self.answers, START_S)
        return self

    def answers(self) -> bool:
        assert self.process.poll() is None, f"the server ended: {self.output()}"
        state = read_running(self.layout)
        if state is None or set(state.processes) != self.roles:
            return False
        context = ssl._create_unverified_context() if state.url.startswith("https") else None
        try:
            with urllib.request.urlopen(
                f"{state.url}/healthz", timeout=5, context=context
            ) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def close(self) -> None:
        self.end()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("serve") / "a project")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A project of this test alone, not served yet."""
    return make_lab(tmp_path / "a fresh project")


@pytest.fixture(scope="module")
def server(lab: Path) -> Iterator[Server]:
    """One running server for the tests that leave it running."""
    one = Server(lab)
    try:
        yield one.ready()
    finally:
        one.close()


def work_goes_on(folder: Path) -> int:
    """Submit a batch through the running server's writer; its units must come to be."""
    project = open_project(folder)
    with opened_store(project) as store:
        email = f"scientist-{time.time_ns()}@example.org"
        bench = Bench.__new__(Bench)
        bench.store = store
        bench.now = time.time_ns() // 1000
        bench.account_id = store.execute(
            CreateAccount(now=bench.now, email=email, name="S", role="scientist")
        ).account_id
        bench.version_id = bench.publish(b"\0asm", app=email.partition("@")[0])
        batch_id = bench.submit(table(20))
        until("a submission", lambda: bench.batch(batch_id).state == "running")
        return batch_id


def test_a_killed_process_comes_back_and_the_work_goes_on(server: Server) -> None:
    """SIGKILL to each process in turn: each is started again, and a batch gets through."""
    for role in sorted(ROLES):
        victim = server.running.processes[role]
        os.kill(victim, signal.SIGKILL)
        until(
            f"the restart of {role}",
            lambda role=role, victim=victim: (
                server.running.processes.get(role) not in (None, victim)
            ),
        )
    server.ready()
    work_goes_on(server.folder)
    status = json.loads(admin("status", server.folder, "--json").stdout)
    assert status["served"]
    assert all(count >= 1 for count in status["restarts"].values()), status["restarts"]


def test_without_valkey_the_sweep_finds_the_work(server: Server) -> None:
    """Nothing was woken when the batch came in: Valkey lost all it knew."""
    client = connect(server.running.valkey)
    try:
        client.flushall()
    finally:
        client.close()
    work_goes_on(server.folder)


def test_a_second_server_of_a_project_is_refused(server: Server) -> None:
    refused = admin("serve", server.folder, code=1)
    assert f"runs already at {server.running.url}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert server.answers()


def test_admins_commands_go_through_the_running_server(server: Server) -> None:
    link = admin("account", "add", server.folder, "new@example.org", "--role", "volunteer").stdout
    assert link.startswith(server.running.url)
    assert admin("join-link", server.folder).stdout.startswith(f"{server.running.url}/join#root=")
    assert "6 processes run" in admin("status", server.folder).stdout
    assert admin("incidents", server.folder).stdout


def test_sigterm_leaves_no_process_and_no_socket(fresh: Path) -> None:
    server = Server(fresh)
    try:
        server.ready()
        sockets = Path(server.running.sockets)
        family = [psutil.Process(server.process.pid)]
        family += family[0].children(recursive=True)
        assert len(family) >= 1 + len(ROLES)
        assert {path.name for path in sockets.iterdir()} >= {"valkey", "writer"}
        assert server.end() == 0
        assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        assert not sockets.exists()
        assert read_running(server.layout) is None
        assert "is served at http://127.0.0.1:" in server.output()
    finally:
        server.close()


def test_after_a_killed_supervisor_nothing_runs_on_and_a_new_server_starts(fresh: Path) -> None:
    server = Server(fresh)
    try:
        server.ready()
        sockets = Path(server.running.sockets)
        family = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        server.process.wait()
        until("the end of its processes", lambda: not [p for p in family if p.is_running()])
    finally:
        server.close()
    again = Server(fresh)
    try:
        again.ready()
        assert not sockets.exists(), "sockets of the dead server were left"
        assert work_goes_on(fresh)
    finally:
        again.close()


def test_two_projects_run_side_by_side(server: Server, tmp_path: Path) -> None:
    other = Server(make_lab(tmp_path / "another project"))
    try:
        other.ready()
        assert other.running.port != server.running.port
        work_goes_on(other.folder)
        work_goes_on(server.folder)
    finally:
        other.close()
    assert server.answers()


def test_a_port_in_use_is_one_plain_sentence(fresh: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = admin("serve", fresh, "--port", port, code=1)
    assert refused.stderr == (
        f"Error: port {port} on 127.0.0.1 is in use by another program: "
        "choose another with --port, or end that program\n"
    )
    assert read_running(Layout(fresh)) is None


def test_tls_by_flags(fresh: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )  # fmt: skip
    alone = admin("serve", fresh, "--tls-cert", cert, code=2)
    assert "belong together" in alone.stderr
    server = Server(fresh, "--tls-cert", cert, "--tls-key", key)
    try:
        server.ready()
        assert server.running.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False
        with urllib.request.urlopen(
            f"{server.running.url}/healthz", timeout=5, context=context
        ) as reply:
            assert reply.status == 200
    finally:
        server.close()


def test_the_database_is_not_written_beside_the_running_server(server: Server) -> None:
    """While a server runs, a command's change goes through its writer, or not at all."""
    project = open_project(server.folder)
    with opened_store(project) as store:
        store.execute(AddFile(now=1, sha256=b"x" * 32, size=1, data=b"x"))
        assert type(store).__name__ == "WriterStore"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this test's own."""
    one = Cluster()
    try:
        yield one
    finally:
        one.stop()


def test_a_project_on_postgresql_has_no_writer_and_works(cluster: Cluster, tmp_path: Path) -> None:
    folder = make_lab(tmp_path / "on postgres", "--database", cluster.empty_database())
    assert not Layout(folder).database.exists()
    server = Server(folder, roles=ROLES - {"writer"})
    try:
        server.ready()
        os.kill(server.running.processes["wake"], signal.SIGKILL)
        work_goes_on(folder)
        assert admin("recount", folder).stdout == "Everything adds up.\n"
    finally:
        server.close()
