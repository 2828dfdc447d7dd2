"""Credit of a command's plans: booked, paid, taken back, and counted, in few statements."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from idlegrid_server.domain.average import added
from idlegrid_server.domain.credit import Share, Worked, split
from idlegrid_server.domain.migration import CHAIN_MAX
from idlegrid_server.domain.model import UnitPlan
from idlegrid_server.domain.spread import bucket_of
from idlegrid_server.store.apply.host_count import HostCounts
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import credit as sql
from idlegrid_server.store.sql.unit import TASKS_WORKED, ChangingRow, UnitRow
from idlegrid_shared.documents import WALLED_BY_SYSTEM

DAY_US = 86_400 * 1_000_000
NOBODY = 0  # in place of an account that is not there


@dataclass
class Payments:
    """What the results that a command judged are worth, and to whom."""

    db: Connection
    ledger: Ledger
    hosts: HostCounts
    worked: dict[int, ChangingRow] = field(default_factory=dict)  # tasks that others went on from
    booked: list[tuple[ChangingRow, int]] = field(default_factory=list)
    paid: list[tuple[ChangingRow, int, int]] = field(default_factory=list)  # …, credit, stage
    released: set[int] = field(default_factory=set)  # tasks whose booked credit waits no longer
    agreed: list[tuple[int, int]] = field(default_factory=list)  # stage, worth
    reopened: list[tuple[int, int]] = field(default_factory=list)
    purses: dict[int, int] = field(default_factory=dict)  # account → what it is paid
    rows: list[tuple[object, ...]] = field(default_factory=list)
    days: dict[tuple[int, int, int], list[int]] = field(default_factory=dict)

    def read(self, tasks: Iterable[ChangingRow]) -> list[int]:
        """Read who began what others finished; returns their hosts, which are to be locked."""
        units = sorted({task.unit_id for task in tasks if task.resumed_from is not None})
        if units:
            rows = self.db.fetch_all(TASKS_WORKED, unit_ids=units)
            self.worked = {row.id: row for row in rows}
        return [row.host_id for row in self.worked.values() if row.host_id is not None]

    def take_unit(self, unit: UnitRow, plan: UnitPlan) -> int | None:
        """Note what becomes of a unit; returns what each of its agreeing results is worth."""
        if unit.state == "provisional" and plan.steps and unit.canonical_task is not None:
            # Whatever it comes to (it may be held for another at once), this one waits no longer.
            self.released.add(unit.canonical_task)
        state = plan.steps[-1].state if plan.steps else unit.state
        before, agreed_micro = unit.agreed_micro, plan.agreed_micro
        if agreed_micro is None:
            if state != "open" or before is None:
                return before
            self.reopened.append((unit.stage_id, before))
            return None
        if before is not None:
            self.reopened.append((unit.stage_id, before))
        self.agreed.append((unit.stage_id, agreed_micro))
        return agreed_micro

    def book(self, task: ChangingRow, micro: int) -> None:
        """A single result is worth ``micro``, if it stands until it is final."""
        self.booked.append((task, micro))

    def pay(self, task: ChangingRow, micro: int, stage_id: int) -> None:
        """A result is worth ``micro``."""
        self.paid.append((task, micro, stage_id))

    def settle(self) -> None:
        """Work out who gets what; the counters of hosts follow from it."""
        self._release()
        for task, micro in self.booked:
            for share in split(micro, self._chain(task)):
                self._row(task, share, "pending")
            self.ledger.note("credit", task.id, "pending", "booked", {"micro": micro})
        kinds = self._kinds()
        for task, micro, stage_id in self.paid:
            app_id, metered = kinds[stage_id]
            for share in split(micro, self._chain(task)):
                self._row(task, share, "paid")
                self._count(share)
                self._tell(share, app_id, task.id)
            if metered and task.host_id is not None and task.resumed_from is None:
                host = self.hosts.of(task.host_id)
                took_us = task.cpu_us or task.elapsed_us or 0
                host.bench_micro += micro if took_us else 0
                host.bench_us += took_us

    def write(self) -> None:
        """Write it; the accounts last, in the order of their ids."""
        if self.released:
            self.db.execute(sql.CREDIT_RELEASE, task_ids=sorted(self.released))
        self.db.execute_many(sql.CREDIT_INSERT, self.rows)
        self._write_spread()
        if self.days:
            today = self.ledger.now // DAY_US
            self.db.execute_many(
                sql.STATISTIC_ADD,
                [(today, *key, *counts) for key, counts in sorted(self.days.items())],
            )
        self._write_purses()

    def _release(self) -> None:
        if not self.released:
            return
        paid = {task.id for task, _, _ in self.paid}
        for row in self.db.fetch_all(sql.CREDIT_PENDING, task_ids=sorted(self.released)):
            if row.task_id not in paid and row.of_task == row.task_id:
                detail = {"micro": row.base_micro}
                self.ledger.note("credit", row.task_id, "void", "void", detail)

    def _chain(self, task: ChangingRow) -> list[Worked]:
        """The task, and those whose work it went on from, as far as it is known where they were."""
        chain = [_worked(task)]
        row = task
        while row.resumed_from is not None and row.resumed_ops is not None:
            before = self.worked.get(row.resumed_from)
            if before is None or len(chain) > CHAIN_MAX:
                break
            chain.append(_worked(before))
            row = before
        return chain

    def _kinds(self) -> dict[int, tuple[int, bool]]:
        """App and whether ops are counted, of the stages whose results are paid."""
        stages = sorted({stage_id for _, _, stage_id in self.paid})
        if not stages:
            return {}
        return {
            stage_id: (app_id, runtime not in WALLED_BY_SYSTEM)
            for stage_id, app_id, runtime in self.db.fetch_all(sql.STAGE_APPS, stage_ids=stages)
        }

    def _row(self, task: ChangingRow, share: Share, state: str) -> None:
        now = self.ledger.now
        self.rows.append(
            (
                *(task.id, share.of_task, share.host_id, share.account_id),
                *(state, share.base_micro, share.micro, now),
            )
        )

    def _count(self, share: Share) -> None:
        if share.host_id is not None:
            self.hosts.of(share.host_id).credit_micro += share.micro
        if share.account_id is not None:
            self.purses[share.account_id] = self.purses.get(share.account_id, 0) + share.micro

    def _tell(self, share: Share, app_id: int, task_id: int) -> None:
        key = (share.account_id or NOBODY, share.host_id or 0, app_id)
        counts = self.days.setdefault(key, [0, 0, 0])
        counts[0] += share.of_task == task_id
        counts[1] += share.base_micro
        counts[2] += share.micro

    def _write_spread(self) -> None:
        counts: dict[tuple[int, int], int] = {}
        for stage_id, micro in self.agreed:
            key = (stage_id, bucket_of(micro))
            counts[key] = counts.get(key, 0) + 1
        self.db.execute_many(
            sql.SPREAD_ADD, [(*key, count) for key, count in sorted(counts.items())]
        )
        self.db.execute_many(
            sql.SPREAD_TAKE,
            sorted((stage_id, bucket_of(micro)) for stage_id, micro in self.reopened),
        )

    def _write_purses(self) -> None:
        if not self.purses:
            return
        now = self.ledger.now
        rows = self.db.fetch_all(sql.PURSES_LOCK, account_ids=sorted(self.purses))
        self.db.execute_many(
            sql.PURSE_SET,
            [
                (
                    row.credit_micro + self.purses[row.id],
                    added(row.recent_micro, row.recent_at, now, self.purses[row.id]),
                    max(row.recent_at, now),
                    row.id,
                )
                for row in rows
            ],
        )


def _worked(task: ChangingRow) -> Worked:
    return Worked(
        task_id=task.id,
        host_id=task.host_id,
        account_id=task.account_id,
        ops=task.ops or 0,
        sent_at=task.sent_at,
        deadline_at=task.deadline_at,
        received_at=task.received_at,
        ops_before=task.resumed_ops or 0,
    )
