"""Statements of an exchange in a small database and in a large one: the same number."""

import hashlib
import time
from dataclasses import dataclass

from idlegrid_server.store import LocalStore
from idlegrid_server.store.command import Assignment, Exchange, FileIn, ReportIn, Wanted
from idlegrid_shared.manifest import ManifestEntry, manifest_bytes
from idlegrid_shared.signing import decode_key

from .figure import Figure, Measured, Options
from .project import APPS, BenchProject, now_us

HOSTS = 20
REPLICAS = 2
ROUNDS = 10
SMALL, LARGE = 1_000, 1_000_000  # rows of the task table


@dataclass
class _Counted:
    """What one size of the database gave."""

    statements: float
    cpu_ms: float


def _report(task: Assignment) -> ReportIn:
    data = task.args.encode()
    digest = hashlib.sha256(data)
    body = manifest_bytes([ManifestEntry("out.txt", digest.hexdigest(), len(data))])
    return ReportIn(
        task_id=task.task_id,
        outcome="success",
        ops=1_000_000,
        manifest=body,
        manifest_hash=hashlib.sha256(body).digest(),
        files=(FileIn(digest.digest(), len(data), data),),
    )


def _exchange(
    store: LocalStore, device: bytes, seq: int, held: tuple[Assignment, ...]
) -> tuple[Assignment, ...]:
    result = store.execute(
        Exchange(
            now=now_us(),
            device=device,
            request_id=f"{device[:4].hex()}-{seq:08}",
            seq=seq,
            body_hash=hashlib.sha256(b"%d" % seq).digest(),
            subnet="127.0.0.0/24",
            distinct=("host",),
            reports=tuple(_report(task) for task in held),
            want=Wanted(1, 2**34),
        )
    )
    if result.status != "ok" or not result.tasks:
        raise RuntimeError(f"an exchange gave {result.status} and {len(result.tasks)} tasks")
    return result.tasks


def _count(rows: int) -> _Counted:
    project = BenchProject(HOSTS, max(1, rows // REPLICAS // len(APPS)))
    try:
        store = LocalStore(project.project.layout.database)
        try:
            devices = [decode_key(host.device) for host in project.hosts]
            held = {device: _exchange(store, device, 1, ()) for device in devices}
            statements, cpu = store.statements, time.process_time()
            for seq in range(2, ROUNDS + 2):
                held = {device: _exchange(store, device, seq, held[device]) for device in devices}
            count = len(devices) * ROUNDS
            return _Counted(
                (store.statements - statements) / count,
                1000 * (time.process_time() - cpu) / count,
            )
        finally:
            store.close()
    finally:
        project.remove()


def queries(options: Options) -> Measured:
    """How many statements more an exchange takes with a thousand times the rows."""
    del options  # counted, not timed
    small, large = _count(SMALL), _count(LARGE)
    return Measured(
        large.statements - small.statements,
        {
            f"statements_at_{SMALL}": small.statements,
            f"statements_at_{LARGE}": large.statements,
            f"cpu_ms_at_{SMALL}": round(small.cpu_ms, 3),
            f"cpu_ms_at_{LARGE}": round(large.cpu_ms, 3),
        },
    )


FIGURES = (
    Figure(
        name="exchange-queries",
        what=f"statements that an exchange takes more with {LARGE:,} tasks than with {SMALL:,}",
        unit="statements",
        bar=0,
        better="equal",
        measure=queries,
    ),
)
