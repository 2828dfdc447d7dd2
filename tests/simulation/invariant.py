"""What must hold (TRUST.md, invariants), looked at from outside with queries of our own.

The store's own recount runs too; what is asked here does not use its code, nor the domain's. Which
function looks at which invariant, and what in `test_detection` shows that it does:

| | invariant | looked at by | shown by the test of |
|---|---|---|---|
| 1 | accepted: quorum, or credibility | `Watch._votes`, `belief` | a wrong quorum, strangers |
| 2 | credit once, sums | `Watch._credit`, `recount` | rows: credit |
| 3 | canonical results stay | `Watch._canonical` | rows: an accepted result |
| 4 | no two replicas in the same hands | `Watch._votes`, `recount` | a host that confirms itself |
| 5 | caps | `Watch.at_exchange` | a cap that nobody keeps |
| 6 | deadline + grace | `check_deadlines` | a sweep that sees nothing |
| 7 | receipt: the bytes are durable | `check_receipt`, at each and in the end | rows: a receipt |
| 8 | deleted after a receipt only | `check_deletion`, before each | given up too early |
| 9 | nothing unsigned, expired, falsified runs | `check_order`, `check_expiry` | any signature |
| 10 | counters equal a recount | `Watch.look`: `recount` | rows: a counter |
| 11 | the log tells the same states | `Watch.look`: `recount`, `replay` | rows: a state |
| 12 | all is bounded | `Watch.at_reply`, `bound.look_at_bounds` | bodies without a limit |
| L1 | every unit ends | `check_end` | a server that gives nothing |
| L2 | every result gets its receipt | `check_end` | receipts that nobody hears |
| L3 | honest hosts get work | `idle.Work` | a server that gives nothing |
| L4 | lost wake-ups are recovered | `check_recovered` | a sweep that sees nothing |
"""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import requests

from idlegrid_client.contact import EXCHANGE_PATH
from idlegrid_client.core.model import TaskState
from idlegrid_server.domain.story import step_words
from idlegrid_server.explain import (
    Names,
    explain_batch,
    explain_host,
    explain_task,
    explain_unit,
)
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.recount import recount
from idlegrid_server.store.sql.batch import BATCH_BY_ID
from idlegrid_server.store.sql.explain import UNIT_BY_ID
from idlegrid_server.store.sql.host import HOST_BY_ID
from idlegrid_server.store.sql.unit import TASKS_OF_UNITS
from idlegrid_server.web.public_id import PublicIdError
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import TIMESTAMP_LIFE_S, Policy, Receipt
from idlegrid_shared.manifest import parse_manifest
from idlegrid_shared.seeds import unit_seed
from idlegrid_shared.wire import BODY_BYTES_MAX, HELD_MAX, REPORTS_MAX

from .behaviour import right_manifest
from .host import SimHost
from .mix import LYING, Mix
from .project import program_hash
from .server import Reply, SimServer
from .world import US, BrokenRule

CLOCKS_APART_US = 2 * 3_600 * US  # by so much clocks may jump between a reply and a start


def rows(db: Connection, sql: str, *values: object) -> list[tuple[object, ...]]:
    """A query of the test's own, past the store's named ones."""
    return list(db.raw.execute(sql, values))  # type: ignore[attr-defined]


def demand(broken: Iterable[object], rule: str) -> None:
    """Raise :class:`BrokenRule` with the rule in words if there are counter-examples."""
    found = list(broken)
    if found:
        raise BrokenRule(f"{rule}: {found[:5]}")


