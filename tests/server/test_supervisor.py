"""The supervisor with processes of our own making: what dies is started again, all end in order."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from idlegrid_server.birth import birth_of
from idlegrid_server.config import Config
from idlegrid_server.layout import Layout
from idlegrid_server.project import Project
from idlegrid_server.running import Running, RunningError, locked, read_running
from idlegrid_server.supervisor import child as child_module
from idlegrid_server.supervisor.child import Child, trim_log
from idlegrid_server.supervisor.listening import ListenError, open_listener
from idlegrid_server.supervisor.orphans import end_orphans
from idlegrid_server.supervisor.serve import Supervisor, describe_exit
from idlegrid_server.supervisor.socket_folder import make_socket_folder, remove_socket_folder

SLEEP = "import time; time.sleep(60)"
# Tells in its log when it ends, and in which order.
POLITE = (
    "import signal, sys, time, pathlib\n"
    "def end(*_):\n"
    "    with open(sys.argv[1], 'a') as f: f.write(sys.argv[2] + '\\n')\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "pathlib.Path(sys.argv[1] + '.' + sys.argv[2]).touch()\n"
    "time.sleep(60)\n"
)


def until(what: str, true: Callable[[], object], timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    layout = Layout(tmp_path / "a project")
    for folder in (layout.folder, layout.run, layout.logs):
        folder.mkdir()
    return Project(layout, Config())


def running() -> Running:
    return Running(
        supervisor=os.getpid(),
        url="http://127.0.0.1:1",
        bind="127.0.0.1",
        port=1,
        sockets="/nonexistent",
        valkey="",
        started_at=0,
    )


def python(project: Project, role: str, code: str, *args: str, stop_s: float = 5.0) -> Child:
    command = [sys.executable, "-c", code, *args]
    return Child(role, command, project.layout.logs / f"{role}.log", stop_s=stop_s)


class Watched:
    """A supervisor that runs in a thread until the test is over."""

    def __init__(self, project: Project, children: list[Child]) -> None:
        self.asked: list[int] = []
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.supervisor = Supervisor(project, children, running())
        self.layout = project.layout
        self.thread = threading.Thread(
            target=self.supervisor.run, args=(self.ours, self.asked), daemon=True
        )

    def __enter__(self) -> "Watched":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.ours.close()
        self.theirs.close()

    def stop(self) -> None:
        self.asked.append(signal.SIGTERM)
        self.theirs.send(b"x")
        self.thread.join(20)
        assert not self.thread.is_alive(), "the supervisor does not end"

    def pid(self, role: str) -> int:
        state = read_running(self.layout)
        return state.processes.get(role, 0) if state else 0


def test_a_killed_process_is_started_again_and_written_down(project: Project) -> None:
    with Watched(project, [python(project, "one", SLEEP), python(project, "two", SLEEP)]) as it:
        until("the start", lambda: it.pid("one") and it.pid("two"))
        first, other = it.pid("one"), it.pid("two")
        os.kill(first, signal.SIGKILL)
        until("the restart", lambda: it.pid("one") not in (0, first))
        assert it.pid("two") == other, "a process that lives was touched"
        state = read_running(project.layout)
        assert state is not None
        assert state.restarts == {"one": 1, "two": 0}
        pids = list(state.processes.values())
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_processes_end_in_the_reverse_order_of_their_start(
    project: Project, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    children = [python(project, n, POLITE, str(order), n) for n in ("valkey", "writer", "web")]
    with Watched(project, children) as it:
        until(
            "the start",
            lambda: all((tmp_path / f"order.{c.role}").exists() for c in children),
        )
        it.stop()
    assert order.read_text().split() == ["web", "writer", "valkey"]


def test_a_process_that_does_not_hear_sigterm_is_killed(project: Project, tmp_path: Path) -> None:
    deaf = (
        "import signal, time, pathlib, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(60)"
    )
    child = python(project, "deaf", deaf, str(tmp_path / "up"), stop_s=0.2)
    with Watched(project, [child]) as it:
        until("the start", lambda: (tmp_path / "up").exists())
        pid = it.pid("deaf")
    assert not psutil.pid_exists(pid)


def test_what_a_killed_process_had_started_dies_with_it(project: Project, tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys, time, pathlib\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "f = pathlib.Path(sys.argv[1]); t = f.with_suffix('.t')\n"
        "t.write_text(str(p.pid)); t.rename(f)\n"
        "time.sleep(60)"
    )
    note = tmp_path / "grandchild"
    with Watched(project, [python(project, "parent", parent, str(note))]) as it:
        until("the start", note.exists)
        grandchild = int(note.read_text())
        os.kill(it.pid("parent"), signal.SIGKILL)
        until("its death", lambda: not alive(grandchild))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_process_that_keeps_dying_is_marked_and_tried_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idlegrid_server.supervisor.serve.TICK_S", 0.01)
    monkeypatch.setattr("idlegrid_server.supervisor.backoff.MOST_S", 0.01)
    child = Child("ill", ["/bin/false"], project.layout.logs / "ill.log")
    child.backoff.delay_s = 0.01

    def restless() -> bool:
        state = read_running(project.layout)
        return state is not None and "ill" in state.restless

    with Watched(project, [child]):
        until("ten deaths", restless, timeout_s=30)
        starts = child.starts
        until("another try", lambda: child.starts > starts)


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import sys, time, pathlib\n"
        "from idlegrid_server.supervisor.child import Child\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        f"c = Child('x', command, pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "c.start(0.0)\n"
        f"t = pathlib.Path({str(note)!r}).with_suffix('.t'); t.write_text(str(c.pid))\n"
        f"t.rename({str(note)!r})\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as supervisor:
        until("the start", note.exists)
        pid = int(note.read_text())
        assert alive(pid)
        supervisor.kill()
    until("the child's death", lambda: not alive(pid))


def test_an_earlier_servers_orphans_are_ended_and_strangers_are_left(project: Project) -> None:
    orphan, stranger = (
        subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) for _ in "ab"
    )
    folder = make_socket_folder()
    with orphan, stranger:
        try:
            left = Running(
                **{
                    f: getattr(running(), f)
                    for f in ("url", "bind", "port", "valkey", "started_at")
                },
                supervisor=0,
                sockets=str(folder),
                processes={"web": orphan.pid, "wake": stranger.pid},
                # The stranger has a pid that the dead server's process once had.
                births={"web": birth_of(orphan.pid), "wake": birth_of(stranger.pid) - 100},
            )
            project.layout.serve.write_bytes(msgspec.json.encode(left))
            end_orphans(project.layout)
            until("the orphan's end", lambda: orphan.poll() is not None)
            assert stranger.poll() is None
            assert not folder.exists()
            assert not project.layout.serve.exists()
        finally:
            orphan.kill()
            stranger.kill()


def test_only_one_may_hold_a_project(project: Project) -> None:
    with (
        locked(project.layout),
        pytest.raises(RunningError, match="runs already"),
        locked(project.layout),
    ):
        pass
    with locked(project.layout):
        pass


@pytest.fixture
def sockets() -> Iterator[Path]:
    folder = make_socket_folder()
    yield folder
    remove_socket_folder(folder)


def test_the_folder_of_sockets_is_private_and_short(sockets: Path) -> None:
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sockets / "a-name-for-a-socket"))


def test_a_long_temporary_folder_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    folder = make_socket_folder()
    try:
        assert not folder.is_relative_to(long)
    finally:
        remove_socket_folder(folder)


def test_only_our_own_folders_are_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "important"
    theirs.mkdir(mode=0o700)
    link = tmp_path / "idlegrid-link"
    link.symlink_to(theirs)
    for folder in (theirs, link, tmp_path / "gone"):
        remove_socket_folder(folder)
    assert theirs.is_dir()
    assert link.is_symlink()


def test_a_port_in_use_is_told_in_one_plain_sentence() -> None:
    with open_listener("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=rf"port {port} .* in use .* --port"):
            open_listener("127.0.0.1", port)
    with pytest.raises(ListenError, match="not an IP address"):
        open_listener("localhost.example", 0)
    with pytest.raises(ListenError, match="no address"):
        open_listener("192.0.2.7", 0)


def test_a_log_that_has_grown_too_long_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "LOG_BYTES_MAX", 10)
    log = tmp_path / "web.log"
    with log.open("ab") as writer:
        writer.write(b"0123456789ab")
        writer.flush()
        trim_log(log)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "web.log.1").read_bytes() == b"0123456789ab"
    trim_log(tmp_path / "nowhere.log")


def test_exits_are_told_in_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "killed by SIGKILL"
    assert describe_exit(-200) == "killed by signal 200"
