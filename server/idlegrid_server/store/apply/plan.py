"""What a transition pass decided, applied: all plans of a command together, in few statements."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from idlegrid_server.domain.draft import DISPUTED
from idlegrid_server.domain.matching import NAMED
from idlegrid_server.domain.model import TaskChange, UnitPlan
from idlegrid_server.domain.tail import is_in_tail
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.check import Checks, read_checks
from idlegrid_server.store.apply.host_count import HostCounts
from idlegrid_server.store.apply.payment import Payments
from idlegrid_server.store.apply.pulse import Pulses
from idlegrid_server.store.apply.sample import Samples
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import account as account_sql
from idlegrid_server.store.sql import batch as batch_sql
from idlegrid_server.store.sql import job as job_sql
from idlegrid_server.store.sql import output as output_sql
from idlegrid_server.store.sql import reputation as reputation_sql
from idlegrid_server.store.sql import unit as sql

#: Unit states that a stage counts.
COUNTED = ("assimilated", "failed", "cancelled", "provisional")
#: Unit states in which results without a verdict may still get one.
UNDECIDED = ("open", "provisional")
#: States of a task that its host had and that end its work on it.
ENDED_FROM = "in_progress"


@dataclass
class _Work:
    """The rows that a command's plans come to."""

    db: Connection
    ledger: Ledger
    checks: Checks
    hosts: HostCounts
    payments: Payments
    samples: Samples = field(default_factory=Samples)
    units: list[tuple[object, ...]] = field(default_factory=list)
    tasks: list[tuple[object, ...]] = field(default_factory=list)
    new_tasks: list[tuple[int, int]] = field(default_factory=list)
    outputs: list[tuple[int]] = field(default_factory=list)
    retracted: list[tuple[int, int]] = field(default_factory=list)
    incidents: list[tuple[object, ...]] = field(default_factory=list)
    stages: dict[int, dict[str, int]] = field(default_factory=dict)
    batches: dict[int, int] = field(default_factory=dict)  # stage → batch
    queued: set[int] = field(default_factory=set)
    held: list[int] = field(default_factory=list)
    ends: dict[int, str] = field(default_factory=dict)  # unit → the state it comes to
    jobless: list[int] = field(default_factory=list)
    pulses: Pulses = field(default_factory=Pulses)
    new_reasons: dict[int, str] = field(default_factory=dict)  # unit → why it gets new tasks
    validations: list[int] = field(default_factory=list)


def apply_unit_plans(db: Connection, command: c.ApplyUnitPlans) -> c.ApplyUnitPlansResult:
    """Apply the plans whose units have not changed since; the others are void."""
    if not command.plans:
        return c.ApplyUnitPlansResult(0)
    task_ids = [change.task_id for plan in command.plans for change in plan.tasks]
    tasks = {row.id: row for row in db.fetch_all(sql.TASKS_CHANGING, task_ids=task_ids)}
    ledger, hosts = Ledger(db, command.now, command.actor), HostCounts()
    payments = Payments(db, ledger, hosts)
    named = {row.host_id for row in tasks.values() if row.host_id is not None}
    named.update(payments.read(tasks.values()))
    undecided = _undecided(db, command.plans, tasks)
    named.update(host_id for _, _, host_id in undecided)
    for plan in command.plans:
        named.update(check.host_id for check in plan.checks)
        if plan.hold is not None:
            named.add(plan.hold.host_id)
    hosts.lock(db, named)
    nearly_final = _nearly_final(db, command.plans, tasks)
    unit_ids = sorted({*(plan.unit_id for plan in command.plans), *nearly_final})
    units = {row.id: row for row in db.fetch_all(sql.UNITS_LOCK, unit_ids=unit_ids)}
    stages = {units[p.unit_id].stage_id for p in command.plans if p.unit_id in units}
    checks = read_checks(db, command.now, named, stages)
    work = _Work(db, ledger, checks, hosts, payments)
    void = []
    for plan in sorted(command.plans, key=_catches_nobody):
        unit = units.get(plan.unit_id)
        canonical = tasks.get(plan.canonical_task or 0)
        if (
            unit is None
            or unit.version != plan.version
            or checks.relies_on_caught(plan, canonical.host_id if canonical else None)
        ):
            void.append(plan.unit_id)
        else:
            _plan(work, unit, plan, tasks)
    _count_undecided(work, units, undecided)
    woken = _write(work, command.now)
    if nearly_final or work.held:
        # One that is held from now on may be final already: by checks of this very command.
        held = sorted({*nearly_final, *work.held})
        db.execute(reputation_sql.HELD_FINAL_WAKE, unit_ids=held, now=command.now)
    return c.ApplyUnitPlansResult(
        applied=len(command.plans) - len(void),
        void=tuple(sorted(void)),
        made_due=woken,
        dispatchable=bool(work.queued),
    )


