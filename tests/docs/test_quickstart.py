"""docs/quickstart.md, followed to the letter: its console blocks run in order, on a new folder.

Only what cannot be on a test's machine is put in its place: a free port, a small table, and the
answers that a person types (the client's yes, the passphrase). What runs until it is stopped
(`serve`, `run`) runs in the background, as in another terminal.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quickstart.md"
LASTING = re.compile(r"idlegrid-server serve|idlegrid-client run")
ROWS = 3  # of the example's table: its head and two units


def commands() -> list[str]:
    """The lines after a $ prompt, in order, without those that install."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)]
    return [line for line in lines if "pip install" not in line]


class Terminal:
    """A folder in which the page is followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "IDLEGRID_CONFIG": str(folder / "config"),
            "IDLEGRID_PASSPHRASE": "four good long words",
            "ZIG_GLOBAL_CACHE_DIR": str(ROOT / "build/zig-cache"),
        }
        self.lasting: list[subprocess.Popen[bytes]] = []

    def type(self, line: str) -> str:
        """Run ``line``; one that lasts is left running. Returns what it printed."""
        line = line.replace(":8080", f":{self.port}").split("   #")[0].strip()
        if LASTING.search(line):
            self.leave_running(line)
            return ""
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.env,
            input="y\n",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def leave_running(self, line: str) -> None:
        """Start what runs until it is stopped, as in a terminal of its own."""
        if "serve" in line:
            settings = self.folder / line.split()[2] / "idlegrid.toml"
            text = settings.read_text("utf-8").replace("port = 8080", f"port = {self.port}")
            settings.write_text(text, "utf-8")
        with (self.folder / f"{len(self.lasting)}.log").open("wb") as log:
            self.lasting.append(
                subprocess.Popen(
                    ["sh", "-c", f"exec {line}"],
                    cwd=self.folder,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        if "serve" in line:
            self.wait_for_the_server()

    def wait_for_the_server(self) -> None:
        """Wait until somebody listens."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self.is_announced():
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "0.log").read_text())

    def is_announced(self) -> bool:
        """Whether `serve` has printed its address."""
        return "is served at" in (self.folder / "0.log").read_text("utf-8")

    def close(self) -> None:
        """Ctrl-C in every terminal."""
        for process in reversed(self.lasting):
            process.send_signal(signal.SIGINT)
        for process in reversed(self.lasting):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A new folder with the example in it, as in a clone; its table is made small."""
    folder = tmp_path / "a new folder"
    shutil.copytree(
        ROOT / "examples/sunspots",
        folder / "examples/sunspots",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    table = folder / "examples/sunspots/units.csv"
    rows = table.read_text("utf-8").splitlines(keepends=True)
    table.write_text("".join(rows[:ROWS]), "utf-8")
    one = Terminal(folder)
    try:
        yield one
    finally:
        one.close()


def test_the_quickstart_works_as_it_is_written(terminal: Terminal) -> None:
    link = ""
    for line in commands():
        said = terminal.type(re.sub(r'"http://[^"]*/join#root=[^"]*"', f'"{link}"', line))
        if "join-link" in line:
            link = said.strip()
            assert link.startswith(f"http://127.0.0.1:{terminal.port}/join#root=")
        if "idlegrid-client run" in line:
            # "and the same with `--data host-2` in another terminal"
            again = line.replace("host-1", "host-2")
            terminal.type(f'idlegrid-client attach "{link}" --data host-2')
            terminal.type(again)
    names = {"answer.json", "periodogram.csv", "plot.svg", "plot.png"}
    answer, local = terminal.folder / "answer", terminal.folder / "answer-local"
    assert {path.name for path in answer.iterdir()} >= names
    for name in sorted(names):
        assert (answer / name).read_bytes() == (local / name).read_bytes(), name
