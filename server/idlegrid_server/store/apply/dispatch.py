"""New tasks go to a host, from the stages' queues."""

import hashlib
from dataclasses import dataclass
from typing import Any

from idlegrid_server.domain.estimate import LATENESS, Queue, Sums, spread_of
from idlegrid_server.domain.host import is_proven
from idlegrid_server.domain.kind import class_of, queue_keys
from idlegrid_server.domain.locality import absent
from idlegrid_server.domain.matching import BEGUN, FRESH, Rank, choose, room
from idlegrid_server.domain.migration import LeftBehind, Replica, choose_checkpoint, peers_of
from idlegrid_server.domain.model import Candidate, HostSnapshot
from idlegrid_server.domain.order import Stage, order
from idlegrid_server.domain.requirement import EVERYBODY, HOUSE, Offer, audiences_of, lacking
from idlegrid_server.domain.share import Claim, advances, places
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.locality import unit_files
from idlegrid_server.store.apply.policy import policy
from idlegrid_server.store.apply.resend import assignment, ops_of
from idlegrid_server.store.apply.search import Search, pace_here
from idlegrid_server.store.apply.share import advance, take_room
from idlegrid_server.store.apply.unfit import away, told, why_no_more
from idlegrid_server.store.connection import Connection, LostRace
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import batch as batch_sql
from idlegrid_server.store.sql import checkpoint as checkpoint_sql
from idlegrid_server.store.sql import exchange as exchange_sql
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import queue as sql

SECOND = 1_000_000
SPARE = 2  # units looked at beyond what is wanted
LOCAL_WINDOW = 4  # times as many, where those go first whose files the host has
WINDOW_MIN = 16  # the same, if none of those was enough
WAITING_TOLD = 1_000  # reserved units that a refusal counts, at most
STAGES_MAX = 64  # stages that an exchange knows of
STAGES_EACH = 32  # of each account
ANY = 2**62


@dataclass
class Given:
    """New tasks, and why there are not more."""

    tasks: tuple[c.Assignment, ...] = ()
    refusals: tuple[c.Refused, ...] = ()
    turned_away: tuple[c.TurnedAway, ...] = ()


def give_tasks(
    db: Connection,
    ledger: Ledger,
    host: host_sql.CallerRow,
    held: list[exchange_sql.HeldRow],
    resent: int,
    reported: int,
    command: c.Exchange,
) -> Given:
    """New tasks for the host beside those held, as many as it wants and may have."""
    want = command.want
    if want is None or want.tasks <= resent:
        return Given()
    snapshot = HostSnapshot(
        id=host.id,
        state=host.state,  # type: ignore[arg-type]
        account_id=host.account_id,
        subnet=command.subnet,
        in_progress=len(held),
        tasks_max=host.tasks_max,
        house=bool(host.house),
        unjudged=host.n_unjudged + reported,
        judged=host.n_valid + host.n_invalid,
    )
    wanted, refusal = room(snapshot, want.tasks - resent, command.newcomers)
    refusals = [] if refusal is None else [refusal]
    if wanted <= 0:
        return Given((), told(refusals), away(refusals))
    load = Queue(len(held), sum(task.estimate_us or 0 for task in held) / SECOND, host.cores)
    known = Sums(host.late_weight, host.late_total, host.late_square)
    lateness = spread_of(known, LATENESS) or LATENESS
    files = frozenset(want.files)
    search = Search(db, ledger, snapshot, command, wanted, host.kind, load, lateness, files)
    offer = Offer(
        profiles=tuple(queue_keys(host.profiles.split())),
        memory_bytes=min(want.memory_bytes or ANY, host.memory_bytes or ANY),
        cores=host.cores,
        disk_bytes=want.disk_bytes or ANY,
        features=frozenset(host.features.split()),
        audiences=audiences_of(host.account_id, bool(host.house)),
    )
    rows = _queues(db, host.id, offer)
    claims = {r.account_id: Claim(r.account_id, r.time, r.step, r.weight) for r in rows}
    for row in _ordered(search, rows, claims):
        if len(search.tasks) >= wanted:
            break
        before = search.counts()
        _from_stage(search, row)
        search.turned_away += [
            c.TurnedAway(row.id, code)
            for code, count in search.counts().items()
            if count > before[code]
        ]
    if search.charges:
        advance(db, advances(claims.values(), search.charges))
        take_room(db, search.of_accounts, search.of_apps)
    if len(search.tasks) >= wanted:
        return Given(tuple(search.tasks), told(refusals), away(refusals))
    refusals += why_no_more(search, offer)
    by_stage = {one.code for one in search.turned_away}
    others = [refusal for refusal in refusals if refusal.code not in by_stage]
    turned_away = (*search.turned_away, *away(others))
    return Given(tuple(search.tasks), told(refusals), turned_away)


