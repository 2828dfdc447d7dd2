"""Changed clients: they report what they were ever given, again, and long after its time.

A `double` does it at random. A `cheat` is silent until it was given the same work unit twice, then
reports both copies with the same lie: alone it would be a quorum of two. A `flood` asks for more
than any limit allows.

What it says goes into the ordinary request, under its own valid signature: only the server can
tell that a report is late, second, or not wanted.
"""

import gzip
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from idlegrid_client.store_state import StoredExchange
from idlegrid_client.transfer.http import compress
from idlegrid_shared.documents import TaskDescriptor
from idlegrid_shared.manifest import ManifestEntry, make_manifest
from idlegrid_shared.wire import (
    BODY_BYTES_MAX,
    HELD_MAX,
    INLINE_BYTES_MAX,
    WANT_MAX,
    ExchangeRequest,
    InlineFile,
    Report,
)

if TYPE_CHECKING:
    from .host import SimHost

FLOODS = 0.1  # share of a flood's requests that are too large
AGAIN_MAX = 4  # reports added to one request


def tampered(host: "SimHost", stored: StoredExchange) -> StoredExchange:
    """What a changed client sends in place of the request that was just written down."""
    if host.behaviour.kind == "flood":
        return flood(host, stored)
    return say_it_again(host, stored)


def flood(host: "SimHost", stored: StoredExchange) -> StoredExchange:
    """Now and then a body beyond every limit, small as it may look on the wire."""
    rng = host.world.rng
    if rng.random() > FLOODS:
        return stored
    plain = gzip.decompress(stored.body) if stored.encoding else stored.body
    request = msgspec.json.decode(plain, type=ExchangeRequest)
    kind = rng.choice(("bomb", "held", "want"))
    if kind == "bomb":
        body = gzip.compress(plain[:-1] + b" " * BODY_BYTES_MAX + b"}", 1)
        return msgspec.structs.replace(stored, body=body, encoding="gzip")
    if kind == "held" or request.want is None:
        held = tuple(f"task_{i:020d}" for i in range(HELD_MAX + 1))
        changed = msgspec.structs.replace(request, held=held)
    else:
        want = msgspec.structs.replace(request.want, tasks=WANT_MAX + 1)
        changed = msgspec.structs.replace(request, want=want)
    body, encoding = compress(msgspec.json.encode(changed))
    return msgspec.structs.replace(stored, body=body, encoding=encoding)


def say_it_again(host: "SimHost", stored: StoredExchange) -> StoredExchange:
    """The request that was just written down, with reports of former tasks added."""
    plain = gzip.decompress(stored.body) if stored.encoding else stored.body
    request = msgspec.json.decode(plain, type=ExchangeRequest)
    said = {report.task for report in request.reports}
    former = [task for task in sorted(host.offers) if task not in said]
    if host.behaviour.kind == "cheat":
        times = Counter(task.unit for task in host.offers.values())
        former = [task for task in former if times[host.offers[task].unit] > 1]
    chosen = host.world.rng.sample(former, min(AGAIN_MAX, len(former)))
    reports = [_report(host, host.offers[task]) for task in chosen]
    added = tuple(report for report in reports if report is not None)
    held = tuple(task for task in request.held if task not in {r.task for r in added})
    changed = msgspec.structs.replace(request, reports=(*request.reports, *added), held=held)
    body, encoding = compress(msgspec.json.encode(changed))
    return msgspec.structs.replace(stored, body=body, encoding=encoding)


def _report(host: "SimHost", task: TaskDescriptor) -> Report | None:
    outputs = host.behaviour.outputs(list(task.args), bytes.fromhex(task.seed))
    if sum(map(len, outputs.values())) > INLINE_BYTES_MAX:
        return None
    manifest = make_manifest(
        ManifestEntry(name, hashlib.sha256(data).hexdigest(), len(data))
        for name, data in outputs.items()
    )
    return Report(
        task=task.task,
        outcome="success",
        ops=10**12,
        manifest=manifest,
        inline=tuple(InlineFile(name=name, data=data) for name, data in outputs.items()),
    )
