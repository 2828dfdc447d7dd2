"""The one process that writes: who may ask, what it answers, how it ends, what a crash leaves."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from idlegrid_server.store import LocalStore, WriterStore
from idlegrid_server.store import command as c
from idlegrid_server.store.frame import LENGTH, decode_answer, frame
from idlegrid_server.store.recount import recount

from .world import ALL, World, result
from .writing import WriterProcess

SETTING = c.SetSetting(now=1, name="x", value="1")


def test_second_writer_is_refused(writer: WriterProcess, tmp_path: Path) -> None:
    second = subprocess.run(
        [
            *(sys.executable, "-m", "idlegrid_server.store.writer"),
            *(str(writer.database), str(writer.sockets / "second")),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "another process writes" in second.stderr


def test_database_without_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(RuntimeError, match="schema none"):
        WriterProcess(tmp_path / "empty.db")


def test_socket_is_our_users_alone(writer: WriterProcess) -> None:
    assert writer.socket.stat().st_mode & 0o777 == 0o600
    assert writer.sockets.stat().st_mode & 0o777 == 0o700


def test_sigterm_answers_what_came_and_leaves_nothing(writer: WriterProcess) -> None:
    store = writer.store()
    assert store.execute(SETTING).changed
    assert writer.stop() == 0
    assert not writer.socket.exists()
    store.close()
    after = LocalStore(writer.database)
    assert not after.execute(SETTING).changed
    after.close()


def test_what_is_no_command_gets_an_error_and_the_connection_lives(writer: WriterProcess) -> None:
    def ask(connection: socket.socket, payload: bytes) -> bytes:
        connection.sendall(frame(payload))
        (length,) = LENGTH.unpack(connection.recv(LENGTH.size, socket.MSG_WAITALL))
        return connection.recv(length, socket.MSG_WAITALL)

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(writer.socket))
        for nonsense in (b"", b"\xc1", b"hello", msgspec.msgpack.encode(["Unknown", 1])):
            with pytest.raises(c.StoreError, match="not a command"):
                decode_answer(ask(connection, nonsense), SETTING)
        answer = ask(connection, msgspec.msgpack.encode(SETTING))
        assert decode_answer(answer, SETTING) == c.Done(changed=True)


def test_announcing_too_much_closes_the_connection(writer: WriterProcess) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(writer.socket))
        connection.sendall(b"\xff\xff\xff\xff")
        assert connection.recv(1) == b""
    store = writer.store()
    assert store.execute(SETTING).changed
    store.close()


def test_client_finds_the_restarted_writer(writer: WriterProcess) -> None:
    store = writer.store()
    assert store.execute(SETTING).changed
    writer.kill()
    writer.restart()
    assert not store.execute(SETTING).changed
    store.close()


def test_nobody_there_is_unavailable(tmp_path: Path, database: Path) -> None:
    store = WriterStore(tmp_path / "nobody", database, connect_s=0.1)
    with pytest.raises(c.StoreUnavailable, match="does not answer"):
        store.execute(SETTING)
    store.close()


def test_lost_answer_is_unavailable_and_can_be_asked_again(writer: WriterProcess) -> None:
    """Killed between taking and answering: the caller cannot know, and asks again."""
    store = writer.store()
    store.execute(SETTING)
    os.kill(writer.process.pid, 19)  # SIGSTOP: it takes nothing any more
    caught: list[Exception] = []

    def ask() -> None:
        inner = writer.store()
        try:
            inner.execute(c.SetSetting(now=1, name="y", value="1"))
        except c.StoreUnavailable as error:
            caught.append(error)
        inner.close()

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.2)
    writer.kill()
    thread.join(20)
    assert len(caught) == 1
    writer.restart()
    assert store.execute(c.SetSetting(now=1, name="y", value="1")).changed
    store.close()


def test_killed_again_and_again_under_load_nothing_is_lost_or_twice(
    writer: WriterProcess, tmp_path: Path
) -> None:
    """Hosts exchange from several threads while the writer is killed; each repeats what failed.

    Whatever was answered is there afterwards; whatever was not is there once or not at all.
    """
    store = writer.store()
    world = World(store)
    world.batch(400)
    hosts = [world.host(cores=64) for _ in range(4)]
    stop = threading.Event()
    promised: dict[int, bytes] = {}
    faults: list[BaseException] = []

    def work(number: int) -> None:
        host = hosts[number]
        own = writer.store()
        host.world = World.__new__(World)
        host.world.__dict__.update({**world.__dict__, "store": own})
        tasks: tuple[c.Assignment, ...] = ()
        try:
            while not stop.is_set():
                reports = [result(t.task_id, b"%d" % t.unit_id) for t in tasks]
                try:
                    answer = host.exchange(*reports, want=2)
                except c.StoreUnavailable:
                    answer = _until_answered(host, stop)
                    if answer is None:
                        break
                assert answer.status == "ok"
                for told in answer.answers:
                    assert told.fate in ("accepted", "duplicate")
                    promised[told.task_id] = told.manifest
                tasks = answer.tasks
        except BaseException as error:  # noqa: BLE001  the test's own thread must not hide it
            faults.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(hosts))]
    for thread in threads:
        thread.start()
    for _ in range(4):
        time.sleep(0.25)
        writer.kill()
        writer.restart()
    time.sleep(0.25)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert len(promised) > 20
    with store.reading() as db:
        assert recount(db, ALL) == []
    for host in hosts:
        host.world = world
    for task_id, manifest in promised.items():
        (row,) = [t for t in world.tasks((task_id + 1) // 2) if t.id == task_id]
        assert (row.state, row.manifest) == ("success", manifest)
    store.close()


def _until_answered(host, stop: threading.Event):  # type: ignore[no-untyped-def]
    while not stop.is_set():
        try:
            return host.repeat()
        except c.StoreUnavailable:
            time.sleep(0.01)
    return None