def _queues(db: Connection, host_id: int, offer: Offer) -> list[sql.QueueRow]:
    """The stages whose tasks the host may have. Features are few, and looked at here."""
    asked: dict[str, Any] = {
        "host_id": host_id,
        "profiles": offer.profiles,
        "memory_bytes": offer.memory_bytes,
        "cores": offer.cores,
        "disk_bytes": offer.disk_bytes,
        "audiences": offer.audiences,
    }
    # Numbering the stages of each account takes longer than all the rest of the statement.
    rows = db.fetch_all(sql.QUEUES_FEW, **asked, limit=STAGES_EACH + 1)
    if len(rows) > STAGES_EACH:
        rows = db.fetch_all(sql.QUEUES, **asked, each=STAGES_EACH, limit=STAGES_MAX)
    return [r for r in rows if not (r.features and lacking(r.features.split(), offer.features))]


def _ordered(
    search: Search, rows: list[sql.QueueRow], claims: dict[int, Claim]
) -> list[sql.QueueRow]:
    """The stages to look into, in order."""
    if len(rows) <= 1:
        return rows
    stages = [
        Stage(
            *(row.id, row.account_id, row.urgency, row.priority),
            ops_of(row),
            absent(row.files, search.files),
        )
        for row in rows
    ]
    paces = {row.id: pace_here(row) for row in rows}
    by_id = {row.id: row for row in rows}
    draw = search.command.seq
    return [by_id[stage] for stage in order(stages, places(claims.values()), paces, draw)]


def _from_stage(search: Search, queue: sql.QueueRow) -> None:
    """The head of the queue first; if that is full of what the host must not have, look further."""
    db = search.db
    search.enter(queue)
    if not search.left:
        return
    local = bool(queue.unit_files and search.files)
    window = search.left * (LOCAL_WINDOW if local else 1) + SPARE
    head = db.fetch_all(
        sql.CANDIDATES,
        stage_id=queue.id,
        host_id=search.host.id,
        local=int(local),
        reserved=window if is_proven(search.host) else 0,
        limit=window,
    )
    _take(search, queue, head)
    if search.left and len(head) == window:
        _look_further(search, queue, head)
    if not head:
        counted = db.fetch_one(sql.QUEUE_LENGTH, stage_id=queue.id, limit=WAITING_TOLD)
        waiting, reserved = counted or (0, 0)
        if not waiting:
            db.execute(batch_sql.STAGE_EMPTY, stage_id=queue.id, queue_rev=queue.queue_rev)
        elif not is_proven(search.host):
            search.reserved += reserved


def _look_further(search: Search, queue: sql.QueueRow, head: list[sql.CandidateRow]) -> None:
    """Fresh units that did not come into the window, then begun ones that lie further behind.

    Of these look a little beyond the head, then from a point that differs from exchange to
    exchange.
    """
    fresh = [unit.id for unit in head if unit.rank == FRESH]
    _take_from(search, queue, FRESH, 1 + max(fresh, default=0), search.left, set())
    if not search.left or fresh:
        return
    seen = {unit.id for unit in head}
    window = max(WINDOW_MIN, 2 * search.left)
    units = _take_from(search, queue, BEGUN, 0, window, seen)
    if search.left and len(units) == window:
        seen.update(unit.id for unit in units)
        point = _point(search, queue.id)
        if point is not None:
            _take_from(search, queue, BEGUN, point, window, seen)


def _take_from(
    search: Search, queue: sql.QueueRow, rank: Rank, point: int, limit: int, seen: set[int]
) -> list[sql.CandidateRow]:
    """Take of the units of a rank from ``point`` on, save those seen; returns what was there."""
    units = search.db.fetch_all(
        sql.CANDIDATES_FROM, stage_id=queue.id, rank=rank, point=point, limit=limit, local=0
    )
    _take(search, queue, [unit for unit in units if unit.id not in seen])
    return units


def _point(search: Search, stage_id: int) -> int | None:
    bounds = search.db.fetch_one(sql.QUEUE_BOUNDS, stage_id=stage_id)
    if bounds is None or bounds[0] is None:
        return None
    first, last = bounds
    text = f"{search.host.id}:{search.command.seq}:{stage_id}".encode()
    draw = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return int(first) + draw % (int(last) - int(first) + 1)