def _undecided(
    db: Connection, plans: Sequence[UnitPlan], tasks: Mapping[int, sql.ChangingRow]
) -> list[tuple[int, int, int]]:
    """Results without a verdict that plans leave alone, of units that they end or open again.

    Task, unit and host. Few plans do either.
    """
    units = {
        plan.unit_id
        for plan in plans
        if any(step.state in ("open", "failed", "cancelled") for step in plan.steps)
    }
    if not units:
        return []
    rows = db.fetch_all(sql.TASKS_INCONCLUSIVE, unit_ids=sorted(units))
    return [row for row in rows if row[0] not in tasks]


def _count_undecided(
    work: _Work, units: Mapping[int, sql.UnitRow], undecided: Sequence[tuple[int, int, int]]
) -> None:
    for _, unit_id, host_id in undecided:
        if unit_id in work.ends:
            was, is_now = units[unit_id].state in UNDECIDED, work.ends[unit_id] in UNDECIDED
            work.hosts.of(host_id).unjudged += is_now - was


def _waits(verdict: str | None, state: str) -> bool:
    """Whether a result may still get another verdict, in a unit of this state."""
    return verdict == "pending" or (verdict == "inconclusive" and state in UNDECIDED)


def _catches_nobody(plan: UnitPlan) -> bool:
    """Plans that find a host to be wrong go first: none in the same command may rely on it."""
    return all(check.passed for check in plan.checks)


def _nearly_final(
    db: Connection, plans: Sequence[UnitPlan], tasks: dict[int, sql.ChangingRow]
) -> list[int]:
    """Provisional units that these plans may make final: locked with the others, in one order.

    By checks that their host passed, or by the end of a dispute that it was in.
    """
    passed = Counter(check.host_id for plan in plans for check in plan.checks if check.passed)
    changes = [(tasks[change.task_id], change) for plan in plans for change in plan.tasks]
    settled = {
        task.host_id
        for task, change in changes
        if task.reason == DISPUTED and task.host_id and change.reason not in ("", DISPUTED)
    }
    if not passed and not settled:
        return []
    return db.fetch_all(
        reputation_sql.HELD_NEARLY_FINAL,
        host_ids=sorted({*passed, *settled}),
        most=max(passed.values(), default=0),
    )


