"""A host reports and asks: what is taken, refused, given, and what it leaves behind."""

from idlegrid_server.store import command as c
from idlegrid_server.store.sql import file as file_sql

from .world import World, digest, failure, result


def test_unknown_device_is_told_to_enrol(world: World) -> None:
    answer = world.store.execute(
        c.Exchange(
            now=world.now,
            device=bytes(32),
            request_id="request-1",
            seq=1,
            body_hash=b"",
            subnet="",
            distinct=("host",),
        )
    )
    assert answer.status == "unknown_host"


def test_banned_host_is_forbidden(world: World) -> None:
    host = world.host()
    world.store.execute(
        c.SetHostState(
            now=world.now, host_id=host.id, state="banned", reason="floods us", actor="account:1"
        )
    )
    answer = host.exchange(want=1)
    assert (answer.status, answer.reason) == ("forbidden", "floods us")


def test_two_hosts_compute_a_unit_and_it_is_assimilated(world: World) -> None:
    """The plain story: sent twice, reported twice, equal, indexed, credited to both."""
    batch_id = world.batch(1)
    hosts = [world.host(), world.host()]
    given = [host.take()[0] for host in hosts]
    assert given[0].unit_id == given[1].unit_id
    assert given[0].task_id != given[1].task_id
    assert (given[0].args, given[0].inputs, given[0].deadline_s) == ('["0"]', None, 1000)
    for host, task in zip(hosts, given, strict=True):
        world.later(5)
        answer = host.exchange(result(task.task_id, b"output"))
        assert answer.made_due
        assert answer.answers == (
            c.ReportAnswer(
                task.task_id,
                "accepted",
                outcome="success",
                manifest=result(0, b"output").manifest_hash,
                received_at=world.now,
            ),
        )
    assert world.unit_pass().applied == 1
    unit = world.unit(given[0].unit_id)
    assert (unit.state, unit.canonical_task) == ("assimilated", given[0].task_id)
    assert [task.verdict for task in world.tasks(unit.id)] == ["valid", "valid"]
    assert [host.row().credit_micro for host in hosts] == [1_000_000, 1_000_000]
    assert [host.row().state for host in hosts] == ["probation", "probation"]
    assert world.stages(batch_id)[0].assimilated == 1
    assert world.story("unit", unit.id) == ["valid", "assimilated"]
    assert world.story("task", given[0].task_id) == ["in_progress", "success"]
    world.check()


def test_small_files_come_with_the_report(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    host.exchange(result(task.task_id, b"output"))
    with world.store.reading() as db:
        file = db.fetch_one(file_sql.FILE_BY_HASH, sha256=digest(b"output"))
    assert file is not None
    assert (file.data, file.size, file.public) == (b"output", 6, 0)
    world.check()


def test_large_file_must_have_been_uploaded_for_this_very_task(world: World) -> None:
    """That some other task brought the same bytes proves nothing about this host."""
    world.batch(1)
    first, second = world.host(), world.host()
    (mine,), (other,) = first.take(), second.take()
    large = (c.FileIn(digest(b"large"), 5),)
    report = result(mine.task_id, b"large", files=large)

    def upload(task_id: int, host_id: int, name: str) -> None:
        opened = world.store.execute(
            c.OpenUpload(
                now=world.now,
                name=name,
                sha256=digest(b"large"),
                size=5,
                expires_at=world.now + 10**9,
                task_id=task_id,
                host_id=host_id,
            )
        )
        assert opened == c.OpenUploadResult("ok", name)
        world.store.execute(c.FinishUpload(now=world.now, name=name))

    upload(other.task_id, second.id, "other")
    answer = first.exchange(report)
    assert answer.answers[0].fate == "missing_files"
    assert answer.answers[0].missing == (digest(b"large"),)
    assert not answer.made_due
    assert world.tasks(mine.unit_id)[0].state == "in_progress"
    upload(mine.task_id, first.id, "mine")
    assert first.exchange(report).answers[0].fate == "accepted"
    world.check()


def test_error_keeps_its_log_and_halves_the_cap(world: World) -> None:
    world.batch(1)
    host = world.host()
    before = host.row().tasks_max
    (task,) = host.take()
    answer = host.exchange(failure(task.task_id, "trap", "divided by zero"))
    assert (answer.answers[0].fate, answer.answers[0].outcome) == ("accepted", "error")
    row = world.tasks(task.unit_id)[0]
    assert (row.state, row.reason, row.verdict) == ("error", "trap", None)
    assert host.row().tasks_max == before // 2
    world.check()


def test_second_report_is_a_duplicate_with_the_first_receipt(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    host.exchange(result(task.task_id, b"first"))
    received = world.now
    world.later(60)
    (answer,) = host.exchange(result(task.task_id, b"second")).answers
    assert (answer.fate, answer.received_at) == ("duplicate", received)
    assert answer.manifest == result(0, b"first").manifest_hash
    world.check()


def test_one_task_twice_in_one_request_counts_once(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    answers = host.exchange(result(task.task_id, b"x"), result(task.task_id, b"x")).answers
    assert [answer.fate for answer in answers] == ["accepted", "duplicate"]
    assert host.row().n_success == 1
    world.check()


def test_another_hosts_task_is_refused(world: World) -> None:
    world.batch(1)
    host, thief = world.host(), world.host()
    (task,) = host.take()
    answers = thief.exchange(result(task.task_id, b"x"), result(10**6, b"x")).answers
    assert [answer.fate for answer in answers] == ["refused", "refused"]
    assert world.tasks(task.unit_id)[0].state == "in_progress"
    world.check()


def test_late_report_is_taken_after_all(world: World) -> None:
    """BOINC.md E14: the computer was off for the week-end; its work is not thrown away."""
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    world.later(2000)
    world.unit_pass()
    assert world.tasks(task.unit_id)[0].state == "timed_out"
    assert host.row().n_timed_out == 1
    answer = host.exchange(result(task.task_id, b"x"))
    assert answer.answers[0].fate == "accepted"
    assert answer.made_due
    assert (host.row().n_in_progress, host.row().n_success) == (0, 1)
    world.check()


def test_held_tasks_that_nobody_awaits_are_cancelled(world: World) -> None:
    world.batch(1)
    host = world.host()
    (task,) = host.take()
    world.later(2000)
    world.unit_pass()
    assert host.exchange(held=[task.task_id]).cancel == (task.task_id,)
    world.check()


def test_task_of_a_cancelled_unit_is_let_go_without_blame(world: World) -> None:
    """The host is told to stop; when it has, its cap is free again and it was no error of its."""
    batch_id = world.batch(1)
    host = world.host()
    (task,) = host.take()
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    world.store.execute(c.SettleStage(now=world.now, stage_id=world.stages(batch_id)[0].id))
    world.unit_pass()
    assert world.unit(task.unit_id).state == "cancelled"
    assert host.exchange(held=[task.task_id]).cancel == (task.task_id,)
    assert world.tasks(task.unit_id)[0].state == "in_progress"
    assert host.exchange(want=1).tasks == ()
    assert world.tasks(task.unit_id)[0].state == "aborted"
    row = host.row()
    assert (row.n_in_progress, row.n_error, row.n_timed_out) == (0, 0, 0)
    world.check()