def _take(search: Search, queue: sql.QueueRow, units: list[sql.CandidateRow]) -> None:
    """Send tasks of those units that the host may have."""
    if not units:
        return
    db, command, host = search.db, search.command, search.host
    replicas: dict[int, list[Replica]] = {unit.id: [] for unit in units}
    unsent: dict[int, int] = {}
    for task in db.fetch_all(exchange_sql.CANDIDATE_TASKS, unit_ids=list(replicas)):
        if task.state == "unsent":
            unsent.setdefault(task.unit_id, task.id)
        else:
            replicas[task.unit_id].append(replica(task))
    candidates = [
        Candidate(
            unit.id,
            unit.rank,
            tuple(peers_of(replicas[unit.id])),
            unit.bound_to or "",
            absent(unit_files(unit.inputs), search.files),
        )
        for unit in units
        if unit.id in unsent
    ]
    host_class = class_of(search.kind, queue.homogeneous)  # type: ignore[arg-type]
    again = queue.audience not in (EVERYBODY, HOUSE)  # whose hosts are few, and have no partners
    choice = choose(host, candidates, search.left, command.distinct, host_class, again=again)
    counts = {refusal.code: refusal.count for refusal in choice.refusals}
    search.barred += counts.get("partner", 0)
    search.foreign += counts.get("kind", 0)
    search.reserved += counts.get("reserved", 0)
    if choice.units:
        resumes = _resumes(search, choice.units, replicas) if queue.migrates else {}
        _send(search, queue, choice.units, unsent, resumes)


def replica(task: exchange_sql.CandidateTaskRow) -> Replica:
    """A task that has gone to somebody, as decisions see it."""
    return Replica(
        task.id,
        task.state,  # type: ignore[arg-type]
        task.host_id,
        task.account_id,
        task.subnet or "",
        task.resumed_from,
    )


def _resumes(
    search: Search, units: tuple[int, ...], replicas: dict[int, list[Replica]]
) -> dict[int, c.Resume]:
    """What the host shall continue from, by unit: one statement for all of them."""
    begun = [unit_id for unit_id in units if replicas[unit_id]]
    left: dict[int, list[LeftBehind]] = {unit_id: [] for unit_id in begun}
    if begun:
        for row in search.db.fetch_all(checkpoint_sql.CHECKPOINTS_OF_UNITS, unit_ids=begun):
            found = LeftBehind(row.task_id, row.sha256, row.size, row.ops, bool(row.proven))
            left[row.unit_id].append(found)
    resumes: dict[int, c.Resume] = {}
    for unit_id, known in left.items():
        best = choose_checkpoint(replicas[unit_id], known, search.command.distinct)
        if best is not None:
            resumes[unit_id] = c.Resume(best.task_id, best.sha256, best.bytes, best.ops)
    return resumes


def _send(
    search: Search,
    queue: sql.QueueRow,
    chosen: tuple[int, ...],
    unsent: dict[int, int],
    resumes: dict[int, c.Resume],
) -> None:
    db, command, host = search.db, search.command, search.host
    rules = policy(queue.policy)
    deadline_at = command.now + rules.deadline_s * SECOND
    task_ids = [unsent[unit_id] for unit_id in chosen]
    estimate_us = expected_at = None
    if search.run is not None:
        count, run_s = len(chosen), search.run.median
        mean_s = (search.load.done_s(1, run_s) + search.load.done_s(count, run_s)) / 2
        estimate_us = round(run_s * SECOND)
        expected_at = command.now + round(mean_s * SECOND)
    sent = db.execute(
        exchange_sql.TASKS_SENT,
        task_ids=task_ids,
        host_id=host.id,
        account_id=host.account_id,
        subnet=command.subnet,
        now=command.now,
        deadline_at=deadline_at,
        estimate_us=estimate_us,
        expected_at=expected_at,
    )
    if sent != len(task_ids):
        raise LostRace(f"{len(task_ids) - sent} tasks of stage {queue.id} were sent meanwhile")
    given = db.fetch_all(
        exchange_sql.UNITS_SENT,
        unit_ids=list(chosen),
        bound_to=class_of(search.kind, queue.homogeneous) or None,  # type: ignore[arg-type]
        check_at=deadline_at + rules.grace_s * SECOND,
    )
    rows = {row.id: row for row in given}
    if resumes:
        db.execute_many(
            checkpoint_sql.TASK_RESUMES,
            [(resume.task_id, resume.ops, unsent[unit_id]) for unit_id, resume in resumes.items()],
        )
    for unit_id in chosen:
        task_id, resume = unsent[unit_id], resumes.get(unit_id)
        search.ledger.step("task", task_id, "unsent", "in_progress")
        if resume is not None:
            detail = {"resumed_from": resume.task_id, "ops": resume.ops}
            search.ledger.note("task", task_id, "in_progress", "continues", detail)
        left = deadline_at - command.now
        search.tasks.append(assignment(task_id, rows[unit_id], left, search.ops, resume=resume))
    search.gave(queue, len(chosen))
