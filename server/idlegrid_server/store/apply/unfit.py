"""Why a host got fewer tasks than it wanted."""

from idlegrid_server.domain.matching import RefusalCount
from idlegrid_server.domain.requirement import Offer, Requirement, lacking, unmet
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.search import Search
from idlegrid_server.store.sql import queue as sql

KINDS_TOLD = 20
MIB = 1024 * 1024
GIB = 1024 * MIB


def why_no_more(search: Search, offer: Offer) -> list[RefusalCount]:
    """Why the host got fewer tasks than it wanted."""
    found = [RefusalCount(code, count) for code, count in search.counts().items() if count]
    counts: dict[str, int] = {}
    details: dict[str, str] = {}
    rows = search.db.fetch_all(sql.QUEUES_UNFIT, host_id=search.host.id, limit=KINDS_TOLD)
    for row in rows:
        wanted = Requirement(
            profile=row.profile,
            memory_bytes=row.memory_bytes,
            cores=row.cores,
            disk_bytes=row.disk_bytes,
            features=tuple(row.features.split()),
            audience=row.audience,
        )
        code = unmet(wanted, offer) or ("capped" if row.capped else None)
        if code is not None:
            counts[code] = counts.get(code, 0) + row.units
            details.setdefault(code, _detail(code, wanted, offer))
    found += [RefusalCount(code, count, details[code]) for code, count in counts.items()]
    if not found and not search.tasks:
        found.append(RefusalCount("no_work", 0))
    return found


def _detail(code: str, wanted: Requirement, offer: Offer) -> str:
    """What stands in the sentence: what the first such stage asks for."""
    if code == "memory":
        return _size_text(wanted.memory_bytes)
    if code == "disk":
        return _size_text(wanted.disk_bytes)
    if code == "cores":
        return str(wanted.cores)
    return ", ".join(lacking(wanted.features, offer.features)) if code == "feature" else ""


def _size_text(size: int) -> str:
    if size >= GIB:
        return f"{size / GIB:.3g} GB"
    return f"{max(1, size // MIB)} MB"


def told(refusals: list[RefusalCount]) -> tuple[c.Refused, ...]:
    return tuple(c.Refused(r.code, r.count, r.text) for r in refusals)


def away(refusals: list[RefusalCount]) -> tuple[c.TurnedAway, ...]:
    return tuple(c.TurnedAway(0, refusal.code) for refusal in refusals)
