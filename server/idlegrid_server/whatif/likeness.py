"""Hosts like the project's own: what its database knows of them, as traits.

A host's speed is the ops that its results counted for each second they computed, against the
median host's. How much of the time it computes is taken from how long tasks lie there: it holds its
cores' tasks and about one more a core, so a result that comes back after twice its computing time,
or less, comes from a host that is always on.
"""

from collections.abc import Sequence
from statistics import median

from idlegrid_server.store.sql.host import LikenessRow

from .population import CONNECTED, Traits

TASKS_WAITING = 2.0  # on a core, with the one that runs
SPEED_BOUNDS = (0.02, 50.0)
AVAILABLE_MIN = 0.02
HOSTS_MIN = 10  # fewer say nothing of those that will come


def likenesses(rows: Sequence[LikenessRow]) -> list[Traits]:
    """Traits of hosts that have returned results; shorter than the list if some did not."""
    useful = [row for row in rows if row.n_results and row.elapsed_us > 0 and row.stayed_us > 0]
    if not useful:
        return []
    usual = median(row.ops / row.elapsed_us for row in useful) or 1.0
    return [_traits(row, usual) for row in useful]


def _traits(row: LikenessRow, usual: float) -> Traits:
    speed = row.ops / row.elapsed_us / usual
    available = TASKS_WAITING * row.elapsed_us / row.stayed_us
    asked = row.n_success + row.n_error
    return Traits(
        speed=min(SPEED_BOUNDS[1], max(SPEED_BOUNDS[0], speed)),
        cores=max(1, row.cores),
        available=min(1.0, max(AVAILABLE_MIN, available)),
        patterned=True,
        error_rate=row.n_error / asked if asked else 0.0,
        offline=1 - CONNECTED,
    )
