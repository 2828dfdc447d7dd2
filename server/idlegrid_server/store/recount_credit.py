"""Count again what is kept of credit beside its rows: averages, and how it is spread."""

from idlegrid_server.domain.average import decayed
from idlegrid_server.domain.spread import bucket_of

from .connection import Connection
from .query import Query
from .sql import audit_credit as sql

PAGE = 2_000
TOLD = 20  # broken rules of one kind that are told


def recount_spread(db: Connection) -> list[str]:
    """The spread of what agreed units are worth, against the units."""
    counted: dict[tuple[int, int], int] = {}
    for stage_id, micro, units in db.fetch_all(sql.AGREED_MICRO):
        key = (stage_id, bucket_of(micro))
        counted[key] = counted.get(key, 0) + units
    kept = {(stage_id, bucket): units for stage_id, bucket, units in db.fetch_all(sql.SPREADS)}
    return [
        f"stage {stage_id} counts {kept.get((stage_id, bucket), 0)} agreed units in bucket "
        f"{bucket}, but has {counted.get((stage_id, bucket), 0)}"
        for stage_id, bucket in sorted(kept.keys() | counted.keys())
        if kept.get((stage_id, bucket)) != counted.get((stage_id, bucket))
    ][:TOLD]


def recount_recent(db: Connection) -> list[str]:
    """Recent credit, against all that was paid; each payment may have been rounded once."""
    kept = {"host": _kept(db, sql.RECENT_OF_HOSTS), "account": _kept(db, sql.RECENT_OF_ACCOUNTS)}
    right: dict[tuple[str, int], float] = {}
    paid: dict[tuple[str, int], int] = {}
    task_id = of_task = 0
    while page := db.fetch_all(sql.CREDIT_AFTER, task_id=task_id, of_task=of_task, limit=PAGE):
        for task_id, of_task, host_id, account_id, micro, at in page:  # noqa: B007
            for key in (("host", host_id), ("account", account_id)):
                kind, owner = key
                if owner in kept[kind]:
                    value = decayed(micro, at, kept[kind][owner][1])
                    right[key] = right.get(key, 0) + value
                    paid[key] = paid.get(key, 0) + 1
    found = []
    for kind, owners in kept.items():
        for owner, (micro, _) in owners.items():
            key = (kind, owner)
            due = right.get(key, 0)
            if abs(due - micro) > 2 * paid.get(key, 0) + micro // 10**9:
                found.append(f"{kind} {owner} has {micro} recent micro-credits, but {due} is due")
    return found[:TOLD]


def _kept(db: Connection, query: Query[tuple[int, int, int]]) -> dict[int, tuple[int, int]]:
    """(recent credit, as it stood when) by the owner's id."""
    found: dict[int, tuple[int, int]] = {}
    after = 0
    while page := db.fetch_all(query, after=after, limit=PAGE):
        for owner, micro, at in page:
            after = owner
            found[owner] = (micro, at)
    return found
