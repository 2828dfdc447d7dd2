"""Wake-ups through a real Valkey: they coalesce, they may be lost, and they break nothing."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from idlegrid_server.pipeline import rounds, worker
from idlegrid_server.pipeline.wake import (
    IDS,
    Notifier,
    QueueName,
    Silence,
    connect,
    queue_name,
    send_wake,
)
from idlegrid_server.supervisor.socket_folder import make_socket_folder, remove_socket_folder
from idlegrid_server.supervisor.valkey import valkey_command, valkey_url

PREFIX = "idlegrid-test"


def until(what: str, true: Callable[[], object], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.01)


@pytest.fixture
def sockets() -> Iterator[Path]:
    folder = make_socket_folder()
    yield folder
    remove_socket_folder(folder)


class Valkey:
    """The embedded Valkey, as the supervisor starts it."""

    def __init__(self, sockets: Path) -> None:
        self.sockets = sockets
        self.url = valkey_url(sockets)
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(valkey_command(self.sockets), stdout=subprocess.DEVNULL)
        client = connect(self.url)
        try:
            until("Valkey's start", lambda: self.answers(client))
        finally:
            client.close()

    @staticmethod
    def answers(client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def valkey(sockets: Path) -> Iterator[Valkey]:
    server = Valkey(sockets)
    yield server
    server.kill()


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    connection = connect(valkey.url)
    yield connection
    connection.close()


def waiting(client: redis.Redis, queue: QueueName = "wake") -> int:
    name = queue_name(PREFIX, queue)
    return Queue(name, connection=client, serializer=JSONSerializer).count


def work(client: redis.Redis, queue: QueueName = "wake") -> None:
    """Do what waits, as the worker process does, and end."""
    name = queue_name(PREFIX, queue)
    one = SimpleWorker([name], connection=client, serializer=JSONSerializer)
    one.work(burst=True, logging_level="WARNING")


def test_valkey_listens_on_its_socket_alone_and_leaves_no_file(valkey: Valkey) -> None:
    assert [path.name for path in valkey.sockets.iterdir()] == ["valkey"]
    client = connect(valkey.url)
    try:
        assert client.config_get("port") == {"port": "0"} or client.config_get("port") == {
            b"port": b"0"
        }
        client.set("a", "b")
        client.shutdown()
    finally:
        client.close()
    assert valkey.process is not None
    valkey.process.wait(10)
    assert list(valkey.sockets.iterdir()) == []


def test_a_wake_up_that_waits_is_not_queued_again(client: redis.Redis) -> None:
    assert send_wake(client, PREFIX, "wake")
    assert not send_wake(client, PREFIX, "wake")
    assert waiting(client) == 1
    assert send_wake(client, PREFIX, "compute"), "the queues are not independent"


def test_a_wake_up_runs_one_round_and_leaves_nothing(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(rounds, "pass_round", lambda: seen.append("round"))
    for _ in range(IDS + 1):
        send_wake(client, PREFIX, "wake")
        send_wake(client, PREFIX, "wake")
        work(client)
    assert len(seen) == IDS + 1
    assert waiting(client) == 0
    left = list(client.scan_iter("rq:job:*"))
    assert left == [], "jobs pile up"


def test_a_wake_up_that_comes_during_a_round_makes_another(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def pass_round() -> None:
        seen.append("round")
        if len(seen) < 3:
            assert send_wake(client, PREFIX, "wake"), "new work in mid-round would be forgotten"

    monkeypatch.setattr(rounds, "pass_round", pass_round)
    send_wake(client, PREFIX, "wake")
    work(client)
    assert len(seen) == 3


def test_the_notifier_makes_one_wake_up_of_many(valkey: Valkey, client: redis.Redis) -> None:
    notifier = Notifier(valkey.url, PREFIX)
    threads = [
        threading.Thread(target=lambda: [notifier.wake() for _ in range(50)]) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    notifier.close()
    assert waiting(client) == 1


def test_without_valkey_waking_neither_fails_nor_waits(
    sockets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(valkey_url(sockets), PREFIX)
    with caplog.at_level(logging.WARNING):
        start = time.monotonic()
        for _ in range(100):
            notifier.wake("wake")
            notifier.wake("compute")
        assert time.monotonic() - start < 0.5
        notifier.close()
    assert "the sweep will find the work" in caplog.text
    assert len(caplog.records) == 1, "an outage fills the log"


def test_after_a_restart_of_valkey_waking_works_again(valkey: Valkey) -> None:
    notifier = Notifier(valkey.url, PREFIX)
    notifier.wake()
    valkey.kill()
    notifier.wake()
    time.sleep(0.1)
    valkey.start()
    client = connect(valkey.url)

    def woken() -> bool:
        notifier.wake()
        return waiting(client) == 1

    try:
        until("a wake-up", woken)
    finally:
        client.close()
        notifier.close()


def test_a_flushed_valkey_only_loses_wake_ups(client: redis.Redis) -> None:
    send_wake(client, PREFIX, "wake")
    client.flushall()
    assert waiting(client) == 0
    assert send_wake(client, PREFIX, "wake")


def test_a_round_outside_a_worker_says_so() -> None:
    rounds.bind(None)
    with pytest.raises(RuntimeError, match="worker process"):
        rounds.pass_round()


def test_silence_is_a_waker() -> None:
    Silence().wake("compute")


def test_a_worker_without_valkey_looks_by_itself(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is away for good: rounds run all the same, and SIGTERM is still heard."""
    stopping, rounds_run = threading.Event(), []

    def one_round() -> None:
        rounds_run.append("round")
        if len(rounds_run) == 2:
            raise OSError("the disk is full")
        if len(rounds_run) == 3:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setitem(worker.ROUNDS, "wake", one_round)
    monkeypatch.setattr(worker, "ALONE_S", 0.01)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    post = worker.Post(valkey_url(sockets), PREFIX, "wake", stopping)
    try:
        post.work()
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
        post.connection.close()
    assert len(rounds_run) == 3
