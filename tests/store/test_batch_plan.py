"""Batches from stage to stage, to their end and their answers."""

from idlegrid_server.domain.model import BatchPlan
from idlegrid_server.store import command as c
from idlegrid_server.store.sql import job as job_sql
from idlegrid_server.store.sql import output as output_sql
from idlegrid_shared.documents import Policy
from idlegrid_shared.manifest import ManifestEntry, manifest_bytes

from .world import World, digest, failure, result

SINGLE = Policy(quorum=1, replicas=1, max_errors=0, deadline_s=1000)


def compute(world: World, count: int) -> None:
    """A host computes ``count`` units."""
    host = world.host(cores=64)
    for task in host.take(count):
        host.exchange(result(task.task_id, f"output {task.index}".encode()))
    world.unit_pass()


def combine(world: World, job: c.Job, data: bytes = b"answer") -> c.JobResult:
    """The compute worker's command when a combine has run."""
    body = manifest_bytes([ManifestEntry("answer.json", digest(data).hex(), len(data))])
    return world.store.execute(
        c.CompleteServerUnit(
            now=world.now,
            job_id=job.id,
            worker="worker",
            unit_id=job.object_id,
            manifest=body,
            manifest_hash=digest(body),
            files=(c.FileIn(digest(data), len(data), data),),
        )
    )


def answer(world: World, batch_id: int, **more: object) -> c.AddAnswerResult:
    """Store the next answer and end the batch by it."""
    batch = world.batch_row(batch_id)
    body = manifest_bytes([ManifestEntry("answer.json", digest(b"answer").hex(), 6)])
    values: dict[str, object] = {
        "version": batch.version,
        "revision": batch.revision + 1,
        "state": "complete",
        **more,
    }
    return world.store.execute(
        c.AddAnswer(
            now=world.now,
            batch_id=batch_id,
            manifest=body,
            manifest_hash=digest(body),
            files=(c.FileIn(digest(b"answer"), 6, b"answer"),),
            detail="{}",
            **values,  # type: ignore[arg-type]
        )
    )


def test_map_then_combine_then_answer(world: World) -> None:
    batch_id = world.batch(3, world.stage(policy=SINGLE), world.stage(1))
    assert world.batch_pass() == []
    compute(world, 3)
    assert world.batch_pass() == ["applied"]
    assert world.batch_row(batch_id).state == "combining"
    assert [stage.state for stage in world.stages(batch_id)] == ["complete", "running"]
    job = world.claim("combine")
    assert job is not None
    assert world.unit(job.object_id).stage_id == world.stages(batch_id)[1].id
    assert combine(world, job).status == "ok"
    assert combine(world, job).status == "ok", "the answer was lost and the worker asks again"
    assert world.unit(job.object_id).state == "assimilated"
    assert world.batch_pass() == ["applied"]
    assert [stage.state for stage in world.stages(batch_id)] == ["complete", "complete"]
    assert world.batch_row(batch_id).due_at is not None, "due until the answer is there"
    assert answer(world, batch_id) == c.AddAnswerResult("added", 1)
    batch = world.batch_row(batch_id)
    assert (batch.state, batch.revision, batch.due_at) == ("complete", 1, None)
    assert batch.finished_at == world.now
    assert world.story("batch", batch_id) == [
        *("draft", "checking", "running", "combining", "combining", "complete")
    ]
    world.check()


def test_answer_twice_is_one(world: World) -> None:
    batch_id = world.batch(1, world.stage(policy=SINGLE))
    compute(world, 1)
    world.batch_pass()
    version = world.batch_row(batch_id).version
    assert answer(world, batch_id).status == "added"
    again = answer(world, batch_id, version=version, revision=1)
    assert again == c.AddAnswerResult("existing", 1)
    world.check()


def test_answer_made_before_a_change_is_stale(world: World) -> None:
    batch_id = world.batch(1, world.stage(policy=SINGLE))
    compute(world, 1)
    world.batch_pass()
    stale = answer(world, batch_id, version=world.batch_row(batch_id).version - 1)
    assert stale == c.AddAnswerResult("stale", 0)
    world.check()


