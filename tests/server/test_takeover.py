"""What a killed compute worker held goes on at once: nobody waits for the dead."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from idlegrid_server.pipeline import takeover
from idlegrid_server.project import open_project
from idlegrid_server.store.command import ClaimJob, CreateAccount
from idlegrid_server.store.sql.job import JOB_NEWEST_OF_OBJECT, JOBS_UNDER_LEASE, JobRow
from idlegrid_server.store_access import opened_store
from tests.sandbox.guest import assemble, module_text

from . import pipeline_bench
from .pipeline_bench import Bench, table
from .test_serve import Server, admin, until

LEASE_S = 60.0  # as `init` sets it
# Counts down for a second or two, then ends well.
SLOW = assemble(
    module_text(
        """
        (local.set $i (i32.const 1000000000))
        (loop $more (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        """
    )
)


def held(bench: Bench) -> list[JobRow]:
    with bench.store.reading() as db:
        return db.fetch_all(JOBS_UNDER_LEASE)


def claim(bench: Bench, worker: str) -> int:
    """A job that ``worker`` holds for an hour."""
    bench.submit(table(2))
    claimed = bench.store.execute(
        ClaimJob(
            now=bench.now,
            kinds=("submit",),
            worker=worker,
            lease_until=bench.now + 3600 * pipeline_bench.SECOND,
        )
    )
    assert claimed.job is not None
    return claimed.job.id


def test_a_dead_workers_job_is_taken_over_before_its_lease_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "birth_of", lambda pid: 12345.0)
    claim(bench, takeover.worker_name("compute"))  # this pid, of another birth: gone
    assert bench.jobs() == 0
    assert takeover.take_over(bench.tools) == 1
    assert bench.jobs() == 1


@pytest.mark.parametrize(
    "worker", [takeover.worker_name("compute"), "compute", ""], ids=["living", "nameless", "empty"]
)
def test_a_living_or_unknown_worker_keeps_its_job(bench: Bench, worker: str) -> None:
    claim(bench, worker)
    assert takeover.take_over(replace(bench.tools, worker="another")) == 0
    assert held(bench)[0].lease_until == bench.now + 3600 * pipeline_bench.SECOND


def test_another_machines_worker_keeps_its_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(bench, "compute-1-1.00@" + "elsewhere")
    monkeypatch.setattr(takeover.platform, "node", lambda: "here")
    assert takeover.take_over(bench.tools) == 0
    assert bench.jobs() == 0


def test_after_kill_9_in_mid_combine_the_answer_comes_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = msgspec.structs.replace(pipeline_bench.LIMITS, max_ops=10**11, time_s=LEASE_S)
    monkeypatch.setattr(pipeline_bench, "LIMITS", limits)
    folder = tmp_path / "a project"
    admin("init", folder, "--lab", "--port", 0)
    server = Server(folder)
    try:
        server.ready()
        with opened_store(open_project(folder)) as store:
            bench = Bench.__new__(Bench)
            bench.store, bench.hosts, bench.now = store, 0, time.time_ns() // 1000
            bench.account_id = store.execute(
                CreateAccount(now=bench.now, email="s@example.org", name="S", role="scientist")
            ).account_id
            bench.version_id = bench.publish(SLOW)
            monkeypatch.setattr(bench, "passes", lambda: None, raising=False)
            batch_id = bench.submit(table(1), combine=True)
            until("the submission", lambda: bench.batch(batch_id).state == "running")
            bench.now = time.time_ns() // 1000
            until("a task", bench.compute)
            (job,) = until("the combine", lambda: held(bench))
            os.kill(server.running.processes["compute"], signal.SIGKILL)
            until("the answer", lambda: bench.batch(batch_id).state == "complete", LEASE_S - 20)
            with store.reading() as db:
                after = db.fetch_one(JOB_NEWEST_OF_OBJECT, kind="combine", object_id=job.object_id)
            assert after is not None
            assert (after.attempts, after.errors) == (2, 0), "the kill came in mid-combine"
    finally:
        server.close()
