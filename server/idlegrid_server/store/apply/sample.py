"""What judged results teach about ops, speeds and lateness, written as they are judged."""

from dataclasses import dataclass, field

from idlegrid_server.domain.estimate import fold, lateness_of, speed_of, work_of
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql import estimate as sql
from idlegrid_server.store.sql import unit as unit_sql

FLEET = 0  # in place of a host's id: all hosts together


@dataclass
class Samples:
    """New samples of one command, oldest first."""

    speeds: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # subject, host
    lateness: dict[int, list[float]] = field(default_factory=dict)  # host
    ops: dict[int, list[float]] = field(default_factory=dict)  # stage

    def confirmed(self, task: unit_sql.ChangingRow) -> None:
        """The task's result was found valid."""
        if task.host_id is None or task.sent_at is None or task.received_at is None:
            return
        away_us = task.received_at - task.sent_at
        # What another host did before a migration took no time here.
        if task.resumed_from is None:
            speed = speed_of(task.ops or 0, task.elapsed_us or 0, away_us)
            if speed is not None:
                self.speeds.setdefault((task.subject, task.host_id), []).append(speed)
                self.speeds.setdefault((task.subject, FLEET), []).append(speed)
        self._came(task, away_us)

    def timed_out(self, task: unit_sql.ChangingRow) -> None:
        """The task did not come back in time: it was as late as its deadline, at the least."""
        if task.sent_at is not None and task.deadline_at is not None:
            self._came(task, task.deadline_at - task.sent_at)

    def _came(self, task: unit_sql.ChangingRow, away_us: int) -> None:
        if task.host_id is None or task.sent_at is None or task.expected_at is None:
            return
        late = lateness_of(away_us, task.expected_at - task.sent_at)
        self.lateness.setdefault(task.host_id, []).append(late)

    def agreed(self, stage_id: int, task: unit_sql.ChangingRow) -> None:
        """The task's result is its unit's canonical one."""
        work = work_of(task.ops or 0, task.elapsed_us or 0)
        if work > 0:
            self.ops.setdefault(stage_id, []).append(work)

    def write(self, db: Connection) -> None:
        """Fold everything in: three statements. The hosts are locked already."""
        db.execute_many(sql.STAGE_OPS, _rows(sorted(self.ops.items())))
        db.execute_many(sql.HOST_LATENESS, _rows(sorted(self.lateness.items())))
        speeds = []
        for (subject, host_id), values in sorted(self.speeds.items()):
            folded = fold(values)
            more = folded.more
            speeds.append((subject, host_id, more.weight, more.total, more.square, folded.keep))
        db.execute_many(sql.SPEED, speeds)


def _rows(samples: list[tuple[int, list[float]]]) -> list[tuple[float, float, float, float, int]]:
    rows = []
    for key, values in samples:
        folded = fold(values)
        more = folded.more
        rows.append((folded.keep, more.weight, more.total, more.square, key))
    return rows
