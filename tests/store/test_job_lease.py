"""Jobs have one worker at a time, and outlive every worker."""

from idlegrid_server.store import LocalStore
from idlegrid_server.store import command as c
from idlegrid_server.store.sql import job as job_sql

from .world import SECOND, World


def renew(world: World, job: c.Job, worker: str) -> str:
    """Keep a job for a minute more."""
    return world.store.execute(
        c.RenewJob(
            now=world.now,
            job_id=job.id,
            worker=worker,
            lease_until=world.now + 60 * SECOND,
            progress="half",
        )
    ).status


def test_one_worker_at_a_time(world: World) -> None:
    batch_id = world.create().batch_id
    job = world.claim("submit", "a")
    assert job is not None
    assert (job.kind, job.object_id, job.attempts) == ("submit", batch_id, 1)
    assert world.claim("submit", "b") is None
    assert world.claim("combine", "b") is None


def test_dead_workers_job_goes_to_another(world: World) -> None:
    world.create()
    job = world.claim("submit", "a")
    assert job is not None
    world.later(50)
    assert renew(world, job, "a") == "ok"
    world.later(50)
    assert world.claim("submit", "b") is None, "it was renewed"
    world.later(11)
    taken = world.claim("submit", "b")
    assert taken is not None
    assert (taken.id, taken.attempts, taken.progress) == (job.id, 2, "half")
    assert renew(world, job, "a") == "lost"
    lost = world.store.execute(c.FinishJob(now=world.now, job_id=job.id, worker="a"))
    assert lost.status == "lost"
    world.check()


def test_sweep_lets_expired_jobs_wait_again(world: World) -> None:
    world.create()
    world.claim("submit", "a")
    assert not world.store.execute(c.ReleaseExpiredJobs(now=world.now)).changed
    world.later(61)
    assert world.store.execute(c.ReleaseExpiredJobs(now=world.now)).changed
    assert world.claim("submit", "b") is not None


def test_finishing_twice_is_finishing_once(world: World) -> None:
    batch_id = world.create().batch_id
    job = world.claim("submit", "a")
    assert job is not None
    world.store.execute(c.StartBatch(now=world.now, batch_id=batch_id, expected=1))
    finish = c.FinishJob(now=world.now, job_id=job.id, worker="a")
    assert world.store.execute(finish).status == "ok"
    assert world.store.execute(finish).status == "ok"
    assert world.claim("submit", "b") is None


def test_failed_attempt_waits_again_until_the_last(world: World) -> None:
    world.create()
    for status in ("retry", "failed"):
        job = world.claim("submit", "a")
        assert job is not None
        fail = c.FailJob(
            now=world.now, job_id=job.id, worker="a", reason="disk full", attempts_max=2
        )
        assert world.store.execute(fail).status == status
        assert world.store.execute(fail).status == "lost"
    assert world.claim("submit", "a") is None


def test_a_killed_worker_is_no_failed_attempt(world: World) -> None:
    """Attempts that nobody ended cost a lease, not one of the three tries."""
    world.create()
    for _ in range(5):
        assert world.claim("submit", "a") is not None
        world.later(61)
    job = world.claim("submit", "a")
    assert job is not None
    fail = c.FailJob(now=world.now, job_id=job.id, worker="a", reason="x", attempts_max=2)
    assert world.store.execute(fail).status == "retry"


def test_oldest_job_first(world: World) -> None:
    first, second = world.create().batch_id, world.create().batch_id
    claimed = [world.claim("submit", "a"), world.claim("submit", "b")]
    assert [job.object_id for job in claimed if job] == [first, second]


def test_claiming_sorts_nothing_however_many_wait(local: LocalStore) -> None:
    """Validations come by the thousand: the oldest is found by an index."""
    with local.reading() as db:
        text = "EXPLAIN QUERY PLAN " + job_sql.JOB_NEXT.sqlite_with((2,))
        given = {"kinds_0": "submit", "kinds_1": "validate", "now": 1}
        plan = [str(row[3]) for row in db.raw.execute(text, given)]
    assert any("ix_job_waiting" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
