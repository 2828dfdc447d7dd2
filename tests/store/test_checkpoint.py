"""Checkpoints that hosts leave, and who continues them, on both engines."""

import itertools

import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.apply import dispatch
from idlegrid_server.store.sql.checkpoint import CHECKPOINTS_OF_TASKS, CheckpointRow

from .world import SECOND, Host, World, digest, result

DEADLINE_S = 1010  # with its grace
_names = (f"upload-{n}" for n in itertools.count())


def migrating(world: World, units: int = 1) -> int:
    return world.batch(units, world.stage(migrates=True))


def open_checkpoint(
    world: World, host: Host, task: int, data: bytes, ops: int = 10
) -> c.OpenUploadResult:
    return world.store.execute(
        c.OpenUpload(
            now=world.now,
            name=next(_names),
            sha256=digest(data),
            size=len(data),
            expires_at=world.now + 3600 * SECOND,
            task_id=task,
            host_id=host.id,
            checkpoint_ops=ops,
        )
    )


def leave(world: World, host: Host, task: int, data: bytes, ops: int = 10) -> None:
    """The host uploads a checkpoint of its task."""
    opened = open_checkpoint(world, host, task, data, ops)
    assert opened.status == "ok", opened.reason
    kept = world.store.execute(c.KeepCheckpoint(now=world.now, upload=opened.name))
    assert kept.kept


def stored(world: World, task: int) -> CheckpointRow | None:
    with world.store.reading() as db:
        rows = db.fetch_all(CHECKPOINTS_OF_TASKS, task_ids=[task])
    return rows[0] if rows else None


def miss_deadline(world: World) -> None:
    world.later(DEADLINE_S + 1)
    world.unit_pass()


def test_another_host_continues_what_one_left(world: World) -> None:
    migrating(world)
    first, second, third = world.prove(world.host()), world.host(), world.host()
    (task,) = first.take()
    assert task.resume is None
    leave(world, first, task.task_id, b"half way", ops=7)
    (other,) = second.take()
    assert other.resume is None, "the first still lives"
    second.exchange(result(other.task_id, b"x"))
    miss_deadline(world)
    (again,) = third.take()
    assert again.resume == c.Resume(task.task_id, digest(b"half way"), 8, 7)
    assert "continues" in reasons(world, again.task_id)
    third.exchange(result(again.task_id, b"x"))
    world.unit_pass()
    unit = world.unit(task.unit_id)
    assert unit.state == "assimilated"
    assert [t.resumed_from for t in world.tasks(unit.id)] == [None, None, task.task_id]
    world.check()


def reasons(world: World, task: int) -> list[str]:
    from idlegrid_server.store.sql import event as event_sql

    with world.store.reading() as db:
        rows = db.fetch_all(
            event_sql.EVENTS_OF_OBJECT, kind="task", object_id=task, after=0, limit=100
        )
    return [row.reason for row in rows]


def test_the_one_who_was_continued_confirms_nobody(world: World) -> None:
    """Its late result and the one that goes on from its checkpoint are one voice."""
    migrating(world)
    first, second = world.prove(world.host()), world.host()
    (task,) = first.take()
    leave(world, first, task.task_id, b"forged")
    miss_deadline(world)
    (again,) = second.take()
    assert again.resume is not None
    assert first.take() == [], "it has a part in the second's replica"
    (late,) = first.exchange(result(task.task_id, b"lie")).answers
    assert late.fate == "refused"
    (taken,) = second.exchange(result(again.task_id, b"lie")).answers
    assert taken.fate == "accepted"
    world.unit_pass()
    assert world.unit(task.unit_id).state == "open"
    world.check()


def test_a_lost_task_is_sent_again_with_its_checkpoint(world: World) -> None:
    migrating(world)
    first, second = world.prove(world.host()), world.host()
    (task,) = first.take()
    leave(world, first, task.task_id, b"half")
    miss_deadline(world)
    (again,) = second.take()
    (resent,) = second.exchange(want=0).tasks
    assert (resent.task_id, resent.resent, resent.resume) == (again.task_id, True, again.resume)


def test_a_newer_checkpoint_takes_the_place_of_the_older(world: World) -> None:
    migrating(world)
    host = world.prove(world.host())
    (task,) = host.take()
    leave(world, host, task.task_id, b"early", ops=5)
    opened = open_checkpoint(world, host, task.task_id, b"later", ops=9)
    kept = world.store.execute(c.KeepCheckpoint(now=world.now, upload=opened.name))
    assert kept == c.KeepCheckpointResult(
        kept=True, useless=c.CheckpointFile(task.task_id, digest(b"early"))
    )
    again = world.store.execute(c.KeepCheckpoint(now=world.now, upload=opened.name))
    assert again == c.KeepCheckpointResult(kept=True), "a repeat changes nothing"
    row = stored(world, task.task_id)
    assert row is not None
    assert (row.sha256, row.ops) == (digest(b"later"), 9)


