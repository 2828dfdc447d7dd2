"""Count again what is kept of credit beside its rows: averages, and how it is spread."""

from itertools import groupby

from idlegrid_server.domain.average import decayed
from idlegrid_server.domain.spread import bucket_of

from .connection import Connection
from .sql import audit as sql


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
    ]


def recount_recent(db: Connection) -> list[str]:
    """Recent credit, against all that was paid; each payment may have been rounded once."""
    found = []
    for kind, query in (("host", sql.CREDIT_BY_HOST), ("account", sql.CREDIT_BY_ACCOUNT)):
        for owner, rows in groupby(db.fetch_all(query), key=lambda row: row[0]):
            payments = list(rows)
            _, kept, at, *_ = payments[0]
            paid = [(micro, when) for *_, micro, when in payments if micro is not None]
            right = sum(decayed(micro, when, at) for micro, when in paid)
            if abs(right - kept) > 2 * len(paid) + kept // 10**9:
                found.append(f"{kind} {owner} has {kept} recent micro-credits, but {right} is due")
    return found
