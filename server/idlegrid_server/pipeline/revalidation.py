"""The job ``revalidate``: what another rule would change in a batch, and changing it.

First the whole stage is looked at under the new rule, and a report says what would be other than it
is: nothing is changed, but what was found of the outputs is kept. If its owner then wants it so,
the stage is gone through once more, and those units are opened again that the rule judges
otherwise; the passes decide on them as on any other.
"""

import logging
from collections.abc import Callable, Iterator

import msgspec

from idlegrid_server.domain.model import Relation, UnitPlan, UnitSnapshot
from idlegrid_server.domain.quorum import questions
from idlegrid_server.domain.revalidation import UnitDiff, difference, undecided
from idlegrid_server.domain.unit import reopen_unit
from idlegrid_server.faults import reach
from idlegrid_server.store.command import (
    FinishJob,
    OutputFinding,
    PairFinding,
    ReopenUnits,
    ReportRevalidation,
)
from idlegrid_server.store.sql.batch import STAGE_FACTS, STAGES_OF_BATCH
from idlegrid_server.store.sql.unit import UNITS_OF_STAGE_AFTER
from idlegrid_server.store.sql.validation import (
    COMPARISONS,
    OUTPUT_CHECKS,
    REVALIDATION_BY_ID,
    RevalidationRow,
)

from .finding import hold, keep_findings, try_later
from .judge import Judge, Rule, ValidatorFailed
from .lease import Interrupted, Lease
from .snapshot import unit_snapshots
from .tools import Tools

PAGE = 200
EXAMPLES_MAX = 20
log = logging.getLogger(__name__)


class Example(msgspec.Struct, frozen=True):
    """One unit that would be other than it is. ``results``: [n, verdict now, verdict then]."""

    unit: int
    before: str
    after: str
    canonical: bool
    results: tuple[tuple[int, str, str], ...]
    note: str = ""  # the first thing that the rule found amiss


class Report(msgspec.Struct):
    """What a rule would change in a stage."""

    units: int = 0  # looked at
    undecided: int = 0  # of these: not decided yet, so nothing to change
    changed: int = 0
    canonicals: int = 0  # another canonical result, or none
    verdicts: int = 0  # of single results
    opened: int = 0  # would need more tasks
    rescued: int = 0  # failed, and would be valid
    lost: int = 0  # valid, and would fail
    examples: list[Example] = msgspec.field(default_factory=list)

    def take(self, diff: UnitDiff | None) -> bool:
        """Count one unit; says whether it would change."""
        self.units += 1
        self.undecided += diff is None
        if not diff:
            return False
        self.changed += 1
        self.canonicals += diff.canonical
        self.verdicts += len(diff.tasks)
        self.opened += diff.after == "open"
        self.rescued += diff.before == "failed" and diff.after == "assimilated"
        self.lost += diff.before == "assimilated" and diff.after == "failed"
        return True


def run_revalidation(tools: Tools, lease: Lease, stopping: Callable[[], bool]) -> None:
    """Look at, or apply, the revalidation of a claimed job.

    Raises ``LeaseLost``, ``Interrupted``, ``StoreError`` and ``OSError``.
    """
    reach("revalidate.claimed")
    with tools.store.reading() as db:
        row = db.fetch_one(REVALIDATION_BY_ID, revalidation_id=lease.job.object_id)
    if row is None or row.state not in ("looking", "applying"):
        tools.store.execute(FinishJob(now=tools.clock(), job_id=lease.job.id, worker=lease.worker))
        return
    try:
        scan = _Scan(tools, lease, stopping, row)
        if row.state == "looking":
            _report(scan)
        else:
            _apply(scan)
    except ValidatorFailed as error:
        _failed(tools, lease, row, str(error))