def test_an_older_checkpoint_that_comes_late_is_thrown_away(world: World) -> None:
    migrating(world)
    host = world.prove(world.host())
    (task,) = host.take()
    slow = open_checkpoint(world, host, task.task_id, b"early", ops=5)
    leave(world, host, task.task_id, b"later", ops=9)
    kept = world.store.execute(c.KeepCheckpoint(now=world.now, upload=slow.name))
    assert kept == c.KeepCheckpointResult(
        kept=False, useless=c.CheckpointFile(task.task_id, digest(b"early"))
    )


def test_checkpoints_go_when_their_unit_is_decided(world: World) -> None:
    migrating(world)
    first, second = world.prove(world.host()), world.host()
    (one,) = first.take()
    leave(world, first, one.task_id, b"half")
    drop = c.DropIdleCheckpoints(now=world.now)
    assert world.store.execute(drop).files == ()
    (two,) = second.take()
    first.exchange(result(one.task_id, b"x"))
    second.exchange(result(two.task_id, b"x"))
    world.unit_pass()
    dropped = world.store.execute(c.DropIdleCheckpoints(now=world.now)).files
    assert dropped == (c.CheckpointFile(one.task_id, digest(b"half")),)
    assert stored(world, one.task_id) is None


@pytest.mark.parametrize(
    "case", ["other host", "ended", "no migration", "too many", "as output", "newcomer"]
)
def test_what_is_no_checkpoint_of_a_living_task_is_refused(world: World, case: str) -> None:
    if case == "no migration":
        world.batch(1)
    else:
        migrating(world)
    host = world.prove(world.host())
    (task,) = host.take()
    sender = world.host() if case == "other host" else host
    if case == "newcomer":
        host = sender = world.host()
        (task,) = host.take()
    data = b"half"
    if case == "ended":
        host.exchange(result(task.task_id, b"x"))
    if case == "too many":
        world.store.execute(
            c.OpenUpload(
                now=world.now,
                name=next(_names),
                sha256=digest(b"first"),
                size=5,
                expires_at=world.now + SECOND,
                task_id=task.task_id,
                host_id=host.id,
                checkpoint_ops=1,
            )
        )
        opened = world.store.execute(
            c.OpenUpload(
                now=world.now,
                name=next(_names),
                sha256=digest(data),
                size=4,
                expires_at=world.now + SECOND,
                task_id=task.task_id,
                host_id=host.id,
                checkpoint_ops=2,
                count_max=1,
            )
        )
    elif case == "as output":
        world.store.execute(
            c.OpenUpload(
                now=world.now,
                name=next(_names),
                sha256=digest(data),
                size=4,
                expires_at=world.now + SECOND,
                task_id=task.task_id,
                host_id=host.id,
            )
        )
        opened = open_checkpoint(world, host, task.task_id, data)
    else:
        opened = open_checkpoint(world, sender, task.task_id, data)
    assert opened.status == "refused"
    assert opened.reason


def test_a_checkpoint_is_no_output_of_its_task(world: World) -> None:
    """A file that came as a checkpoint lies elsewhere, so a report that names it misses it."""
    migrating(world)
    host = world.prove(world.host())
    (task,) = host.take()
    leave(world, host, task.task_id, b"bytes")
    report = result(task.task_id, b"bytes", files=(c.FileIn(digest(b"bytes"), 5),))
    (answer,) = host.exchange(report).answers
    assert (answer.fate, answer.missing) == ("missing_files", (digest(b"bytes"),))


def test_units_without_migration_cost_no_statement_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*args: object) -> None:
        raise AssertionError("checkpoints were asked for")

    monkeypatch.setattr(dispatch, "_resumes", ask)
    world.batch(1)
    first, second = world.prove(world.host()), world.host()
    first.take()
    miss_deadline(world)
    (again,) = second.take()
    assert again.resume is None


def test_a_maker_that_lost_its_standing_is_not_continued(world: World) -> None:
    """What it left before counts no more than what it would leave now."""
    migrating(world)
    first, second = world.prove(world.host()), world.host()
    (task,) = first.take()
    leave(world, first, task.task_id, b"half")
    world.store.execute(
        c.SetHostState(
            now=world.now, host_id=first.id, state="quarantined", reason="caught", actor="test"
        )
    )
    miss_deadline(world)
    (again,) = second.take()
    assert again.resume is None


def test_a_maker_that_left_the_project_in_honour_is_continued(world: World) -> None:
    """Regression: a host that hands back and leaves is retired, and counted as unproven."""
    migrating(world)
    first, second = world.prove(world.host()), world.host()
    (task,) = first.take()
    leave(world, first, task.task_id, b"half")
    first.exchange(c.ReportIn(task.task_id, "aborted", "project_left"))
    world.store.execute(
        c.SetHostState(
            now=world.now, host_id=first.id, state="retired", reason="detached", actor="test"
        )
    )
    world.unit_pass()
    begun, *_ = second.take(2)
    assert begun.resume is not None
    world.check()
