"""What validators found out: kept once, by content, for the unit that waits for it."""

import pytest

from idlegrid_server.pipeline.snapshot import due_units, unit_snapshots
from idlegrid_server.store import command as c
from idlegrid_server.store.query import Query
from idlegrid_server.store.sql.unit import UNITS_BY_ID

from .world import SECOND, World, digest, result

RULE = digest(b"rule")
JOBS = Query("test_jobs", "all jobs, as tests look at them", "SELECT kind, state FROM job")


def started(world: World, *answers: bytes) -> int:
    """A unit of a stage with a validator, whose hosts have answered; returns its id."""
    stage = world.stage(validator="{}", validator_hash=RULE)
    batch_id = world.batch(1, stage)
    taken = [(host, host.take()[0]) for host in (world.host() for _ in range(len(answers)))]
    for (host, task), data in zip(taken, answers, strict=True):
        host.exchange(result(task.task_id, data))
    with world.store.reading() as db:
        (unit,) = due_units(db, world.now, 10)
    assert unit.batch_id == batch_id
    return unit.id


def manifests(world: World, unit_id: int) -> list[bytes]:
    return sorted({task.manifest for task in world.tasks(unit_id) if task.manifest})


def find(
    world: World,
    job: c.Job,
    unit_id: int,
    outcome: str = "good",
    agrees: bool = True,
    **more: object,
) -> str:
    a, b = manifests(world, unit_id)
    return world.store.execute(
        c.AddFindings(
            now=world.now,
            job_id=job.id,
            worker="worker",
            validator=RULE,
            outputs=(c.OutputFinding(a, outcome, "so it is"), c.OutputFinding(b, "good")),  # type: ignore[arg-type]
            pairs=(c.PairFinding(a, b, agrees, "why not"),),
            unit_id=unit_id,
            **more,  # type: ignore[arg-type]
        )
    ).status


@pytest.mark.parametrize("agrees", [True, False])
def test_what_was_found_decides_the_unit(world: World, agrees: bool) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    job = world.claim_surely("validate")
    assert job.object_id == unit_id
    world.check()
    assert find(world, job, unit_id, agrees=agrees) == "ok"
    world.unit_pass()
    assert world.unit(unit_id).state == ("assimilated" if agrees else "open")
    with world.store.reading() as db:
        assert [state for kind, state in db.fetch_all(JOBS) if kind == "validate"] == []
    world.check()


def test_a_pass_asks_once_and_a_repeat_of_the_answer_changes_nothing(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    job = world.claim_surely("validate")
    world.unit_pass()
    assert world.claim("validate") is None
    assert find(world, job, unit_id) == "ok"
    assert find(world, job, unit_id) == "lost", "the job is gone, and with it the right to speak"
    world.unit_pass()
    assert world.unit(unit_id).state == "assimilated"
    world.check()


def test_a_worker_that_lost_its_lease_keeps_nothing(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    job = world.claim_surely("validate")
    world.later(61)
    assert world.claim("validate", "other") is not None
    assert find(world, job, unit_id) == "lost"
    world.unit_pass()
    assert world.unit(unit_id).state == "open"
    world.check()


def test_the_first_word_stands(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    job = world.claim_surely("validate")
    assert find(world, job, unit_id, ends_job=False) == "ok"
    assert find(world, job, unit_id, agrees=False, outcome="failed") == "ok"
    with world.store.reading() as db:
        (unit,) = unit_snapshots(db, db.fetch_all(UNITS_BY_ID, unit_ids=[unit_id]))
    assert unit.relation is not None
    assert (unit.relation.failed, len(unit.relation.agree), len(unit.relation.differ)) == (
        frozenset(),
        1,
        0,
    )


def test_a_validator_of_another_hash_knows_nothing(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    find(world, world.claim_surely("validate"), unit_id)
    with world.store.reading() as db:
        rows = db.fetch_all(UNITS_BY_ID, unit_ids=[unit_id])
        (other,) = unit_snapshots(db, rows, digest(b"another rule"))
        (own,) = unit_snapshots(db, rows, RULE)
    assert other.relation is not None
    assert not other.relation.good | other.relation.agree
    assert own.relation is not None
    assert own.relation.agree


def test_unreadable_outputs_are_errors_in_every_count(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    find(world, world.claim_surely("validate"), unit_id, outcome="unreadable")
    world.unit_pass()
    states = sorted(task.state for task in world.tasks(unit_id))
    assert states == ["error", "success", "unsent"]
    assert sorted(host.row().n_error for host in world.hosts) == [0, 1]
    assert sorted(host.row().n_success for host in world.hosts) == [0, 1]
    world.check()


def test_a_validator_that_fails_is_tried_again_later(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    job = world.claim_surely("validate")
    until = world.now + 100 * SECOND
    fail = c.FailJob(
        now=world.now, job_id=job.id, worker="worker", reason="it trapped", retry_at=until
    )
    assert world.store.execute(fail).status == "retry"
    assert world.claim("validate") is None
    world.check()
    world.later(99)
    world.store.execute(c.ReleaseExpiredJobs(now=world.now))
    assert world.claim("validate") is None
    world.later(1)
    again = world.claim("validate")
    assert again is not None
    assert (again.id, again.errors, again.attempts) == (job.id, 1, 2)
    assert find(world, again, unit_id) == "ok"
    world.unit_pass()
    assert world.unit(unit_id).state == "assimilated"
    world.check()


def test_a_validation_given_up_is_asked_for_anew(world: World) -> None:
    unit_id = started(world, b"one", b"two")
    world.unit_pass()
    job = world.claim_surely("validate")
    world.store.execute(
        c.FailJob(
            now=world.now,
            job_id=job.id,
            worker="worker",
            reason="its worker died 50 times",
            attempts_max=1,
            retry_at=world.now + 100 * SECOND,
        )
    )
    world.check()
    world.unit_pass()
    assert world.claim("validate") is None
    world.later(101)
    world.unit_pass()
    fresh = world.claim("validate")
    assert fresh is not None
    assert (fresh.object_id, fresh.attempts) == (unit_id, 1)
    world.check()