class _Scan:
    """A stage gone through under another rule."""

    def __init__(
        self, tools: Tools, lease: Lease, stopping: Callable[[], bool], row: RevalidationRow
    ) -> None:
        self.tools = tools
        self.lease = lease
        self.stopping = stopping
        self.row = row
        self.judge: Judge | None = None
        if row.rule is not None and row.rule_hash is not None:
            with tools.store.reading() as db:
                facts = db.fetch_one(STAGE_FACTS, stage_id=row.stage_id)
            if facts is None:
                raise ValidatorFailed(f"stage {row.stage_id} does not exist")
            rule = Rule.read(row.rule, row.rule_hash, facts.release)
            self.judge = Judge(tools, lease, stopping, rule)

    def pieces(self, start: int = 0) -> Iterator[tuple[int | None, list[UnitSnapshot]]]:
        """(the index to go on from, or None at the end; units with what the rule says of them)."""
        at = start
        while True:
            if self.stopping():
                self.lease.give_back()
                raise Interrupted("a revalidation")
            self.lease.keep(f"looked at {at} units")
            with self.tools.store.reading() as db:
                rows = db.fetch_all(
                    UNITS_OF_STAGE_AFTER, stage_id=self.row.stage_id, after=at - 1, limit=PAGE
                )
                units = unit_snapshots(db, rows, self.row.rule_hash)
            following = rows[-1].idx + 1 if len(rows) == PAGE else None
            yield following, self._looked_at(units)
            if following is None:
                return
            at = following

    def _looked_at(self, units: list[UnitSnapshot]) -> list[UnitSnapshot]:
        if self.judge is None:
            return [msgspec.structs.replace(unit, relation=None) for unit in units]
        now = self.tools.clock()
        opened = [undecided(unit, unit.relation, now) for unit in units]
        wanted = [questions(unit) for unit in opened if unit is not None]
        outputs, pairs = self.judge.look(
            sorted({manifest for need in wanted for manifest in need.outputs}),
            sorted({both for need in wanted for both in need.pairs}),
        )
        keep_findings(self.tools, self.lease, self.row.rule_hash or b"", [*outputs, *pairs])
        return [learned(unit, outputs, pairs) for unit in units]

    def note(self, unit: UnitSnapshot) -> str:
        """The first thing that the rule found amiss with a unit's results."""
        if self.judge is None:
            return ""
        given = {"unit_ids": [unit.id], "validator": self.row.rule_hash}
        with self.tools.store.reading() as db:
            bad = [c.note for c in db.fetch_all(OUTPUT_CHECKS, **given) if c.outcome != "good"]
            bad += [c.note for c in db.fetch_all(COMPARISONS, **given) if not c.agrees]
        return next((note for note in bad if note), "")


def learned(
    unit: UnitSnapshot, outputs: list[OutputFinding], pairs: list[PairFinding]
) -> UnitSnapshot:
    """The unit, with what was found of its results just now."""
    own = {task.manifest for task in unit.tasks}
    known = unit.relation or Relation()
    sets = {name: set(getattr(known, name)) for name in Relation.__struct_fields__}
    for output in outputs:
        if output.manifest in own:
            sets[output.outcome].add(output.manifest)
    for both in pairs:
        if {both.a, both.b} <= own:
            sets["agree" if both.agrees else "differ"].add((both.a, both.b))
    relation = Relation(**{name: frozenset(members) for name, members in sets.items()})
    return msgspec.structs.replace(unit, relation=relation)


def _report(scan: _Scan) -> None:
    report = Report()
    for _, units in scan.pieces():
        for unit in units:
            diff = difference(unit, unit.relation, scan.tools.clock())
            if report.take(diff) and diff and len(report.examples) < EXAMPLES_MAX:
                results = tuple((task.n, task.before, task.after) for task in diff.tasks)
                note = scan.note(unit)
                report.examples.append(
                    Example(unit.index, diff.before, diff.after, diff.canonical, results, note)
                )
    reach("revalidate.looked")
    answer = scan.tools.store.execute(
        ReportRevalidation(
            now=scan.tools.clock(),
            job_id=scan.lease.job.id,
            worker=scan.lease.worker,
            report=msgspec.json.encode(report).decode(),
        )
    )
    hold(scan.lease, answer.status)


def _apply(scan: _Scan) -> None:
    with scan.tools.store.reading() as db:
        stages = db.fetch_all(STAGES_OF_BATCH, batch_id=scan.row.batch_id)
    start = next((s.reopen_from for s in stages if s.id == scan.row.stage_id), None) or 0
    status = "again"
    while status == "again":
        for following, units in scan.pieces(start):
            reach("revalidate.piece")
            status = _reopen(scan, units, following)
            if status == "again":
                break
            start = following or start


def _reopen(scan: _Scan, units: list[UnitSnapshot], following: int | None) -> str:
    now = scan.tools.clock()
    plans: list[UnitPlan] = []
    wake: list[int] = []
    for unit in units:
        if difference(unit, unit.relation, now):
            plans.append(reopen_unit(unit, now))
        elif unit.state in ("open", "provisional") and any(t.manifest for t in unit.tasks):
            wake.append(unit.id)  # its results may agree by now
    answer = scan.tools.store.execute(
        ReopenUnits(
            now=now,
            job_id=scan.lease.job.id,
            worker=scan.lease.worker,
            revalidation_id=scan.row.id,
            plans=tuple(plans),
            wake=tuple(wake),
            up_to=following,
        )
    )
    hold(scan.lease, answer.status)
    return answer.status


def _failed(tools: Tools, lease: Lease, row: RevalidationRow, why: str) -> None:
    """The rule itself fails: a trial ends with that; what is being applied is tried again later."""
    log.warning("A validator failed.", extra={"job": lease.job.id, "batch": row.batch_id})
    if row.state == "looking":
        tools.store.execute(
            ReportRevalidation(
                now=tools.clock(),
                job_id=lease.job.id,
                worker=lease.worker,
                report=None,
                reason=f"the validator failed: {why}",
            )
        )
        return
    text = f"the new rule of the batch is not applied yet, since it failed: {why}"
    try_later(tools, lease, row.stage_id, text, why)
