"""The demo's stage: one project, its server, its scientist and its volunteers, in one folder."""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from .process import Program, StepError, python_module, run, wait_for

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "sunspots"
APP_NAME = "sunspots"
READY_S = 60.0


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    """Starts what the demo needs by the commands that a user would type."""

    def __init__(self, folder: Path, cores: int = 1) -> None:
        self.folder = folder
        self.cores = cores
        self.project = folder / "project"
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server: Program | None = None
        self.clients: list[Program] = []
        self.link = ""

    # -- commands ---------------------------------------------------------------------------

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of every program: this machine's, with the demo's own settings folder."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("IDLEGRID_")}
        env["IDLEGRID_CONFIG"] = str(self.folder / "scientist")
        env["PYTHONPATH"] = str(ROOT)
        env["NO_COLOR"] = "1"
        return env | dict(more or {})

    def command(
        self, module: str, *words: str, log: str, env: Mapping[str, str] | None = None
    ) -> str:
        """Run one command to its end; raises :class:`StepError` with its last words."""
        return run(
            python_module(module, *words),
            self.logs / f"{log}.log",
            self.environment(env),
            self.folder,
        )

    def server_command(self, *words: str) -> str:
        """`idlegrid-server …`"""
        return self.command("idlegrid_server", *words, log="admin")

    def scientist(self, *words: str) -> str:
        """`idlegrid …`"""
        return self.command("idlegrid", *words, log="scientist")

    # -- server -----------------------------------------------------------------------------

    def start_server(self) -> None:
        """Make a lab project and serve it; returns when it answers."""
        self.server_command(
            "init", str(self.project), "--lab", "--name", "Demo grid", "--port", str(self.port)
        )
        self.server = Program(
            "server",
            python_module("idlegrid_server", "serve", str(self.project)),
            self.logs / "server.log",
            self.environment(),
            self.folder,
        )
        self.server.start()
        wait_for("the server's first answer", self.answers, READY_S, [self.server])
        self.link = self.server_command("join-link", str(self.project)).strip().splitlines()[-1]

    def answers(self) -> bool:
        """Whether the server says that it is well."""
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/healthz", timeout=2).status_code == 200
        return False

    @property
    def serve_json(self) -> Path:
        """Where the server writes down its processes."""
        return self.project / "run" / "serve.json"

    @property
    def token(self) -> str:
        """The lab's API token."""
        path = self.project / "secrets" / "admin.token"
        return path.read_text(encoding="ascii").strip()

    def rest(self, path: str, tries: int = 60) -> object:
        """GET a JSON resource of the REST API, patiently: the server may be restarting."""
        last = ""
        for _ in range(tries):
            try:
                reply = requests.get(
                    f"{self.url}/api/v1/{path}",
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=10,
                )
                if reply.status_code == 200:
                    return reply.json()
                last = reply.text[:300]
                if reply.status_code < 500:
                    break
            except requests.RequestException as error:
                last = str(error)
            time.sleep(0.5)
        raise StepError(f"GET {path} failed: {last}")

    # -- scientist --------------------------------------------------------------------------

    def publish_app(self) -> None:
        """Keys, the admin's consent, the signed app version on the server."""
        self.scientist("login", self.url, "--token", self.token)
        self.scientist("keys", "init", "--no-passphrase")
        public = self.scientist("keys", "show", "--public").strip()
        self.server_command(
            "publisher", "allow", str(self.project), public, "--app", APP_NAME, "--name", "Demo"
        )
        self.scientist("app", "publish", str(APP), "--yes")

    # -- volunteers -------------------------------------------------------------------------

    def add_client(self, name: str, module: str = "idlegrid_client", **env: str) -> Program:
        """Attach a new client to the project and start it."""
        data = self.folder / name
        self.command("idlegrid_client", "attach", self.link, "--yes", "--data", str(data), log=name)
        client = Program(
            name,
            python_module(module, "run", "--cores", str(self.cores), "--data", str(data)),
            self.logs / f"{name}.log",
            self.environment({"IDLEGRID_CLIENT_NAME": name, **env}),
            self.folder,
        )
        client.start()
        self.clients.append(client)
        return client

    # -- the end ----------------------------------------------------------------------------

    def stop(self) -> dict[str, int | None]:
        """End clients, then the server; returns the exit code of each."""
        codes = {client.name: client.stop() for client in self.clients}
        if self.server is not None:
            codes[self.server.name] = self.server.stop()
        return codes

    def kill_all(self) -> None:
        """Leave nothing running, whatever happened."""
        for program in [*self.clients, *([self.server] if self.server else [])]:
            program.stop()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                program.kill_session()

    def left_running(self) -> list[str]:
        """Command lines of processes that still name this demo's folder."""
        left = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.folder) in words and int(entry.parent.name) != os.getpid():
                    left.append(words.strip()[:200])
        return left

    def remove(self) -> None:
        """Delete everything the demo made."""
        shutil.rmtree(self.folder, ignore_errors=True)