def _plan(
    work: _Work, unit: sql.UnitRow, plan: UnitPlan, tasks: dict[int, sql.ChangingRow]
) -> None:
    unsent = unit.n_unsent + plan.new_tasks
    for change in plan.tasks:
        task = tasks[change.task_id]
        if task.unit_id != unit.id:
            raise c.StoreRefused("foreign_task", f"task {task.id} is not of unit {unit.id}")
        unsent -= task.state == "unsent" and change.state not in (None, "unsent")
        _task(work, unit, task, change, plan.steps[-1].state if plan.steps else unit.state)
    state, reason = unit.state, unit.reason
    for step in plan.steps:
        work.ledger.step("unit", unit.id, state, step.state, step.reason)
        _count(work, unit, state, step.state)
        state, reason = step.state, step.reason
    work.ends[unit.id] = state
    canonical = (unit.canonical_task, unit.canonical_manifest)
    if plan.canonical_manifest is not None:
        canonical = (plan.canonical_task, plan.canonical_manifest)
    elif state == "open":
        canonical = (None, None)
    target = unit.target if plan.target is None else plan.target
    n_tasks = unit.n_tasks + plan.new_tasks
    rank = unit.rank if plan.rank is None or unit.rank == NAMED else plan.rank
    agreed = work.payments.take_unit(unit, plan)
    work.units.append(
        (
            *(state, reason, target, n_tasks, unsent, rank, plan.reserved_until, plan.due_at),
            *(*canonical, agreed, *_hold(work, unit, plan, state), unit.id),
        )
    )
    work.checks.add(unit.stage_id, plan.checks)
    work.new_tasks += [(unit.id, unit.n_tasks + i) for i in range(plan.new_tasks)]
    if plan.new_tasks:
        work.queued.add(unit.stage_id)
        work.new_reasons[unit.id] = plan.new_reason
    if plan.news is not None:
        work.pulses.add(unit.stage_id, plan.news, ended=_ends(unit.state, state))
    if plan.assimilate:
        work.outputs.append((unit.id,))
        if plan.canonical_task in tasks:
            work.samples.agreed(unit.stage_id, tasks[plan.canonical_task])
            work.checks.took(unit.stage_id, tasks[plan.canonical_task].ops or 0)
    if plan.retract and unit.known is None:
        work.retracted.append((unit.id, unit.batch_id))
    if state == "cancelled" and unit.state != state and unit.n_tasks == 0:
        work.jobless.append(unit.id)
    if plan.compare:
        work.validations.append(unit.id)
    for alert in plan.alerts:
        source = f"unit:{unit.id}" if alert.task_id is None else f"task:{alert.task_id}"
        work.incidents.append((alert.code, source, alert.text, work.ledger.now))


def _hold(
    work: _Work, unit: sql.UnitRow, plan: UnitPlan, state: str
) -> tuple[int | None, str | None, int | None]:
    """Whose word a provisional unit waits for, and until how many checks of which subject."""
    if state != "provisional":
        return None, None, None
    if plan.hold is None:
        return unit.held_by, unit.held_for, unit.final_at
    if unit.state != "provisional":
        work.held.append(unit.id)
    subject = work.checks.subjects[unit.stage_id].app
    work.checks.begin(plan.hold.host_id, subject)
    return plan.hold.host_id, subject, plan.hold.final_at


def _task(
    work: _Work, unit: sql.UnitRow, task: sql.ChangingRow, change: TaskChange, unit_state: str
) -> None:
    """One task's change, in a unit that comes to ``unit_state``."""
    state, verdict = task.state, task.verdict
    host = None if task.host_id is None else work.hosts.of(task.host_id)
    if change.state is not None and change.state != state:
        work.ledger.step("task", task.id, state, change.state, change.reason)
        if host is not None:
            host.in_progress -= state == ENDED_FROM
            host.timed_out += change.state == "timed_out"
            host.error += (change.state == "error") - (state == "error")
            host.success += (change.state == "success") - (state == "success")
            if change.state == "timed_out":
                work.samples.timed_out(task)
        state = change.state
        verdict = "pending" if state == "success" else None
    if change.verdict is not None and change.verdict != verdict:
        work.ledger.step("verdict", task.id, verdict, change.verdict, change.reason)
        if change.verdict == "valid":
            work.samples.confirmed(task)
            if task.host_id is not None:
                work.checks.confirm(unit.stage_id, work.hosts.standing[task.host_id])
        if host is not None:
            host.valid += (change.verdict == "valid") - (verdict == "valid")
            host.invalid += (change.verdict == "invalid") - (verdict == "invalid")
        verdict = change.verdict
    if host is not None:
        host.unjudged += _waits(verdict, unit_state) - _waits(task.verdict, unit.state)
    credit = task.credit_micro
    if change.credit_micro is not None and credit is None:
        credit = change.credit_micro
        work.payments.pay(task, credit, unit.stage_id)
    elif change.pending_micro is not None:
        work.payments.book(task, change.pending_micro)
    work.tasks.append((state, verdict, change.reason or task.reason, credit, task.id))


