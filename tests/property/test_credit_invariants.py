"""Whatever came of a unit, its plan pays equally, once, the right ones, and no more than agreed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_server.domain.credit import credit_micro
from idlegrid_server.domain.model import Hold, Standing, TaskSnapshot, UnitPlan, UnitSnapshot
from idlegrid_server.domain.unit import decide_unit
from idlegrid_shared.documents import Policy

SECOND = 1_000_000
NOW = 10**6 * SECOND
HOSTS = st.integers(1, 5)
POLICIES = st.sampled_from(
    [
        Policy(),
        Policy(quorum=1, replicas=1),
        Policy(quorum=3, replicas=3),
        Policy(replication="credibility", audit=0.0),
        Policy(replication="credibility", finality=0),
        Policy(replication="adaptive"),
    ]
)


@st.composite
def tasks(draw: st.DrawFn) -> tuple[TaskSnapshot, ...]:
    """Up to five copies, each with a host of its own."""
    found = []
    for n in range(draw(st.integers(1, 5))):
        state = draw(st.sampled_from(["success", "success", "success", "in_progress", "error"]))
        sent = NOW - draw(st.integers(1, 10**5)) * SECOND
        values: dict[str, object] = {"host_id": n + 1, "sent_at": sent}
        values["deadline_at"] = sent + 10**6 * SECOND
        if state == "success":
            values["verdict"] = draw(st.sampled_from(["pending", "inconclusive"]))
            values["received_at"] = draw(st.integers(sent, NOW))
            values["manifest"] = bytes([draw(st.integers(1, 2))]) * 32
            values["ops"] = draw(st.integers(0, 10**14))
            values["took_us"] = draw(st.integers(0, 10**12))
            values["ops_per_second"] = draw(st.integers(0, 10**11))
            values["credit_micro"] = draw(st.sampled_from([None, None, None, 5]))
        found.append(TaskSnapshot(id=n + 1, n=n, state=state, **values))  # type: ignore[arg-type]
    return tuple(found)


@st.composite
def units(draw: st.DrawFn) -> UnitSnapshot:
    """A unit that is open, or holds one of its results for later."""
    policy, copies = draw(POLICIES), draw(tasks())
    standings = tuple(
        Standing(
            host,
            house=draw(st.booleans()),
            passed=float(draw(st.integers(0, 60))),
            checks=draw(st.integers(0, 60)),
            streak=draw(st.integers(0, 60)),
            caught_at=draw(st.sampled_from([None, None, None, NOW])),
        )
        for host in range(1, 6)
    )
    pending = [task for task in copies if task.verdict == "pending"]
    held = None
    if policy.replication == "credibility" and policy.finality and pending and draw(st.booleans()):
        held = pending[0]
    return UnitSnapshot(
        id=1,
        stage_id=1,
        batch_id=1,
        index=0,
        state="open" if held is None else "provisional",
        version=0,
        policy=policy,
        tasks=copies,
        target=draw(st.integers(1, 3)),
        canonical_task=None if held is None else held.id,
        canonical_manifest=None if held is None else held.manifest,
        hold=None if held is None else Hold(held.host_id or 0, draw(st.integers(0, 60))),
        standings=standings,
        draw_seed=bytes(32),
        metered=draw(st.booleans()),
        p90_micro=draw(st.sampled_from([None, 10**3, 10**6, 10**9])),
    )


def decided(unit: UnitSnapshot) -> tuple[UnitPlan, dict[int, int], dict[int, int]]:
    """The plan, what it pays and what it books, by the task's id."""
    plan = decide_unit(unit, NOW)
    paid = {c.task_id: c.credit_micro for c in plan.tasks if c.credit_micro is not None}
    booked = {c.task_id: c.pending_micro for c in plan.tasks if c.pending_micro is not None}
    return plan, paid, booked


@settings(max_examples=400)
@given(units())
def test_all_that_a_plan_pays_is_equal_and_goes_to_right_results_alone(unit: UnitSnapshot) -> None:
    plan, paid, _ = decided(unit)
    assert len(set(paid.values())) <= 1
    by_id = {task.id: task for task in unit.tasks}
    for task_id in paid:
        assert by_id[task_id].credit_micro is None, "paid a second time"
        (change,) = [change for change in plan.tasks if change.task_id == task_id]
        assert change.verdict == "valid"
        assert by_id[task_id].state == "success"
    if paid:
        assert plan.assimilate


@settings(max_examples=400)
@given(units())
def test_nobody_is_paid_more_than_the_least_that_agreed(unit: UnitSnapshot) -> None:
    plan, paid, _ = decided(unit)
    if not paid or not unit.metered:
        return
    worth = next(iter(paid.values()))
    if plan.agreed_micro is not None:
        assert worth == plan.agreed_micro
        agreed = [
            task
            for task in unit.tasks
            if task.state == "success" and task.manifest == plan.canonical_manifest
        ]
        assert len(agreed) >= 2
        claims = [credit_micro(task.ops) for task in agreed]
        assert min(claims) <= worth <= sorted(claims)[-2], "more than a second one confirms"
    else:
        assert all(worth <= credit_micro(task.ops) for task in unit.tasks if task.id in paid) or (
            len(paid) > 1
        )
        if unit.p90_micro is not None:
            assert worth <= unit.p90_micro


@settings(max_examples=400)
@given(units())
def test_what_waits_is_booked_once_when_the_unit_is_held(unit: UnitSnapshot) -> None:
    plan, paid, booked = decided(unit)
    ends = plan.steps[-1].state if plan.steps else unit.state
    holds_now = ends == "provisional" and bool(plan.steps)
    assert set(booked) == ({plan.canonical_task} if holds_now else set())
    assert not set(booked) & set(paid)
    if unit.p90_micro is not None:
        assert all(micro <= unit.p90_micro for micro in booked.values())


@settings(max_examples=200)
@given(units())
def test_work_that_is_not_counted_is_bound_by_the_stage(unit: UnitSnapshot) -> None:
    _, paid, booked = decided(unit)
    if unit.metered or unit.p90_micro is None:
        return
    assert all(micro <= 2 * unit.p90_micro for micro in paid.values())
    assert all(micro <= unit.p90_micro for micro in booked.values())