class Watch:
    """Safety: looked at again and again, in the middle of everything."""

    def __init__(self, server: SimServer, mix: Mix) -> None:
        self.server = server
        self.mix = mix
        self.canonical: dict[int, bytes] = {}
        self.credited: dict[tuple[object, object], object] = {}
        self.around: dict[int, tuple[int, int]] = {}  # host → in progress, cap

    def look(self) -> None:
        """Check all that must hold at any moment."""
        with self.server.reading() as db:
            demand(recount(db, self.mix.distinct), "a recount finds other numbers")
            self._votes(db)
            self._canonical(db)
            self._credit(db)

    def _votes(self, db: Connection) -> None:
        """Accepted ⇒ as many different hosts as the quorum asks for said exactly this."""
        found = rows(
            db,
            "SELECT u.id, s.policy, COUNT(DISTINCT t.host_id), COUNT(DISTINCT t.subnet)"
            " FROM work_unit u JOIN stage s ON s.id = u.stage_id LEFT JOIN task t"
            " ON t.unit_id = u.id AND t.verdict = 'valid' AND t.manifest = u.canonical_manifest"
            " WHERE u.state IN ('valid', 'assimilated') AND s.placement = 'grid'"
            " GROUP BY u.id, s.policy",
        )
        policies = {text: msgspec.json.decode(str(text), type=Policy) for _, text, _, _ in found}
        # Where trust decides, one host may be enough.
        quorum = {t: p.quorum if p.replication == "fixed" else 1 for t, p in policies.items()}
        demand(
            (f"unit {u}: {hosts} of {quorum[p]}" for u, p, hosts, _ in found if hosts < quorum[p]),  # type: ignore[operator]
            "a unit was accepted with fewer agreeing hosts than its quorum",
        )
        if "subnet" in self.mix.distinct:
            demand(
                (f"unit {u}: {nets} of {quorum[p]}" for u, p, _, nets in found if nets < quorum[p]),  # type: ignore[operator]
                "a unit was accepted by hosts of fewer subnets than its quorum",
            )

    def _canonical(self, db: Connection) -> None:
        """The canonical result of an assimilated unit never changes (nothing reopens here)."""
        for unit_id, manifest in rows(
            db, "SELECT id, canonical_manifest FROM work_unit WHERE state = 'assimilated'"
        ):
            first = self.canonical.setdefault(unit_id, manifest)  # type: ignore[arg-type]
            demand([unit_id] if first != manifest else [], "an accepted result changed")
        now = {r[0] for r in rows(db, "SELECT id FROM work_unit WHERE state = 'assimilated'")}
        demand(self.canonical.keys() - now, "an assimilated unit is not assimilated any more")

    def _credit(self, db: Connection) -> None:
        """Credit once given stays what it was, and is never given twice.

        Equal work is worth the same; what is paid of it follows from when it came, at most a tenth.
        """
        found = {
            (task_id, of_task): micro
            for task_id, of_task, micro in rows(
                db, "SELECT task_id, of_task, micro FROM credit WHERE state = 'paid'"
            )
        }
        for key, micro in self.credited.items():
            demand([key] if found.get(key) != micro else [], "credit once given was changed")
        self.credited = found
        demand(
            rows(
                db,
                "SELECT unit_id, COUNT(DISTINCT worth) FROM (SELECT t.unit_id, c.task_id,"
                " SUM(c.base_micro) AS worth FROM credit c JOIN task t ON t.id = c.task_id"
                " WHERE c.state = 'paid' GROUP BY t.unit_id, c.task_id)"
                " GROUP BY unit_id HAVING COUNT(DISTINCT worth) > 1",
            ),
            "equal work got unequal credit",
        )
        demand(
            rows(
                db,
                "SELECT task_id, base_micro, micro FROM credit"
                " WHERE micro > base_micro OR micro < base_micro - base_micro / 10 - 1",
            ),
            "more than a tenth was lost for being late, or anything gained",
        )
        demand(
            rows(
                db,
                "SELECT c.task_id, c.micro, c.base_micro FROM credit c"
                " JOIN task t ON t.id = c.of_task WHERE c.of_task = c.task_id"
                " AND 2 * (t.received_at - t.sent_at) <= t.deadline_at - t.sent_at"
                " AND c.micro <> c.base_micro",
            ),
            "a result that came in the first half of its time lost credit",
        )

    def at_reply(self, asked: requests.PreparedRequest, reply: Reply) -> None:
        """What is beyond a limit is refused, however small it looks on the wire."""
        body = asked.body if isinstance(asked.body, bytes) else b""
        if not (asked.path_url.startswith(EXCHANGE_PATH) and reply[0] == 200):
            return
        if asked.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        demand(
            [f"{len(body)} bytes"] if len(body) > BODY_BYTES_MAX else [],
            "a body was taken that is larger than its limit",
        )
        request = msgspec.json.decode(body)
        for part, most in (("held", HELD_MAX), ("reports", REPORTS_MAX)):
            count = len(request.get(part) or ())
            demand([f"{count} {part}"] if count > most else [], "a list beyond its limit was taken")

    def at_exchange(self, point: str) -> None:
        """A host is given tasks only up to its cap, as it stood around this very exchange.

        Later the cap may shrink below what the host has: an error halves it.
        """
        with self.server.reading() as db:
            hosts = {
                host_id: (held, cap)
                for host_id, held, cap in rows(db, "SELECT id, n_in_progress, tasks_max FROM host")
            }
        if point == "exchange.commit.before":
            self.around = hosts  # type: ignore[assignment]
            return
        for host_id, (held, cap) in hosts.items():
            before, cap_before = self.around.get(host_id, (0, cap))  # type: ignore[call-overload]
            demand(
                [f"host {host_id}: {held} > {cap_before}"]
                if held > before and held > max(cap, cap_before)  # type: ignore[operator, type-var]
                else [],
                "a host was given more than its cap",
            )


