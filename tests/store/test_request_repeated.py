"""The same request again, an older one, another one under the same name."""

from idlegrid_server.store import command as c

from .world import World, digest, result


def test_repeat_gives_receipts_and_the_same_tasks_again(world: World) -> None:
    """The reply was lost. The second answer is made from what is stored, and gives nothing new."""
    world.batch(3)
    host = world.host()
    (task,) = host.take()
    first = host.exchange(result(task.task_id, b"x"), want=1)
    second = host.repeat()
    assert second.status == "ok"
    assert [a.fate for a in second.answers] == ["duplicate"]
    assert second.answers[0].received_at == first.answers[0].received_at
    assert [t.task_id for t in second.tasks] == [t.task_id for t in first.tasks]
    assert second.tasks[0].resent
    assert host.row().n_in_progress == 1
    world.check()


def test_same_id_with_another_body_is_a_conflict(world: World) -> None:
    world.batch(1)
    host = world.host()
    host.exchange(want=1, request_id="request-x")
    host.seq -= 1
    answer = host.exchange(want=1, request_id="request-x", body_hash=digest(b"other"))
    assert answer.status == "conflict"
    assert answer.tasks == ()


def test_lower_sequence_is_a_clone(world: World) -> None:
    """A disk image was copied: two computers use one key. One of them makes a new one."""
    host = world.host()
    host.exchange()
    host.exchange()
    host.seq = 0
    answer = host.exchange(want=1)
    assert answer.status == "clone"
    assert host.row().seq == 2


def test_lost_task_is_sent_again_with_time_to_compute_it(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    world.later(900)
    (again,) = host.exchange().tasks
    assert (again.task_id, again.resent) == (task.task_id, True)
    assert again.args == task.args
    assert again.deadline_s == 500
    # The pass comes at the old deadline and finds that there is a later one.
    world.later(200)
    world.unit_pass()
    assert world.tasks(task.unit_id)[0].state == "in_progress"
    world.later(320)
    world.unit_pass()
    assert world.tasks(task.unit_id)[0].state == "timed_out"
    world.check()


def test_what_is_held_is_not_sent_again(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    answer = host.exchange(held=[task.task_id])
    assert answer.tasks == ()
    assert answer.cancel == ()


def test_lost_tasks_count_against_what_is_wanted(world: World) -> None:
    world.batch(5)
    host = world.host()
    lost = {t.task_id for t in host.take(2)}
    given = host.take(3)
    assert {t.task_id for t in given if t.resent} == lost
    assert len(given) == 3
    world.check()


def test_machine_facts_are_kept_when_sent(world: World) -> None:
    host = world.host()
    facts = c.MachineFacts("renamed", '{"cores":2}', 2, 4096, ("engine2",))
    host.exchange(machine=facts)
    row = host.row()
    assert (row.name, row.cores, row.memory_bytes, row.profiles) == ("renamed", 2, 4096, "engine2")
