"""Which tasks a host gets, and what it is told when there are not more."""

import pytest

from idlegrid_server.domain.model import UnitPlan
from idlegrid_server.store import command as c

from .world import GIB, World, failure, result


def codes(answer: c.ExchangeResult) -> list[str]:
    """Why there was not more."""
    return [refusal.code for refusal in answer.refusals]


def test_begun_units_go_first(world: World) -> None:
    """Ending units ends batches; fresh ones come when no begun one is left."""
    world.batch(3)
    first, second = world.host(), world.host()
    begun = [task.unit_id for task in first.take(2)]
    given = second.take(2)
    assert [task.unit_id for task in given] == begun
    (fresh,) = second.take(1, held=[task.task_id for task in given])
    assert fresh.unit_id not in begun


def test_one_request_gets_many_tasks_of_different_units(world: World) -> None:
    world.batch(20)
    host = world.host(cores=8)
    tasks = host.take(12)
    assert len({task.unit_id for task in tasks}) == 12
    assert host.row().n_in_progress == 12
    world.check()


def test_never_two_tasks_of_a_unit_to_one_host(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    answer = host.exchange(result(task.task_id, b"x"), want=1)
    assert answer.tasks == ()
    assert codes(answer) == ["partner"]
    assert answer.refusals[0].count == 1


def test_never_two_tasks_of_a_unit_to_one_owner(world: World) -> None:
    world.batch(1)
    first, second = (world.host(account_id=world.account_id) for _ in range(2))
    assert len(first.take()) == 1
    assert codes(second.exchange(want=1)) == ["partner"]
    world.check()


def test_never_two_tasks_of_a_unit_to_one_subnet(world: World) -> None:
    world.batch(1)
    first = world.host(subnet="192.0.2.0/24")
    second = world.host(account_id=world.account_id, subnet="192.0.2.0/24")
    assert len(first.take()) == 1
    assert codes(second.exchange(want=1)) == ["partner"]
    world.check()


def test_in_a_lab_only_the_host_must_differ(world: World) -> None:
    world.distinct = ("host",)
    world.batch(1)
    first, second = (world.host(subnet="127.0.0.0/24") for _ in range(2))
    assert len(first.take()) == 1
    assert len(second.take()) == 1
    world.check()


def test_host_does_not_get_a_unit_that_failed_on_it(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    host.exchange(c.ReportIn(task.task_id, "error", "trap"))
    world.unit_pass()
    assert codes(host.exchange(want=1)) == ["partner"]
    assert len(world.host().take()) == 1
    world.check()


def test_no_more_in_progress_than_the_cap(world: World) -> None:
    world.batch(30)
    host = world.host()
    answer = host.exchange(want=30)
    assert len(answer.tasks) == host.row().tasks_max == 8
    assert codes(answer) == ["cap"]
    held = [task.task_id for task in answer.tasks]
    assert codes(host.exchange(want=1, held=held)) == ["cap"]
    world.check()


def test_too_little_memory_is_told_with_counts(world: World) -> None:
    world.batch(5, world.stage(memory_bytes=6 * GIB))
    host = world.host()
    answer = host.exchange(want=1, memory=4 * GIB)
    assert answer.refusals == (
        c.Refused("memory", 5, "5 units need 6 GB of memory, more than you allow."),
    )
    assert len(host.take()) == 1


def test_another_runtime_is_told_with_counts(world: World) -> None:
    world.batch(5, world.stage(profile="engine2"))
    answer = world.host().exchange(want=1)
    assert (codes(answer), answer.refusals[0].count) == (["profile"], 5)


def test_no_batch_at_all(world: World) -> None:
    assert codes(world.host().exchange(want=1)) == ["no_work"]


def test_quarantined_host_reports_but_gets_nothing(world: World) -> None:
    world.batch(2)
    host = world.host()
    (task,) = host.take()
    world.store.execute(
        c.SetHostState(
            now=world.now, host_id=host.id, state="quarantined", reason="differs", actor="x"
        )
    )
    answer = host.exchange(result(task.task_id, b"x"), want=1)
    assert answer.answers[0].fate == "accepted"
    assert codes(answer) == ["quarantined"]


def test_urgent_batches_go_first(world: World) -> None:
    world.batch(5)
    urgent = world.batch(5, priority=10)
    assert world.host().take()[0].batch_id == urgent


def test_empty_queue_is_left_alone_until_a_retry_needs_it(world: World) -> None:
    batch_id = world.batch(1)
    first, second, third = world.host(), world.host(), world.host()
    (task,) = first.take()
    second.take()
    assert world.stages(batch_id)[0].dispatchable == 1
    assert codes(third.exchange(want=1)) == ["no_work"]
    assert world.stages(batch_id)[0].dispatchable == 0
    first.exchange(c.ReportIn(task.task_id, "error", "trap"))
    assert world.unit_pass().dispatchable
    assert world.stages(batch_id)[0].dispatchable == 1
    assert len(third.take()) == 1
    world.check()


def test_units_behind_a_head_that_a_host_must_not_have_are_found(world: World) -> None:
    """All begun units at the head wait for partners; a unit begun by others lies far behind.

    Without a second look from another point, this host would starve although there is work for it.
    """
    world.batch(41)
    mine, other = world.host(cores=64), world.host(cores=64)
    held = [task.task_id for task in mine.take(40)]
    theirs = other.take(41)
    other.exchange(*(failure(t.task_id) for t in theirs if t.index < 40), held=[theirs[-1].task_id])
    assert theirs[-1].index == 40
    world.unit_pass()  # makes one more task for each of the 40
    for _ in range(50):
        given = mine.take(1, held)
        if given:
            break
    assert [task.index for task in given] == [40]
    world.check()


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_paused_and_ended_batches_send_nothing(world: World, state: str) -> None:
    batch_id = world.batch(3)
    values = {"now": world.now, "batch_id": batch_id, "reason": "owner", "actor": "account:1"}
    command = c.PauseBatch if state == "paused" else c.CancelBatch
    world.store.execute(command(**values))
    assert codes(world.host().exchange(want=1)) == ["no_work"]
    world.check()


def test_resumed_batch_sends_again(world: World) -> None:
    batch_id = world.batch(3)
    world.store.execute(
        c.PauseBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    assert world.batch_row(batch_id).resume_state == "running"
    assert world.store.execute(
        c.ResumeBatch(now=world.now, batch_id=batch_id, actor="account:1")
    ).changed
    assert len(world.host().take()) == 1
    world.check()


def reserve(world: World, unit_id: int, rank: int = 2) -> None:
    """As a pass does with a retry."""
    plan = UnitPlan(unit_id=unit_id, version=world.unit(unit_id).version, rank=rank)
    assert world.store.execute(c.ApplyUnitPlans(now=world.now, plans=(plan,))).applied == 1


def test_a_reserved_unit_goes_to_proven_hosts_first_of_all(world: World) -> None:
    world.batch(3)
    first = world.host().take(3)
    reserve(world, first[1].unit_id)
    assert world.unit(first[1].unit_id).rank == 2
    novice, proven = world.host(), world.prove(world.host())
    assert first[1].unit_id not in [task.unit_id for task in novice.take(3)]
    assert proven.take(1)[0].unit_id == first[1].unit_id
    assert world.unit(first[1].unit_id).rank == 2
    world.check()


def test_what_is_reserved_is_told_with_counts(world: World) -> None:
    world.batch(2)
    for task in world.host().take(2):
        reserve(world, task.unit_id)
    answer = world.host().exchange(want=1)
    assert [(r.code, r.count) for r in answer.refusals] == [("reserved", 2)]
    assert len(world.prove(world.host()).take(2)) == 2


def test_a_reservation_ends_by_a_plan(world: World) -> None:
    world.batch(1)
    (task,) = world.host().take()
    assert world.unit(task.unit_id).rank == 1
    reserve(world, task.unit_id)
    waiting = world.host()
    assert waiting.take() == []
    reserve(world, task.unit_id, rank=1)
    assert waiting.take()[0].unit_id == task.unit_id
    world.check()