def check_deletion(server: SimServer, host: SimHost, task: str) -> None:
    """A client deletes a finished result only after a receipt, or when nobody waits for it."""
    if any(receipt.task == task for receipt in host.receipts):
        return
    if host.behaviour.kind == "restored":
        return  # a restored machine took a new key: its old key's tasks are another's by then
    try:
        task_id = server.task_id(task)
    except PublicIdError:
        return  # somebody on the way made it up, and the server knows of no such task
    with server.reading() as db:
        found = rows(
            db,
            "SELECT t.state, u.state FROM task t JOIN work_unit u ON u.id = t.unit_id"
            " WHERE t.id = ?",
            task_id,
        )
    demand(
        [f"{host.name}: {task}"] if found == [("in_progress", "open")] else [],
        "a client deleted a finished result without a receipt, and the server waits for it",
    )


def check_receipt(server: SimServer, host: SimHost, receipt: Receipt) -> None:
    """A receipt given ⇒ that result is stored, with bytes that match their hashes."""
    with server.reading() as db:
        task_id = server.task_id(receipt.task)
        found = rows(db, "SELECT manifest FROM task WHERE id = ?", task_id)
        manifest = found[0][0] if found else None
        demand(
            [receipt.task] if (manifest or b"").hex() != receipt.manifest else [],  # type: ignore[attr-defined]
            "a receipt was given for a result that is not stored",
        )
        if manifest:
            demand(missing_files(server, db, manifest), "a receipted file is not whole")  # type: ignore[arg-type]


def check_expiry(server: SimServer, host: SimHost) -> None:
    """Nothing runs on the word of a timestamp that has expired, as this host's clock has it."""
    late_us = host.clock() - server.clock() - TIMESTAMP_LIFE_S * US
    demand(
        [f"{host.name}: {late_us / US:.0f} s after its end"] if late_us > CLOCKS_APART_US else [],
        "a task was started although the project's timestamp had expired",
    )


def check_order(server: SimServer, host: SimHost, task: TaskState, order: BoxOrder) -> None:
    """What runs is the published program, on the arguments and the seed of its own unit."""
    entry = order.program.module
    found = hashlib.sha256(Path(order.places[entry.sha256]).read_bytes()).hexdigest()
    demand(
        [f"{host.name}: {task.id}"] if {entry.sha256, found} != {program_hash()} else [],
        "a program was run that is not the one that was published",
    )
    with server.reading() as db:
        ((args, idx, stage, seed),) = rows(
            db,
            "SELECT u.args, u.idx, s.idx, b.seed FROM task t JOIN work_unit u ON u.id = t.unit_id"
            " JOIN stage s ON s.id = u.stage_id JOIN batch b ON b.id = u.batch_id WHERE t.id = ?",
            server.task_id(task.id),
        )
    same = list(order.args) == msgspec.json.decode(str(args)) and order.seed == unit_seed(
        seed,  # type: ignore[arg-type]
        stage,  # type: ignore[arg-type]
        idx,  # type: ignore[arg-type]
    )
    demand([] if same else [f"{host.name}: {task.id}"], "a task was run that nobody ordered so")


def missing_files(server: SimServer, db: Connection, manifest: bytes) -> list[str]:
    """The files of a stored manifest that are not there with the bytes it names."""
    ((body,),) = rows(db, "SELECT body FROM manifest WHERE hash = ?", manifest)
    broken = []
    for entry in parse_manifest(body):  # type: ignore[arg-type]
        digest = bytes.fromhex(entry.sha256)
        found = rows(db, "SELECT data FROM file WHERE sha256 = ?", digest)
        data = found[0][0] if found else None
        if found and data is None:
            path = server.files.path(digest)
            data = path.read_bytes() if path.exists() else None
        if data is None or hashlib.sha256(data).digest() != digest:  # type: ignore[call-overload]
            broken.append(entry.name)
    return broken


def check_end(server: SimServer, hosts: list[SimHost], mix: Mix) -> None:
    """Liveness: after the faults have stopped, everything has come to an end."""
    with server.reading() as db:
        demand(
            rows(
                db,
                "SELECT id, state FROM work_unit WHERE state NOT IN"
                " ('assimilated', 'failed', 'cancelled')",
            ),
            "a unit never ended",
        )
        demand(
            rows(db, "SELECT id, state FROM task WHERE state IN ('unsent', 'in_progress')"),
            "a task never ended",
        )
        demand(
            rows(db, "SELECT id FROM task WHERE state = 'success' AND verdict = 'pending'"),
            "a result was never judged",
        )
        demand(
            rows(
                db,
                "SELECT id, state FROM batch WHERE state NOT IN"
                " ('complete', 'complete_with_failures', 'failed', 'cancelled')",
            ),
            "a batch never ended",
        )
        demand(
            rows(db, "SELECT id, kind, state FROM job WHERE state IN ('queued', 'running')"),
            "a job never ended",
        )
        _right_science(db, mix)
        _told(db)
        _explained(server, db, mix)
    for host in hosts:
        if host.counts:
            demand(
                [f"{host.name}: {t.id} {t.phase}; {t.story()}" for t in host.waiting()],
                "a finished result never got its receipt",
            )
        for receipt in host.receipts:
            check_receipt(server, host, receipt)


