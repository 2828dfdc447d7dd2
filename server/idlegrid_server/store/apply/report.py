"""A host's reports: taken once, with their files, and their units made due."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from idlegrid_server.domain.host import next_limit
from idlegrid_server.domain.kind import is_of_class
from idlegrid_server.domain.migration import Replica, may_still_speak
from idlegrid_server.domain.model import TaskSnapshot
from idlegrid_server.domain.report import accept_report
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.dispatch import replica
from idlegrid_server.store.apply.file import store_files
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import exchange as sql
from idlegrid_server.store.sql import file as file_sql
from idlegrid_server.store.sql import host as host_sql
from idlegrid_server.store.sql import unit as unit_sql


@dataclass
class Reports:
    """What became of an exchange's reports, and what that does to the host's counters."""

    tasks_max: int
    answers: tuple[c.ReportAnswer, ...] = ()
    units: list[int] = field(default_factory=list)
    left: int = 0  # tasks that were in progress and are not any more
    success: int = 0
    error: int = 0


def take_reports(
    db: Connection, ledger: Ledger, host: host_sql.CallerRow, command: c.Exchange
) -> Reports:
    """Take each report that is awaited and whose files are here."""
    result = Reports(host.tasks_max)
    if not command.reports:
        return result
    ids = [report.task_id for report in command.reports]
    rows = {row.id: row for row in db.fetch_all(sql.REPORTED, task_ids=ids)}
    uploaded = _uploaded(db, command)
    copies = _Copies(db, command.distinct, rows.values())
    answers = []
    taken: list[c.ReportIn] = []
    changes: list[tuple[object, ...]] = []
    seen: set[int] = set()
    for report in command.reports:
        row = rows.get(report.task_id)
        task = None if row is None else _snapshot(row)
        decision = accept_report(
            task,
            host.id,
            report.outcome,
            report.reason,
            replaced=row is not None and copies.replaced(row),
            foreign=row is not None and not is_of_class(host.kind, row.bound_to or ""),
        )
        if row is None or decision.fate == "refused":
            answers.append(c.ReportAnswer(report.task_id, "refused", decision.text))
            continue
        if decision.fate == "duplicate" or report.task_id in seen:
            answers.append(_again(row, report, report.task_id in seen, command.now))
            continue
        missing = _missing(report, uploaded)
        if missing:
            answers.append(
                c.ReportAnswer(report.task_id, "missing_files", "upload first", missing=missing)
            )
            continue
        seen.add(report.task_id)
        state = decision.state or row.state
        copies.now_in(row, state)
        ledger.step("task", row.id, row.state, state, decision.reason)
        success = state == "success"
        result.left += row.state == "in_progress"
        result.success += success
        result.error += state == "error"
        result.units.append(row.unit_id)
        manifest = report.manifest_hash if success else None
        changes.append(
            (
                *(state, decision.verdict, decision.reason, command.now, manifest, report.ops),
                *(report.elapsed_us, report.cpu_us, report.exit_code, report.profile, row.id),
            )
        )
        taken.append(report)
        answers.append(
            c.ReportAnswer(
                row.id,
                "accepted",
                outcome=state,
                manifest=manifest or b"",
                received_at=command.now,
            )
        )
    result.answers = tuple(answers)
    if taken:
        _store(db, taken, changes, result.units, command.now)
        result.tasks_max = next_limit(host.tasks_max, host.cores, 0, result.error)
    return result


class _Copies:
    """All replicas of the units whose given-up tasks are reported late. Most exchanges have none.

    The units are locked, and what this exchange takes is noted, so two late reports of one unit in
    one request are not both taken.
    """

    def __init__(
        self, db: Connection, distinct: tuple[c.Distinct, ...], rows: Iterable[sql.ReportedRow]
    ) -> None:
        self._distinct = distinct
        self._replicas: dict[int, dict[int, Replica]] = {}
        units = sorted({row.unit_id for row in rows if row.state == "timed_out"})
        if not units:
            return
        for task in db.fetch_all(sql.CANDIDATE_TASKS, unit_ids=units):
            if task.state != "unsent":
                self._replicas.setdefault(task.unit_id, {})[task.id] = replica(task)

    def replaced(self, row: sql.ReportedRow) -> bool:
        """Whether another live replica of the unit is in hands that must not have two."""
        if row.state != "timed_out":
            return False
        replicas = list(self._replicas[row.unit_id].values())
        return not may_still_speak(row.id, replicas, self._distinct)

    def now_in(self, row: sql.ReportedRow, state: str) -> None:
        """A report was taken."""
        known = self._replicas.get(row.unit_id)
        if known is not None:
            known[row.id] = msgspec.structs.replace(known[row.id], state=state)


def _snapshot(row: sql.ReportedRow) -> TaskSnapshot:
    return TaskSnapshot(id=row.id, n=0, state=row.state, host_id=row.host_id)  # type: ignore[arg-type]


def _again(row: sql.ReportedRow, report: c.ReportIn, twice: bool, now: int) -> c.ReportAnswer:
    """What the first report of the task was, for its receipt."""
    if twice:
        success = report.outcome == "success"
        manifest = report.manifest_hash if success else b""
        return c.ReportAnswer(
            row.id, "duplicate", outcome=report.outcome, manifest=manifest, received_at=now
        )
    return c.ReportAnswer(
        row.id,
        "duplicate",
        outcome=row.state,
        manifest=row.manifest or b"",
        received_at=row.received_at or 0,
    )


def _uploaded(db: Connection, command: c.Exchange) -> set[tuple[int, bytes]]:
    """(task, hash) of files that did not come inside the report but were uploaded for its task."""
    ids = [r.task_id for r in command.reports if any(f.data is None for f in r.files)]
    return set(db.fetch_all(file_sql.UPLOADS_DONE_OF_TASKS, task_ids=ids)) if ids else set()


def _missing(report: c.ReportIn, uploaded: set[tuple[int, bytes]]) -> tuple[bytes, ...]:
    return tuple(
        file.sha256
        for file in report.files
        if file.data is None and (report.task_id, file.sha256) not in uploaded
    )


def _store(
    db: Connection,
    taken: list[c.ReportIn],
    changes: list[tuple[object, ...]],
    units: list[int],
    now: int,
) -> None:
    # In the order of hashes: two exchanges that store equal files must not wait on each other.
    files = {file.sha256: file for report in taken for file in report.files}
    store_files(db, [files[digest] for digest in sorted(files)], now)
    manifests = {r.manifest_hash: r.manifest for r in taken if r.outcome == "success"}
    db.execute_many(file_sql.MANIFEST_INSERT, sorted(manifests.items()))
    db.execute_many(sql.REPORT_TAKEN, changes)
    db.execute_many(unit_sql.TASK_LOG_INSERT, [(r.task_id, r.stderr) for r in taken if r.stderr])
    db.execute(unit_sql.UNITS_WAKE, unit_ids=sorted(set(units)), now=now)
