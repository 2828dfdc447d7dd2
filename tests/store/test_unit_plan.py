"""What passes decide about units, applied; and when a decision is void."""

import msgspec
import pytest

from idlegrid_server.domain.model import TaskChange, UnitChange, UnitPlan
from idlegrid_server.domain.unit import reopen_unit
from idlegrid_server.pipeline.snapshot import due_units, task_snapshot, unit_snapshot
from idlegrid_server.store import command as c
from idlegrid_server.store.sql import account as account_sql
from idlegrid_server.store.sql import unit as unit_sql
from idlegrid_shared.documents import Policy

from .world import World, failure, result


def test_plan_made_before_a_report_is_void(world: World) -> None:
    """The pass read, the report came, the pass applies: it must look again, not overwrite."""
    world.batch(1)
    first, second = world.host(), world.host()
    (a,), (b,) = first.take(), second.take()
    first.exchange(result(a.task_id, b"x"))
    with world.store.reading() as db:
        old = due_units(db, world.now, 10)
    second.exchange(result(b.task_id, b"x"))
    applied = world.apply(old)
    assert (applied.applied, applied.void) == (0, (a.unit_id,))
    assert world.unit(a.unit_id).state == "open"
    assert world.unit_pass().applied == 1
    assert world.unit(a.unit_id).state == "assimilated"
    world.check()


def test_plan_applied_twice_counts_once(world: World) -> None:
    """The answer of the first was lost; the second finds another version."""
    batch_id = world.batch(1)
    hosts = [world.host(), world.host()]
    for host in hosts:
        (task,) = host.take()
        host.exchange(result(task.task_id, b"x"))
    with world.store.reading() as db:
        units = due_units(db, world.now, 10)
    assert world.apply(units).applied == 1
    assert world.apply(units).void == (units[0].id,)
    assert world.stages(batch_id)[0].assimilated == 1
    world.check()


def test_disagreement_asks_a_third_and_the_liar_is_found(world: World) -> None:
    world.batch(1)
    hosts = [world.host() for _ in range(3)]
    for host, data in zip(hosts[:2], (b"right", b"wrong"), strict=True):
        (task,) = host.take()
        host.exchange(result(task.task_id, data))
    assert world.unit_pass().dispatchable
    (task,) = hosts[2].take()
    assert world.unit(task.unit_id).n_tasks == 3
    hosts[2].exchange(result(task.task_id, b"right"))
    world.unit_pass()
    assert [t.verdict for t in world.tasks(task.unit_id)] == ["valid", "invalid", "valid"]
    assert [host.row().n_invalid for host in hosts] == [0, 1, 0]
    assert [host.row().credit_micro for host in hosts] == [1_000_000, 0, 1_000_000]
    world.check()


def test_straggler_is_judged_and_paid_once(world: World) -> None:
    """A third result comes when two have agreed already: same credit, no second assimilation."""
    batch_id = world.batch(1, world.stage(policy=Policy(replicas=3, deadline_s=1000)))
    hosts = [world.host() for _ in range(3)]
    tasks = [host.take()[0] for host in hosts]
    for host, task in zip(hosts[:2], tasks[:2], strict=True):
        host.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    assert world.unit(tasks[0].unit_id).state == "assimilated"
    hosts[2].exchange(result(tasks[2].task_id, b"x"))
    world.unit_pass()
    assert [host.row().credit_micro for host in hosts] == [1_000_000] * 3
    assert world.stages(batch_id)[0].assimilated == 1
    world.check()


def test_too_many_errors_fail_the_unit_and_wake_the_batch(world: World) -> None:
    batch_id = world.batch(2, world.stage(policy=Policy(max_errors=0, deadline_s=1000)))
    host = world.host()
    (task,) = host.take()
    host.exchange(failure(task.task_id))
    assert world.unit_pass().made_due
    unit = world.unit(task.unit_id)
    assert (unit.state, unit.reason, unit.n_unsent) == ("failed", "too_many_errors", 0)
    assert world.stages(batch_id)[0].failed == 1
    assert world.batch_row(batch_id).due_at == world.now
    world.check()


def test_deadline_frees_the_host_and_sends_another(world: World) -> None:
    world.batch(1)
    ghost, other = world.host(), world.host()
    ghost.take()
    world.later(1011)
    assert world.unit_pass().dispatchable
    assert (ghost.row().n_in_progress, ghost.row().n_timed_out) == (0, 1)
    assert ghost.row().tasks_max == 4
    assert len(other.take(2)) == 1
    world.check()


