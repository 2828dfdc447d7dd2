"""The sweep: what lost wake-ups, dead workers and the clock leave is found."""

from pathlib import Path
from typing import Any

import pytest

from idlegrid_server.config import Config
from idlegrid_server.layout import Layout
from idlegrid_server.pipeline.sweep import Sweep, sweep_pass
from idlegrid_server.project import Project
from idlegrid_server.store.command import ClaimJob, OpenUpload, Store
from idlegrid_server.store.sql.account import INCIDENTS_NEWEST
from idlegrid_server.store.sql.file import UPLOAD_BY_NAME

from .pipeline_bench import SECOND, Bench, table


def test_with_nothing_to_do_nobody_is_woken(bench: Bench) -> None:
    assert sweep_pass(bench.store, bench.clock) == set()


def test_a_job_that_nobody_was_woken_for_is_found(bench: Bench) -> None:
    bench.submit(table(3))
    assert sweep_pass(bench.store, bench.clock) == {"compute"}
    bench.jobs()
    assert sweep_pass(bench.store, bench.clock) == set()


def test_a_dead_workers_job_is_found_when_its_lease_has_run_out(bench: Bench) -> None:
    bench.submit(table(3))
    claimed = bench.store.execute(
        ClaimJob(
            now=bench.now, kinds=("submit",), worker="dead", lease_until=bench.now + 60 * SECOND
        )
    )
    assert claimed.job is not None
    assert sweep_pass(bench.store, bench.clock) == set()
    bench.later(61)
    assert sweep_pass(bench.store, bench.clock) == {"compute"}


def test_results_and_deadlines_that_no_pass_has_looked_at_are_found(bench: Bench) -> None:
    bench.submit(table(2))
    bench.jobs()
    device = bench.enrol()
    first, _ = bench.exchange(device, 1).tasks
    assert sweep_pass(bench.store, bench.clock) == set()
    bench.exchange(device, 2, reports=(bench.report(first, False),), want=0)
    assert sweep_pass(bench.store, bench.clock) == {"wake"}
    bench.passes()
    assert sweep_pass(bench.store, bench.clock) == set()
    bench.later(86_401)
    assert sweep_pass(bench.store, bench.clock) == {"wake"}, "a deadline passed unseen"


def test_uploads_whose_time_is_over_are_dropped_with_their_bytes(
    bench: Bench, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "project")
    folder = layout.uploads
    for place in (folder, layout.checkpoints):
        place.mkdir(parents=True)
    for name, life in (("old", 10), ("new", 1000)):
        bench.store.execute(
            OpenUpload(
                now=bench.now,
                name=name,
                sha256=name.encode().ljust(32),
                size=5,
                expires_at=bench.now + life * SECOND,
                account_id=bench.account_id,
            )
        )
        (folder / name).write_bytes(b"abc")
    bench.later(11)
    sweep_pass(bench.store, bench.clock, layout)
    assert [path.name for path in folder.iterdir()] == ["new"]
    with bench.store.reading() as db:
        assert db.fetch_one(UPLOAD_BY_NAME, name="old") is None
        assert db.fetch_one(UPLOAD_BY_NAME, name="new") is not None


@pytest.fixture
def sweep(bench: Bench, tmp_path: Path) -> Any:
    layout = Layout(tmp_path / "project")
    for folder in (layout.folder, layout.root, layout.run, layout.uploads):
        folder.mkdir()
    layout.root_public.write_text("00" * 32)
    layout.delegations.write_text("{}")
    one = Sweep(Project(layout, Config()), bench.tools, f"unix://{tmp_path / 'no-valkey'}")
    yield one
    one.connection.close()


def test_without_valkey_the_sweep_runs_the_passes_itself(bench: Bench, sweep: Sweep) -> None:
    batch_id = bench.submit(table(1))
    bench.jobs()
    device = bench.enrol()
    (task,) = bench.exchange(device, 1).tasks
    bench.exchange(device, 2, reports=(bench.report(task, False),), want=0)
    sweep.once()
    assert bench.batch(batch_id).state == "complete"
    assert "valkey" in codes(bench.store)


def test_a_condition_that_lasts_is_told_once(
    bench: Bench, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idlegrid_server.health.disk_free_bytes", lambda project: 1)
    for _ in range(5):
        sweep.once()
    assert codes(bench.store) == {"disk_low": 1}


def test_a_failed_sweep_is_tried_again(
    bench: Bench, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("idlegrid_server.pipeline.sweep.sweep_pass", full)
    sweep.once()


def codes(store: Store) -> dict[str, int]:
    with store.reading() as db:
        return {row.code: row.times for row in db.fetch_all(INCIDENTS_NEWEST, limit=10)}