def test_plan_made_before_a_unit_ended_is_void(world: World) -> None:
    """The pass saw an unfinished stage and would go to sleep; the last unit ended meanwhile."""
    batch_id = world.batch(1, world.stage(policy=SINGLE))
    plan = BatchPlan(batch_id, world.batch_row(batch_id).version)
    compute(world, 1)
    applied = world.store.execute(c.ApplyBatchPlan(now=world.now, plan=plan))
    assert applied.status == "void"
    assert world.batch_row(batch_id).due_at is not None
    world.check()


def test_one_failure_stops_a_batch_and_ends_its_units(world: World) -> None:
    batch_id = world.batch(1500, world.stage(policy=SINGLE))
    host = world.host()
    (task,) = host.take()
    host.exchange(failure(task.task_id))
    world.unit_pass()
    assert world.batch_pass() == ["applied"]
    assert world.batch_row(batch_id).state == "failed"
    (stage,) = world.stages(batch_id)
    assert (stage.state, stage.settle_from, stage.dispatchable) == ("failed", 0, 0)
    settled = [
        world.store.execute(c.SettleStage(now=world.now, stage_id=stage.id)) for _ in range(3)
    ]
    assert [(s.marked, s.more) for s in settled] == [(999, True), (500, False), (0, False)]
    while world.unit_pass().applied:
        pass
    (stage,) = world.stages(batch_id)
    assert (stage.failed, stage.cancelled) == (1, 1499)
    world.check()


def test_combine_that_fails_three_times_fails_the_batch(world: World) -> None:
    batch_id = world.batch(1, world.stage(policy=SINGLE), world.stage(1))
    compute(world, 1)
    world.batch_pass()
    for status in ("retry", "retry", "failed"):
        job = world.claim("combine")
        assert job is not None
        failed = world.store.execute(
            c.FailJob(now=world.now, job_id=job.id, worker="worker", reason="exit code 1")
        )
        assert failed.status == status
    assert world.claim("combine") is None
    assert "exit code 1" in world.unit(job.object_id).reason
    world.batch_pass()
    batch = world.batch_row(batch_id)
    assert (batch.state, batch.reason) == ("failed", "combine_failed")
    world.check()


def test_cancelled_batch_takes_back_its_combine(world: World) -> None:
    batch_id = world.batch(1, world.stage(policy=SINGLE), world.stage(1))
    compute(world, 1)
    world.batch_pass()
    job = world.claim("combine")
    assert job is not None
    cancel = c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    assert world.store.execute(cancel).changed
    assert not world.store.execute(cancel).changed
    world.store.execute(c.SettleStage(now=world.now, stage_id=world.stages(batch_id)[1].id))
    world.unit_pass()
    assert world.unit(job.object_id).state == "cancelled"
    assert combine(world, job).status == "lost"
    with world.store.reading() as db:
        row = db.fetch_one(job_sql.JOB_NEWEST_OF_OBJECT, kind="combine", object_id=job.object_id)
    assert row is not None
    assert row.state == "cancelled"
    world.check()


def test_outputs_are_read_in_order_by_pages(world: World) -> None:
    batch_id = world.batch(5, world.stage(policy=SINGLE))
    compute(world, 5)
    stage_id = world.stages(batch_id)[0].id
    with world.store.reading() as db:
        first = db.fetch_all(output_sql.OUTPUTS_AFTER, stage_id=stage_id, after=-1, limit=3)
        rest = db.fetch_all(output_sql.OUTPUTS_AFTER, stage_id=stage_id, after=2, limit=3)
    assert [row.idx for row in (*first, *rest)] == [0, 1, 2, 3, 4]
    assert digest(first[0].body) == first[0].manifest


def test_batch_with_a_bad_table_fails_with_the_reason(world: World) -> None:
    batch_id = world.create().batch_id
    command = c.FailBatch(
        now=world.now, batch_id=batch_id, reason="units: line 3 is not JSON", actor="submit"
    )
    assert world.store.execute(command).changed
    assert not world.store.execute(command).changed
    batch = world.batch_row(batch_id)
    assert (batch.state, batch.reason) == ("failed", "units: line 3 is not JSON")
    assert world.claim("submit") is None, "nobody needs to check it any more"
    assert [stage.state for stage in world.stages(batch_id)] == ["cancelled"]
    world.check()