def test_confirmed_results_prove_a_host(world: World) -> None:
    world.batch(4)
    hosts = [world.host(), world.host()]
    for _ in range(4):
        for host in hosts:
            (task,) = host.take()
            host.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    row = hosts[0].row()
    assert (row.state, row.n_valid, row.tasks_max) == ("trusted", 4, 16)
    assert world.story("host", row.id) == ["new", "probation", "trusted"]
    world.check()


def test_credit_reaches_the_account_that_had_the_host_when_it_was_sent(world: World) -> None:
    world.batch(1)
    owner = world.store.execute(
        c.CreateAccount(now=world.now, email="v@example.org", name="V", role="volunteer")
    ).account_id
    host, other = world.host(account_id=owner), world.host()
    tasks = [host.take()[0], other.take()[0]]
    world.store.execute(
        c.AssignHostAccount(now=world.now, host_id=host.id, account_id=None, actor="account:1")
    )
    for h, task in zip((host, other), tasks, strict=True):
        h.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    with world.store.reading() as db:
        account = db.fetch_one(account_sql.ACCOUNT_BY_ID, account_id=owner)
    assert account is not None
    assert account.credit_micro == 1_000_000
    world.check()


def test_reopened_unit_leaves_the_index_and_keeps_its_credit(world: World) -> None:
    batch_id = world.batch(2)
    hosts = [world.host(), world.host()]
    unit_id = 0
    for host in hosts:
        (task,) = host.take()
        unit_id = task.unit_id
        host.exchange(result(task.task_id, b"x"))
    world.unit_pass()
    row = world.unit(unit_id)
    with world.store.reading() as db:
        stage = db.fetch_all(unit_sql.UNIT_STAGES, stage_ids=[row.stage_id])[0]
    unit = unit_snapshot(row, [task_snapshot(task) for task in world.tasks(unit_id)], stage)
    world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(reopen_unit(unit, world.now),)))
    assert world.unit(unit_id).state == "open"
    assert world.stages(batch_id)[0].assimilated == 0
    world.check()
    world.unit_pass()
    assert world.unit(unit_id).state == "assimilated"
    assert hosts[0].row().credit_micro == 1_000_000
    world.check()


def test_step_that_no_table_allows_changes_nothing_and_tells_the_story(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    version = world.unit(task.unit_id).version
    plan = UnitPlan(task.unit_id, version, steps=(UnitChange("retired", "removed"),))
    with pytest.raises(c.StoreRefused, match="cannot go from open to retired") as caught:
        world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(plan,)))
    assert caught.value.code == "invalid_transition"
    sent = UnitPlan(task.unit_id, version, tasks=(TaskChange(task.task_id, "unsent"),))
    with pytest.raises(c.StoreRefused, match="unsent → in_progress"):
        world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(sent,)))
    assert world.unit(task.unit_id).version == version
    world.check()


def test_task_of_another_unit_is_refused(world: World) -> None:
    world.batch(2)
    host = world.host()
    one, two = host.take(2)
    plan = UnitPlan(
        one.unit_id,
        world.unit(one.unit_id).version,
        tasks=(TaskChange(two.task_id, "timed_out", None, "deadline"),),
    )
    with pytest.raises(c.StoreRefused, match="is not of unit"):
        world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(plan,)))
    world.check()


def test_more_plans_than_a_command_may_hold_are_refused(world: World) -> None:
    plans = tuple(UnitPlan(i, 0) for i in range(c.PLANS_MAX + 1))
    with pytest.raises(ValueError, match="at most 500"):
        c.ApplyUnitPlans(now=world.now, plans=plans)


def test_alerts_become_incidents_that_are_counted(world: World) -> None:
    """Equal bytes by unequal ops: an admin should see it, nobody is judged by it."""
    world.batch(1)
    for ops in (1_000, 2_000):
        host = world.host()
        (task,) = host.take()
        report = msgspec.structs.replace(result(task.task_id, b"x"), ops=ops)
        host.exchange(report)
    world.unit_pass()
    with world.store.reading() as db:
        (incident,) = db.fetch_all(account_sql.INCIDENTS_NEWEST, limit=10)
    assert (incident.code, incident.times) == ("ops_differ", 1)
    world.check()


def test_a_release_with_its_own_checkpoints_raises_no_such_alert(store: c.Store) -> None:
    """The pass reads it off the stage's release."""
    world = World(store, checkpoint="app")
    world.batch(1)
    for ops in (1_000, 2_000):
        host = world.host()
        (task,) = host.take()
        host.exchange(msgspec.structs.replace(result(task.task_id, b"x"), ops=ops))
    world.unit_pass()
    assert [task.verdict for task in world.tasks(task.unit_id)] == ["valid", "valid"]
    with world.store.reading() as db:
        assert db.fetch_all(account_sql.INCIDENTS_NEWEST, limit=10) == []
    world.check()
