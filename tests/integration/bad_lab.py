"""A real lab server, two real clients and a scientist, for tests of what users do wrong."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from idlegrid_server.layout import Layout
from tests.sdk.tiny_app import ZIG_CACHE
from tests.server.test_serve import Server, make_lab

UNITS_MAX = 10
PASSPHRASE = "four good long words"


class Done:
    """A command that has ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def is_one_sentence(self) -> bool:
        """Whether what went wrong is told on one line, without a trace."""
        return self.err.count("\n") == 1 and "Traceback" not in self.err + self.out


class BadLab:
    """The project in ``folder``/a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = make_lab(folder / "a project")
        settings = self.project / "idlegrid.toml"
        text = settings.read_text().replace("batch_units = 5000000", f"batch_units = {UNITS_MAX}")
        settings.write_text(text)
        self.env = {
            **os.environ,
            "IDLEGRID_CONFIG": str(folder / "config"),
            "IDLEGRID_CACHE": str(folder / "cache"),
            "IDLEGRID_PASSPHRASE": PASSPHRASE,
            "ZIG_GLOBAL_CACHE_DIR": str(ZIG_CACHE),
        }
        self.clients: list[subprocess.Popen[bytes]] = []
        self.server = Server(self.project)

    def start(self) -> None:
        """Serve, attach two clients, sign the scientist in."""
        self.server.ready()
        for name in ("host-1", "host-2"):
            self.good("idlegrid_client", "attach", self.join_link, "--data", name, "--yes")
            with (self.folder / f"{name}.log").open("wb") as log:
                self.clients.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "idlegrid_client", "run", "--data", name],
                        cwd=self.folder,
                        env=self.env,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        token = (self.project / "secrets/admin.token").read_text().strip()
        self.good("idlegrid", "login", self.url, "--token", token)
        self.good("idlegrid", "keys", "init")
        key = self.good("idlegrid", "keys", "show", "--public").out.strip()
        apps = ("--app", "rogue", "--app", "tiny")
        self.good("idlegrid_server", "publisher", "allow", self.project, key, *apps)

    def close(self) -> None:
        """End what was started."""
        for client in self.clients:
            client.terminate()
        for client in self.clients:
            try:
                client.wait(20)
            except subprocess.TimeoutExpired:
                client.kill()
                client.wait()
        self.server.close()

    @property
    def url(self) -> str:
        """Where the project is served."""
        return self.server.running.url

    @property
    def layout(self) -> Layout:
        """The project's folder."""
        return Layout(self.project)

    @property
    def join_link(self) -> str:
        """What volunteers join by."""
        return self.good("idlegrid_server", "join-link", self.project).out.strip()

    def run(self, program: str, *words: object) -> Done:
        """Run one of the three commands as its user does."""
        done = subprocess.run(
            [sys.executable, "-m", program, *map(str, words)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def good(self, program: str, *words: object) -> Done:
        """Run a command that must go well."""
        done = self.run(program, *words)
        assert done.code == 0, (words, done.out, done.err)
        return done

    def incidents(self) -> str:
        """What the admin reads."""
        return self.good("idlegrid_server", "incidents", self.project).out


def until(what: str, true: Callable[[], Any], timeout_s: float = 40.0) -> Any:
    """Wait for ``true``; returns what it gave."""
    end = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.2)
    return found
