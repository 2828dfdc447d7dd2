"""The real program: processes, sandboxes, HTTP on loopback; killed, and started again."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from idlegrid_shared.sandbox.limits import Limits

from . import guest
from .simulator import LIMITS, SimulatedProject, serving

WAIT_S = 60.0
POLL_S = 0.05


class Client:
    """`python -m idlegrid_client` with a data folder whose path has a space."""

    def __init__(self, data: Path, url: str, project: SimulatedProject) -> None:
        self.data = data
        self.link = f"{url}/join#root={project.fingerprint}"
        self.processes: list[subprocess.Popen[str]] = []

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "idlegrid_client", *words, "--data", str(self.data)]

    def call(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), input=answer, capture_output=True, text=True, timeout=WAIT_S
        )

    def attach(self) -> None:
        done = self.call("attach", self.link, "--yes")
        assert done.returncode == 0, done.stderr

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command("run", "--cores", "2", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def finish(self) -> str:
        process = self.start("--until-idle")
        output, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, output
        return output

    def sandboxes(self, process: subprocess.Popen[str]) -> list[psutil.Process]:
        return psutil.Process(process.pid).children(recursive=True)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def project() -> SimulatedProject:
    return SimulatedProject()


@pytest.fixture
def client(project: SimulatedProject, tmp_path: Path) -> Iterator[Client]:
    with serving(project) as url:
        made = Client(tmp_path / "my data", url, project)
        yield made
        made.close()


def wait_for(what: str, test: object) -> None:
    until_s = time.monotonic() + WAIT_S
    while not test():  # type: ignore[operator]
        assert time.monotonic() < until_s, f"waited in vain for: {what}"
        time.sleep(POLL_S)


def test_real_programs_in_real_sandboxes(project: SimulatedProject, client: Client) -> None:
    """Small and large outputs, a trap, an exit code, and one that would run for ever."""
    short = Limits(
        memory_bytes=2**24, max_ops=10**7, time_s=5.0, output_bytes=10**6, output_files=4
    )
    for name, text, limits in (
        ("hello", guest.HELLO, LIMITS),
        ("large", guest.LARGE, LIMITS),
        ("trap", guest.TRAP, LIMITS),
        ("exit", guest.EXIT_3, LIMITS),
        ("forever", guest.FOREVER, short),
        ("flood", guest.LARGE, Limits(2**24, 10**9, 5.0, 1_000, 4)),
    ):
        project.add_task(f"task_{name}", project.add_release(guest.module(text), limits))
    client.attach()
    client.finish()
    found = {t: (r.outcome, r.reason, r.exit_code) for t, (_, r) in project.done.items()}
    assert found == {
        "task_hello": ("success", "ok", 0),
        "task_large": ("success", "ok", 0),
        "task_trap": ("error", "trap", 0),
        "task_exit": ("error", "exit_code", 3),
        "task_forever": ("error", "out_of_ops", 0),
        "task_flood": ("error", "output_limit", 0),
    }
    hello = project.done["task_hello"][1]
    assert hello.inline[0].name == "stdout"
    assert hello.inline[0].data.startswith(b"hello from the box: ")
    assert hello.ops > 0
    large = project.done["task_large"][1]
    assert large.inline == ()
    assert large.manifest[0].bytes == 131_072
    assert len(project.uploads[large.manifest[0].sha256]) == 131_072
    assert not list(client.data.glob("projects/*/tasks/*")), "nothing is left behind"


def endless(project: SimulatedProject, count: int = 2) -> None:
    limits = Limits(
        memory_bytes=2**24, max_ops=10**17, time_s=600.0, output_bytes=10, output_files=1
    )
    release = project.add_release(guest.module(guest.FOREVER), limits)
    for n in range(count):
        project.add_task(f"task_{n}", release)


def test_two_cores_run_two_tasks_humbly_and_a_stop_ends_them(
    project: SimulatedProject, client: Client
) -> None:
    endless(project, 4)
    client.attach()
    process = client.start()
    wait_for("two sandboxes", lambda: len(client.sandboxes(process)) == 2)
    time.sleep(0.3)
    sandboxes = client.sandboxes(process)
    assert len(sandboxes) == 2, "never more than cores"
    assert [p.nice() for p in sandboxes] == [19, 19]
    wait_for("the status", lambda: "2 tasks run." in client.call("status").stdout)
    told = json.loads(client.call("status", "--json").stdout)
    assert told["running"] is True
    assert told["projects"][0]["name"] == "Test project"
    assert [t["phase"] for t in told["projects"][0]["tasks"]].count("running") == 2
    second = client.call("run")
    assert second.returncode == 6
    assert "already works in" in second.stderr
    asked_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert time.monotonic() - asked_s < 2.0 * 5  # two seconds; five times that on a busy machine
    assert not any(p.is_running() and p.status() != "zombie" for p in sandboxes)
    assert "is not running" in client.call("status").stdout


def test_a_killed_client_leaves_no_process_and_goes_on(
    project: SimulatedProject, client: Client
) -> None:
    """SIGKILL in mid-run, several times: all is delivered in the end, each task once."""
    hello = project.add_release(guest.module(guest.HELLO))
    large = project.add_release(guest.module(guest.LARGE))
    for n in range(12):
        project.add_task(f"task_{n}", hello if n % 3 else large)
    client.attach()
    for n in range(3):
        process = client.start()
        wait_for("some work", lambda n=n: project.requests and len(project.done) >= 2 * n)
        orphans = client.sandboxes(process)
        process.kill()
        process.communicate()
        for orphan in orphans:
            wait_for("the sandbox's end", lambda orphan=orphan: not orphan.is_running())
    client.finish()
    assert len(project.done) == 12
    assert {r.outcome for _, r in project.done.values()} == {"success"}
    assert not project.in_progress


def test_the_server_may_be_down_for_a_while(project: SimulatedProject, tmp_path: Path) -> None:
    project.add_task("task_1", project.add_release(guest.module(guest.HELLO)))
    with serving(project) as url:
        client = Client(tmp_path / "data", url, project)
        client.attach()
    port = int(url.rpartition(":")[2])
    process = client.start("--until-idle")
    try:
        wait_for(
            "the word that nobody answers",
            lambda: "does not answer" in client.call("status").stdout,
        )
        with serving(project, port):
            output, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0, output
        assert "task_1" in project.done
    finally:
        client.close()


def test_attach_shows_who_it_is_and_asks(project: SimulatedProject, client: Client) -> None:
    bare = client.link.partition("/join")[0]
    asked = client.call("attach", bare, answer="n\n")
    assert asked.returncode == 0
    assert "Test project" in asked.stdout
    assert project.fingerprint in asked.stdout
    assert "Nothing was attached" in asked.stdout
    assert not (client.data / "projects").exists()
    yes = client.call("attach", bare, answer="y\n")
    assert yes.returncode == 0
    assert (
        client.data / "projects" / project.fingerprint / "device.key"
    ).stat().st_mode & 0o077 == 0
    again = client.call("attach", client.link, "--yes")
    assert "attached already" in again.stdout


def test_wrong_uses_end_with_one_plain_sentence_and_a_code(
    project: SimulatedProject, client: Client
) -> None:
    url, _, _ = client.link.partition("/join")
    stranger = "ab" * 20
    for words, code, said in (
        (("attach", "http://sun.example"), 2, "only https is safe"),
        (("attach", "nonsense"), 2, "must begin with https://"),
        (("attach", url, "--yes"), 2, "--yes needs the fingerprint"),
        (("attach", f"{url}/join#root={stranger}", "--yes"), 4, "not the project you were invited"),
        (("attach", f"{url}/elsewhere"), 3, "no Idlegrid server"),
        (("attach", "http://127.0.0.1:9"), 5, "does not answer"),
        (("run",), 2, "no project is attached"),
        (("detach",), 4, "no project is attached"),
    ):
        done = client.call(*words)
        assert done.returncode == code, (words, done.stderr)
        assert said in done.stderr, words
        assert len(done.stderr.strip().splitlines()) == 1, "one sentence"


def test_detach_hands_back_and_forgets(project: SimulatedProject, client: Client) -> None:
    endless(project)
    client.attach()
    process = client.start()
    wait_for("two sandboxes", lambda: len(client.sandboxes(process)) == 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=WAIT_S)
    done = client.call("detach")
    assert done.returncode == 0, done.stderr
    assert {r.reason for _, r in project.done.values()} == {"project_left"}
    assert project.left == project.hosts, "the server was told"
    assert not (client.data / "projects" / project.fingerprint).exists()


def test_detach_without_a_server_says_so_and_can_be_forced(
    project: SimulatedProject, tmp_path: Path
) -> None:
    with serving(project) as url:
        client = Client(tmp_path, url, project)
        client.attach()
    forced = client.call("detach", "--discard")
    assert forced.returncode == 0, forced.stderr
    assert not (tmp_path / "projects" / project.fingerprint).exists()


def test_the_agent_stays_light(tmp_path: Path) -> None:
    """wasmtime is the worker's business: it weighs more than all the rest of the client."""
    code = (
        "import sys, idlegrid_client.cli, idlegrid_client.program;print('wasmtime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_a_frozen_program_serves_as_its_own_sandbox_worker(tmp_path: Path) -> None:
    """It starts itself again with a hidden word; without a job on standard input it just ends."""
    done = subprocess.run(
        [sys.executable, "-m", "idlegrid_client", "--sandbox-worker"],
        input=b"",
        capture_output=True,
        timeout=WAIT_S,
    )
    assert b"Usage" not in done.stdout + done.stderr
