"""The load generator: simulated hosts over real HTTP with the real protocol, in one thread.

Each of N connections makes one exchange after the other, for the next host in the ring: it reports
the task that the host holds and asks for one more, signed by that host's device key. Replies are
decoded, receipts kept by count and verified by sample; the generator's own CPU time is reported.
"""

import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared import wire
from idlegrid_shared.documents import Receipt, TaskDescriptor
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.signing import (
    Signed,
    encode_token,
    new_key,
    open_document,
    public_hex,
    request_body_to_sign,
    sign_bytes,
)

PATH = "/rpc/v1/exchange"
VERIFY_ONE_IN = 50


class _Offer(msgspec.Struct):
    descriptor: Signed


class _Reply(msgspec.Struct):
    """What the generator needs of a reply; the rest is skipped."""

    answers: tuple[wire.ReportAnswer, ...] = ()
    tasks: tuple[_Offer, ...] = ()


decode_reply = msgspec.json.Decoder(_Reply).decode
decode_descriptor = msgspec.json.Decoder(TaskDescriptor).decode
encode = msgspec.json.Encoder().encode


class SimulatedHost:
    """One device key, its sequence number and the tasks it holds."""

    __slots__ = ("device", "held", "key", "seq")

    def __init__(self, key: SigningKey | None = None) -> None:
        self.key = key or new_key()
        self.device = public_hex(self.key)
        self.seq = 0
        self.held: list[TaskDescriptor] = []


class Tally:
    """What the generator saw."""

    def __init__(self) -> None:
        self.exchanges = 0
        self.reported = 0
        self.accepted = 0
        self.sent = 0
        self.verified = 0
        self.empty = 0
        self.errors: dict[str, int] = {}
        self.latencies_s: list[float] = []

    def error(self, what: str) -> None:
        """Count one failure by its kind."""
        self.errors[what] = self.errors.get(what, 0) + 1

    def latency_ms(self, share: float) -> float:
        """The latency below which ``share`` of the exchanges lie."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def result_of(task: TaskDescriptor, output: bool) -> wire.Report:
    """The honest result of a simulated program: a function of the unit's arguments and seed."""
    if not output:
        return wire.Report(task=task.task, outcome="success", ops=1_000_000, elapsed_s=1.0)
    data = ("\n".join(task.args) + task.seed).encode()
    entry = ManifestEntry(name="out.txt", sha256=sha256(data).hexdigest(), bytes=len(data))
    return wire.Report(
        task=task.task,
        outcome="success",
        ops=1_000_000,
        elapsed_s=1.0,
        manifest=(entry,),
        inline=(wire.InlineFile(name="out.txt", data=data),),
    )


class Connection:
    """One keep-alive connection with at most one exchange under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = self._connect()
        self.received = bytearray()
        self.host: SimulatedHost | None = None
        self.reported: list[TaskDescriptor] = []
        self.started = 0.0

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def reconnect(self) -> None:
        """Open anew after the server closed."""
        self.socket.close()
        self.socket = self._connect()
        self.received.clear()


class LoadGenerator:
    """Drives ``hosts`` through ``connections`` at once; ``tasks`` reported and wanted each time."""

    def __init__(
        self,
        address: tuple[str, int],
        hosts: Sequence[SimulatedHost],
        connections: int,
        *,
        tasks: int = 1,
        output: bool = True,
        seed: int = 1,
    ) -> None:
        self.address = address
        self.tasks = tasks
        self.output = output
        self.random = random.Random(seed)
        self.ring = deque(hosts)
        self.connections = [Connection(address) for _ in range(connections)]
        self.online_keys: frozenset[str] = frozenset()
        self.tally = Tally()
        self.cpu_s = 0.0
        self.elapsed_s = 0.0

    def request(self, host: SimulatedHost) -> tuple[bytes, list[TaskDescriptor]]:
        """The signed bytes of the host's next exchange, and what it reports."""
        host.seq += 1
        reported = host.held
        request_id = f"{self.random.getrandbits(96):024x}"
        body = encode(
            wire.ExchangeRequest(
                request_id=request_id,
                seq=host.seq,
                reports=tuple(result_of(task, self.output) for task in reported),
                want=wire.Want(tasks=self.tasks, memory_bytes=2**32, disk_bytes=2**34),
            )
        )
        signature = sign_bytes(
            "request", request_body_to_sign("POST", PATH, body, request_id), host.key
        )
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self.address[0]}:{self.address[1]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"{wire.DEVICE_HEADER}: {host.device}\r\n{wire.REQUEST_HEADER}: {request_id}\r\n"
            f"{wire.SIGNATURE_HEADER}: {encode_token(signature)}\r\n\r\n"
        )
        return head.encode() + body, reported

    def begin(self, connection: Connection) -> None:
        """Send the next host's exchange on a free connection."""
        host = self.ring.popleft()
        data, connection.reported = self.request(host)
        connection.host = host
        connection.started = time.perf_counter()
        connection.socket.sendall(data)

    def take(self, connection: Connection, status: int, body: bytes) -> None:
        """Account for one reply."""
        host, tally = connection.host, self.tally
        assert host is not None
        tally.exchanges += 1
        tally.latencies_s.append(time.perf_counter() - connection.started)
        if status != 200:
            tally.error(f"status {status}: {body[:200]!r}")
            self.ring.append(host)
            return
        reply = decode_reply(body)
        tally.reported += len(connection.reported)
        for answer in reply.answers:
            if answer.fate in ("accepted", "duplicate") and answer.receipt is not None:
                tally.accepted += 1
                if tally.accepted % VERIFY_ONE_IN == 0:
                    if answer.receipt.key not in self.online_keys:
                        tally.error("a receipt by an unknown key")
                    open_document("receipt", answer.receipt, Receipt)
                    tally.verified += 1
            else:
                tally.error(f"report {answer.fate}: {answer.reason}")
        host.held = [decode_descriptor(offer.descriptor.body) for offer in reply.tasks]
        tally.sent += len(host.held)
        if not host.held:
            tally.empty += 1
        self.ring.append(host)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> Tally:
        """Make exchanges for ``seconds``; returns the tally. One thread, bounded in time."""
        cpu, start = time.process_time(), time.perf_counter()
        end = start + seconds
        with selectors.DefaultSelector() as selector:
            for connection in self.connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                self.begin(connection)
            busy = len(self.connections)
            while busy:
                for key, _ in selector.select(timeout=1.0):
                    connection = key.data
                    chunk = connection.socket.recv(262_144)
                    if not chunk:
                        self.tally.error("connection closed by the server")
                        selector.unregister(connection.socket)
                        connection.reconnect()
                        selector.register(connection.socket, selectors.EVENT_READ, connection)
                        self.ring.append(connection.host)
                    else:
                        connection.received += chunk
                        reply = split_reply(connection.received)
                        if reply is None:
                            continue
                        self.take(connection, *reply)
                    if time.perf_counter() < end and not (until and until()):
                        self.begin(connection)
                    else:
                        busy -= 1
        self.elapsed_s = time.perf_counter() - start
        self.cpu_s = time.process_time() - cpu
        for connection in self.connections:
            connection.socket.close()
        return self.tally


def split_reply(received: bytearray) -> tuple[int, bytes] | None:
    """(status, body) once a whole HTTP/1.1 reply with Content-Length has come, else None."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end])
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    total = end + 4 + length
    if len(received) < total:
        return None
    body = bytes(received[end + 4 : total])
    del received[:total]
    return int(head.split(b" ", 2)[1]), body
