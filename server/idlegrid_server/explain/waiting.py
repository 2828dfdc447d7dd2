"""Why what waits to be sent is not sent: each host that asked lately, held against it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from idlegrid_server.domain.host import allowance, is_proven
from idlegrid_server.domain.kind import class_of, queue_keys
from idlegrid_server.domain.matching import (
    NAMED,
    RESERVED,
    SERVED,
    Distinct,
    is_barred,
    is_foreign,
)
from idlegrid_server.domain.migration import Replica, peers_of
from idlegrid_server.domain.model import Candidate, HostSnapshot
from idlegrid_server.domain.reason import BECAUSE, TURNED_AWAY
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.explain import (
    ASKERS,
    REFUSALS_OF_STAGES,
    AskerRow,
    TurnedAwayRow,
    WantRow,
)

HOUR_US = 3600 * 1_000_000
ASKERS_MAX = 500
NO_STAGE = 0  # refusals that concern no stage in particular


def askers(db: Connection, now: int) -> list[AskerRow]:
    """The hosts that asked in the last hour, at most so many, the newest first."""
    return db.fetch_all(ASKERS, since=now - HOUR_US, limit=ASKERS_MAX)


def asker_snapshot(row: AskerRow) -> HostSnapshot:
    """A host as matching sees it."""
    return HostSnapshot(
        id=row.id,
        state=row.state,  # type: ignore[arg-type]
        account_id=row.account_id,
        subnet=row.subnet,
        in_progress=row.n_in_progress,
        tasks_max=row.tasks_max,
        house=bool(row.house),
        unjudged=row.n_unjudged,
        judged=row.n_valid + row.n_invalid,
    )


def hindrance(
    host: AskerRow,
    stage: WantRow,
    candidate: Candidate | None,
    distinct: Collection[Distinct],
) -> str:
    """The code of why a host gets no task of a stage (of a unit, if one is given); "" if it may.

    The same functions decide here that decide in an exchange; only what a host says with each
    request (the memory that it gives now) is not known.
    """
    snapshot = asker_snapshot(host)
    if snapshot.state not in SERVED:
        return "quarantined"
    if stage.profile not in queue_keys(host.profiles.split()):
        return "profile"
    if stage.memory_bytes > host.memory_bytes > 0:
        return "memory"
    if candidate is not None:
        if candidate.rank == RESERVED and not is_proven(snapshot):
            return "reserved"
        if is_foreign(candidate, class_of(host.kind, stage.homogeneous)):  # type: ignore[arg-type]
            return "kind"
        if is_barred(snapshot, candidate.peers, distinct):
            return "partner"
        if candidate.rank == NAMED:
            return "named"
    free, new = allowance(snapshot)
    if not free:
        return "unjudged" if new else "cap"
    return ""


def candidate_of(unit_id: int, rank: int, bound_to: str, replicas: Sequence[Replica]) -> Candidate:
    """A unit as matching sees it."""
    return Candidate(unit_id, rank, tuple(peers_of(replicas)), bound_to)


def asked_words(counts: Mapping[str, int]) -> str:
    """What stands between the hosts that asked and a unit, in one sentence."""
    total = sum(counts.values())
    if not total:
        return "No computer has asked for work in the last hour."
    computers = "1 computer" if total == 1 else f"{total:,} computers"
    parts = [
        f"{count:,} {TURNED_AWAY[code]}"
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if code and count
    ]
    free = counts.get("", 0)
    if free:
        may = "1 may have it" if free == 1 else f"{free:,} may have it"
        parts.append(f"{may} when it asks next" if free == 1 else f"{may} when they ask next")
    return f"Of {computers} seen in the last hour: {'; '.join(parts)}."


def count_hindrances(
    hosts: Sequence[AskerRow],
    stage: WantRow,
    candidate: Candidate | None,
    distinct: Collection[Distinct],
) -> dict[str, int]:
    """How many hosts are hindered by what; "" counts those that are not."""
    return dict(Counter(hindrance(host, stage, candidate, distinct) for host in hosts))


def refusals(db: Connection, now: int, stages: Collection[int]) -> list[TurnedAwayRow]:
    """How often hosts were refused work of these stages, this hour and the one before."""
    return db.fetch_all(REFUSALS_OF_STAGES, since=now // HOUR_US - 1, stage_ids=sorted(stages))


def refused_words(found: Sequence[TurnedAwayRow], what: str) -> str:
    """The same in a sentence; "" if there were none."""
    if not found:
        return ""
    parts = [
        f"{'once' if row.times == 1 else f'{row.times:,} times'} because {BECAUSE[row.code]}"
        for row in found
    ]
    return f"Requests for work that got none {what} since the last full hour: {'; '.join(parts)}."