def check_recovered(server: SimServer, since: int) -> None:
    """After a sweep and the rounds that it asked for, nothing that was due before it is due."""
    with server.reading() as db:
        for what in ("work_unit", "batch"):
            demand(
                rows(db, f"SELECT id, due_at FROM {what} WHERE due_at <= ?", since),
                f"a lost wake-up of a {what} was not recovered within one sweep",
            )


def check_deadlines(server: SimServer, now: int, late_us: int) -> None:
    """Every task leaves in-progress by deadline + grace (and the time until a pass comes)."""
    with server.reading() as db:
        demand(
            (
                task_id
                for task_id, deadline, policy in rows(
                    db,
                    "SELECT t.id, t.deadline_at, s.policy FROM task t JOIN work_unit u"
                    " ON u.id = t.unit_id JOIN stage s ON s.id = u.stage_id"
                    " WHERE t.state = 'in_progress'",
                )
                if deadline + msgspec.json.decode(str(policy), type=Policy).grace_s * US + late_us  # type: ignore[operator]
                < now
            ),
            "a task is in progress after its deadline and grace",
        )


def _told(db: Connection) -> None:
    """Every line of the log can be told in plain words."""
    for kind, before, after, reason in rows(
        db, "SELECT DISTINCT kind, from_state, to_state, reason FROM event"
    ):
        words = step_words(str(kind), before, str(after), str(reason), None)  # type: ignore[arg-type]
        demand([(kind, after, reason)] if not words else [], "a line of the log has no words")


EXPLAINED = 3  # of each kind: those that had the most adventures


def _explained(server: SimServer, db: Connection, mix: Mix) -> None:
    """Whatever happened, a unit, its tasks, a host and a batch can say why they stand so."""
    names, now = Names(server.ids), server.clock()
    for (unit_id,) in rows(
        db, "SELECT id FROM work_unit ORDER BY n_tasks DESC, id LIMIT ?", EXPLAINED
    ):
        unit = db.fetch_one(UNIT_BY_ID, unit_id=unit_id)
        assert unit is not None
        told = [explain_unit(db, names, unit, now, mix.distinct)]
        for task in db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id]):
            told.append(explain_task(db, names, task, unit, "batch", now))
        demand([unit_id] if not all(t.headline and t.steps for t in told) else [], "no story")
    for (host_id,) in rows(
        db, "SELECT id FROM host ORDER BY n_error + n_invalid DESC, id LIMIT ?", EXPLAINED
    ):
        host = db.fetch_one(HOST_BY_ID, host_id=host_id)
        assert host is not None
        story = explain_host(db, names, host, now, mix.distinct)
        demand([host_id] if not (story.now and story.steps) else [], "a host has no story")
    for (batch_id,) in rows(db, "SELECT id FROM batch ORDER BY id LIMIT ?", EXPLAINED):
        batch = db.fetch_one(BATCH_BY_ID, batch_id=batch_id)
        assert batch is not None
        story = explain_batch(db, names, batch, "", now, mix.distinct)
        demand([batch_id] if not story.steps else [], "a batch has no story")


def _right_science(db: Connection, mix: Mix) -> None:
    """Only a ring agrees on a lie: where it is smaller than the quorum, nothing false stands."""
    ring = mix.hosts.count("ring")
    for unit_id, manifest, args, idx, stage, seed, policy in rows(
        db,
        "SELECT u.id, u.canonical_manifest, u.args, u.idx, s.idx, b.seed, s.policy"
        " FROM work_unit u JOIN stage s ON s.id = u.stage_id JOIN batch b ON b.id = u.batch_id"
        " WHERE u.state = 'assimilated' AND s.placement = 'grid'",
    ):
        rules = msgspec.json.decode(str(policy), type=Policy)
        quorum = rules.quorum if rules.replication == "fixed" else 1
        if ring >= quorum or (quorum < 2 and LYING & set(mix.hosts)):
            continue
        right = right_manifest(
            msgspec.json.decode(str(args)),
            unit_seed(seed, stage, idx),  # type: ignore[arg-type]
        )
        demand([f"unit {unit_id}"] if right != manifest else [], "a wrong result was accepted")
