"""Server-side abort (BOINC.md 3.17), tasks that are lost, and deadlines that move."""

import pytest

from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_shared.documents import Policy

from .world import SECOND, Host, World, result

ONE_OF_TWO = Policy(quorum=1, replicas=2, max_tasks=4, deadline_s=1_000)


def two_hosts(world: World) -> tuple[int, Host, c.Assignment]:
    """A unit that one host has decided while another holds its copy: (batch, other, its task)."""
    batch_id = world.batch(1, world.stage(policy=ONE_OF_TWO))
    quick, slow = world.host(), world.host()
    mine, theirs = quick.take(1)[0], slow.take(1)[0]
    quick.exchange(result(mine.task_id, b"x"))
    world.run_passes()
    assert world.unit(mine.unit_id).state == "assimilated"
    return batch_id, slow, theirs


def begun(*tasks: int, progress: float = 0.5) -> tuple[c.RunningTask, ...]:
    return tuple(c.RunningTask(task, progress) for task in tasks)


def test_a_copy_that_nobody_began_is_taken_back_when_its_unit_is_decided(world: World) -> None:
    _, slow, task = two_hosts(world)
    told = slow.exchange(held=[task.task_id], running=())
    assert told.cancel == (task.task_id,)
    assert slow.row().n_in_progress == 1
    after = slow.exchange(running=())
    assert after.tasks == (), "work that nobody needs was sent again"
    assert slow.row().n_in_progress == 0
    assert world.story("task", task.task_id)[-1] == "aborted"
    world.run_passes()
    world.check()


def test_a_copy_that_was_begun_may_end_and_is_credited(world: World) -> None:
    _, slow, task = two_hosts(world)
    told = slow.exchange(held=[task.task_id], running=begun(task.task_id))
    assert told.cancel == ()
    slow.exchange(result(task.task_id, b"x"))
    world.run_passes()
    assert slow.row().n_valid == 1
    world.check()


def test_an_older_client_does_not_say_what_it_began_and_keeps_all(world: World) -> None:
    _, slow, task = two_hosts(world)
    assert slow.exchange(held=[task.task_id]).cancel == ()


@pytest.mark.parametrize("started", [True, False])
def test_the_tasks_of_a_cancelled_batch_are_taken_back_begun_or_not(
    world: World, started: bool
) -> None:
    batch_id = world.batch(1, world.stage(policy=ONE_OF_TWO))
    host = world.host()
    task = host.take(1)[0]
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    world.run_passes()
    running = begun(task.task_id) if started else ()
    told = host.exchange(held=[task.task_id], running=running)
    assert told.cancel == (task.task_id,)
    host.exchange(running=())
    assert host.row().n_in_progress == 0
    world.check()


def test_a_task_of_a_failed_unit_is_taken_back(world: World) -> None:
    rules = Policy(quorum=1, replicas=2, max_errors=0, max_tasks=2, deadline_s=1_000)
    world.batch(2, world.stage(policy=rules), on_failure='{"mode":"skip"}')
    bad, other = world.host(), world.host()
    task = bad.take(1)[0]
    theirs = next(t for t in other.take(2) if t.unit_id == task.unit_id)
    bad.exchange(c.ReportIn(task_id=task.task_id, outcome="error", reason="trap"))
    world.run_passes()
    assert world.unit(task.unit_id).state == "failed"
    assert theirs.task_id in other.exchange(held=[theirs.task_id], running=()).cancel


def test_a_task_that_advances_gets_longer_and_is_not_given_up(world: World) -> None:
    world.batch(1, world.stage(policy=Policy(quorum=1, replicas=1, deadline_s=1_000)))
    host = world.host()
    task = host.take(1)[0]
    world.later(900)
    told = host.exchange(held=[task.task_id], running=begun(task.task_id, progress=0.75))
    assert [(e.task_id, e.deadline_at - world.now) for e in told.extended] == [
        (task.task_id, 375 * SECOND)
    ]
    world.later(200)  # beyond the first deadline
    world.run_passes()
    assert world.tasks(task.unit_id)[0].state == "in_progress"
    host.exchange(result(task.task_id, b"x"))
    world.run_passes()
    assert world.unit(task.unit_id).state == "assimilated"
    world.check()


def test_a_task_that_stands_still_is_given_up_in_the_end(world: World) -> None:
    world.batch(1, world.stage(policy=Policy(quorum=1, replicas=1, deadline_s=1_000)))
    host = world.host()
    task = host.take(1)[0]
    world.later(900)
    host.exchange(held=[task.task_id], running=begun(task.task_id, progress=0.75))
    world.later(370)
    told = host.exchange(held=[task.task_id], running=begun(task.task_id, progress=0.75))
    assert told.extended == ()
    world.later(10)
    world.run_passes()
    assert world.tasks(task.unit_id)[0].state == "timed_out"
    world.check()


def test_progress_costs_no_statement_unless_a_deadline_moves(local: LocalStore) -> None:
    world = World(local)
    world.batch(5)
    host = world.host()
    tasks = [t.task_id for t in host.take(2)]
    before = local.statements
    host.exchange(held=tasks)
    plain = local.statements - before
    host.exchange(held=tasks, running=begun(*tasks, progress=0.9))
    assert local.statements - before == 2 * plain


def test_a_lost_task_of_an_open_unit_is_still_sent_again(world: World) -> None:
    world.batch(1)
    host = world.host()
    task = host.take(1)[0]
    again = host.exchange(running=())
    assert [(t.task_id, t.resent) for t in again.tasks] == [(task.task_id, True)]
