"""Another rule for a batch, on each kind of store."""

import pytest

from idlegrid_server.domain.unit import reopen_unit
from idlegrid_server.pipeline.snapshot import unit_snapshots
from idlegrid_server.store import command as c
from idlegrid_server.store.sql.event import EVENTS_OF_OBJECT
from idlegrid_server.store.sql.unit import UNITS_BY_ID
from idlegrid_server.store.sql.validation import REVALIDATION_BY_ID, RevalidationRow

from .world import SECOND, World, digest, result

RULE = digest(b"rule")


def answered(world: World) -> tuple[int, int]:
    """A batch whose one unit is assimilated, bitwise; (batch, unit)."""
    batch_id = world.batch(1)
    for host in (world.host(), world.host()):
        host.exchange(result(host.take()[0].task_id, b"same"))
    world.unit_pass()
    world.batch_pass()
    stage = world.stages(batch_id)[0]
    assert (stage.assimilated, stage.state) == (1, "complete")
    return batch_id, 1


def row(world: World, number: int) -> RevalidationRow:
    with world.store.reading() as db:
        found = db.fetch_one(REVALIDATION_BY_ID, revalidation_id=number)
    assert found is not None
    return found


def tried(world: World, batch_id: int, ready: bool = True) -> int:
    number = world.store.execute(
        c.TryValidator(
            now=world.now,
            batch_id=batch_id,
            stage_id=world.stages(batch_id)[0].id,
            rule="{}",
            rule_hash=RULE,
        )
    ).revalidation_id
    job = world.claim_surely("revalidate")
    assert job.object_id == number
    if ready:
        said = c.ReportRevalidation(now=world.now, job_id=job.id, worker="worker", report="{}")
        assert world.store.execute(said).status == "ok"
        assert world.store.execute(said).status == "lost"
    return number


def apply(world: World, number: int) -> str:
    return world.store.execute(
        c.ApplyRevalidation(now=world.now, revalidation_id=number, actor="account:1")
    ).status


def reopen(world: World, job: c.Job, number: int, unit_id: int, version: int = 0) -> str:
    with world.store.reading() as db:
        (unit,) = unit_snapshots(db, db.fetch_all(UNITS_BY_ID, unit_ids=[unit_id]))
    plan = reopen_unit(unit, world.now)
    plan = plan if not version else type(plan)(unit_id=unit_id, version=version)
    return world.store.execute(
        c.ReopenUnits(
            now=world.now,
            job_id=job.id,
            worker="worker",
            revalidation_id=number,
            plans=(plan,),
        )
    ).status


def end(world: World, batch_id: int) -> None:
    """The batch gets its answer."""
    batch = world.batch_row(batch_id)
    body = b"[]"
    world.store.execute(
        c.AddAnswer(
            now=world.now,
            batch_id=batch_id,
            version=batch.version,
            revision=batch.revision + 1,
            manifest=body,
            manifest_hash=digest(body),
            files=(),
            detail="{}",
            state="complete",
            reason="all_done",
        )
    )


def test_a_new_rule_opens_a_complete_batch(world: World) -> None:
    batch_id, unit_id = answered(world)
    end(world, batch_id)
    world.check()
    number = tried(world, batch_id)
    assert world.batch_row(batch_id).state == "complete"
    assert apply(world, number) == "applying"
    assert apply(world, number) == "existing"
    stage = world.stages(batch_id)[0]
    assert (stage.state, stage.reopen_from, stage.validator_hash) == ("running", 0, RULE)
    assert world.batch_row(batch_id).state == "running"
    world.check()
    world.batch_pass()
    assert world.stages(batch_id)[0].state == "running", "it ended before its units were seen"
    job = world.claim_surely("revalidate")
    assert reopen(world, job, number, unit_id) == "ok"
    world.check()
    assert world.unit(unit_id).state == "open"
    assert world.stages(batch_id)[0].assimilated == 0
    assert row(world, number).state == "applied"
    assert {"revalidated", "validator_changed"} <= set(reasons(world, batch_id))


def reasons(world: World, batch_id: int) -> list[str]:
    with world.store.reading() as db:
        rows = db.fetch_all(EVENTS_OF_OBJECT, kind="batch", object_id=batch_id, after=0, limit=99)
    return [r.reason for r in rows]


def test_a_unit_that_changed_meanwhile_is_looked_at_again(world: World) -> None:
    batch_id, unit_id = answered(world)
    end(world, batch_id)
    number = tried(world, batch_id)
    apply(world, number)
    job = world.claim_surely("revalidate")
    assert reopen(world, job, number, unit_id, version=99) == "again"
    assert row(world, number).state == "applying"
    assert world.stages(batch_id)[0].reopen_from == 0
    assert reopen(world, job, number, unit_id) == "ok"
    world.check()


def test_what_is_not_ready_is_not_applied(world: World) -> None:
    batch_id, _ = answered(world)
    number = tried(world, batch_id, ready=False)
    with pytest.raises(c.StoreRefused, match="looking"):
        apply(world, number)
    with pytest.raises(c.StoreRefused, match="no validation"):
        apply(world, 99)
    world.check()


def test_a_trial_that_no_worker_survives_has_failed(world: World) -> None:
    batch_id, _ = answered(world)
    number = tried(world, batch_id, ready=False)
    world.later(61)
    job = world.claim_surely("revalidate")
    world.store.execute(
        c.FailJob(
            now=world.now, job_id=job.id, worker="worker", reason="it died", attempts_max=1,
            retry_at=world.now + SECOND,
        )
    )  # fmt: skip
    assert (row(world, number).state, row(world, number).reason) == ("failed", "it died")
    world.check()


def test_only_one_rule_is_applied_at_a_time(world: World) -> None:
    batch_id, _ = answered(world)
    end(world, batch_id)
    first, second = tried(world, batch_id), tried(world, batch_id)
    assert apply(world, first) == "applying"
    with pytest.raises(c.StoreRefused, match="another rule"):
        apply(world, second)
    world.check()