def _ends(before: str, after: str) -> bool:
    """Whether a unit has ended with a step; one that is only held has not."""
    return after != before and after in COUNTED and after != "provisional"


def _count(work: _Work, unit: sql.UnitRow, before: str, after: str) -> None:
    counts = work.stages.setdefault(unit.stage_id, dict.fromkeys(COUNTED, 0))
    work.batches[unit.stage_id] = unit.batch_id
    if before in counts and after != "retired":
        counts[before] -= 1
    if after in counts:
        counts[after] += 1


def _write(work: _Work, now: int) -> bool:
    """Write everything; hosts before stages before batches, so that locks come in one order."""
    db = work.db
    work.payments.settle()
    db.execute_many(sql.TASKS_DECIDED, work.tasks)
    if work.new_tasks:
        db.execute_many(sql.TASKS_INSERT, work.new_tasks)
        made = set(work.new_tasks)
        unit_ids = sorted({unit_id for unit_id, _ in made})
        for task_id, unit_id, n in db.fetch_all(sql.TASKS_NEW, unit_ids=unit_ids):
            if (unit_id, n) in made:
                work.ledger.step("task", task_id, None, "unsent", work.new_reasons[unit_id])
    db.execute_many(sql.UNITS_DECIDED, work.units)
    _retract(work)
    db.execute_many(output_sql.OUTPUT_INSERT, work.outputs)
    db.execute_many(account_sql.INCIDENT_RECORD, work.incidents)
    work.hosts.write(db, work.ledger, work.checks)
    work.checks.write(db)
    work.payments.write()
    work.samples.write(db)
    db.execute_many(
        job_sql.JOB_INSERT, [("validate", unit_id, now) for unit_id in sorted(work.validations)]
    )
    if work.jobless:
        _cancel_jobs(work)
    for stage_id in sorted(work.queued):
        db.execute(batch_sql.STAGE_QUEUED, stage_id=stage_id)
    woken = _count_stages(work, now)
    work.pulses.write(db)
    work.ledger.write()
    return woken


def _retract(work: _Work) -> None:
    for unit_id, batch_id in work.retracted:
        if not work.db.execute(output_sql.OUTPUT_FORGET, unit_id=unit_id):
            work.db.execute(output_sql.OUTPUT_RETRACT, unit_id=unit_id)
            work.db.execute(batch_sql.BATCH_ANSWER_STALE, batch_id=batch_id)


def _cancel_jobs(work: _Work) -> None:
    """Combines whose units were cancelled are not to run."""
    for job in work.db.fetch_all(
        job_sql.JOBS_LIVE_OF_OBJECTS, kind="combine", object_ids=work.jobless
    ):
        work.db.execute(
            job_sql.JOB_END,
            job_id=job.id,
            state="cancelled",
            reason="unit_cancelled",
            errors=job.errors,
            finished_at=work.ledger.now,
        )


def _count_stages(work: _Work, now: int) -> bool:
    """Count ended units; a stage that is complete, has a failure or comes to its tail wakes its
    batch, and so does each canary."""
    batches = set()
    for stage_id, counts in sorted(work.stages.items()):
        if not any(counts.values()):
            continue
        stage = work.db.fetch_one(batch_sql.STAGE_COUNT, stage_id=stage_id, **counts)
        if stage is None:
            continue
        expected, ended, now_is, batch_state = stage
        reopened = any(count < 0 for state, count in counts.items() if state != "provisional")
        if reopened and now_is != "running":
            raise c.StoreRefused(
                "stage_closed",
                f"stage {stage_id} is {now_is}: its units cannot be opened again",
            )
        before = ended - sum(counts.values()) + counts["provisional"]
        crossed = is_in_tail(ended, expected) and not is_in_tail(before, expected)
        if ended == expected or counts["failed"] or reopened or batch_state == "canary" or crossed:
            batches.add(work.batches[stage_id])
    for batch_id in sorted(batches):
        work.db.execute(batch_sql.BATCH_WAKE, batch_id=batch_id, now=now)
    return bool(batches)
