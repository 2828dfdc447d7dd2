"""What passes saw of reports, written beside their plans: the pulse of stages, and errors."""

from dataclasses import dataclass, field

from idlegrid_server.domain.model import ErrorSeen, News
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import pulse as sql


@dataclass
class Pulses:
    """The differences of one command: (stage, slice) → ended units, results, errors."""

    slices: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    errors: list[tuple[int, ErrorSeen]] = field(default_factory=list)

    def add(self, stage_id: int, news: News, *, ended: bool) -> None:
        """What came of one unit, and whether it ended with that."""
        counts = self.slices.setdefault((stage_id, news.slice_at), [0, 0, 0])
        counts[0] += ended
        counts[1] += news.results
        counts[2] += len(news.errors)
        self.errors += [(stage_id, error) for error in news.errors]

    def write(self, db: Connection) -> None:
        """Add them to what is there; in the order of stages, so that locks come in one order."""
        rows = [(*key, *counts) for key, counts in sorted(self.slices.items())]
        db.execute_many(sql.PULSE_ADD, rows)
        errors = [
            (e.at, e.task_id, e.unit_id, e.host_id, e.reason, e.took_us, stage_id)
            for stage_id, e in self.errors
        ]
        db.execute_many(sql.FAILURE_ADD, errors)
