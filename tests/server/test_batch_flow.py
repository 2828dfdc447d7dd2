"""From a table to an answer by the real passes and jobs; the test plays the volunteers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from idlegrid_server import faults
from idlegrid_server.files import NoRoom
from idlegrid_server.pipeline.answer import INDEX_NAME
from idlegrid_server.pipeline.jobs import CLAIMS_MAX
from idlegrid_server.pipeline.tools import Tools
from idlegrid_server.store.command import CancelBatch, PauseBatch, ResumeBatch, Store
from idlegrid_server.store.recount import recount
from idlegrid_shared.documents import Policy
from idlegrid_shared.plot import parse_plot, render
from tests.sandbox.guest import assemble, module_text, write_bytes

from .pipeline_bench import Bench, table

# Copies units.jsonl, argument by argument: opens /in/units.jsonl, writes it to standard output.
COPY = assemble(
    module_text(
        """
        (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 14)
             (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 20))
            (then unreachable))
        (local.set $fd (i32.load (i32.const 20)))
        (loop $more
          (i32.store (i32.const 0) (i32.const 4096))
          (i32.store (i32.const 4) (i32.const 32768))
          (if (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
              (then unreachable))
          (local.set $i (i32.load (i32.const 8)))
          (if (local.get $i) (then
            (i32.store (i32.const 0) (i32.const 4096))
            (i32.store (i32.const 4) (local.get $i))
            (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
                (then unreachable))
            (br $more))))
        """,
        data={100: "in/units.jsonl"},
    )
)
TRAP = assemble(
    module_text(write_bytes("(i32.const 2)", 100, 11) + "unreachable", data={100: "no such sum"})
)


@pytest.fixture(autouse=True)
def _all_adds_up(store: Store) -> Iterator[None]:
    """Whatever a test did, in the end every counter and every rule must hold."""
    yield
    with store.reading() as db:
        assert recount(db, ("host",)) == []


@pytest.fixture
def bench(tmp_path: Any, store: Store) -> Bench:
    return Bench(tmp_path, store, COPY)


def running(bench: Bench, count: int, **options: Any) -> int:
    batch_id = bench.submit(table(count), **options)
    assert bench.jobs() == 1
    return batch_id


def test_a_batch_without_a_combine_answers_with_every_output(bench: Bench) -> None:
    batch_id = running(bench, 5)
    assert bench.compute() == 5
    batch = bench.batch(batch_id)
    assert (batch.state, batch.revision, batch.due_at) == ("complete", 1, None)
    assert bench.answer_files(batch_id) == {
        f"units/{index:06}/out": f"output of {index}".encode() for index in range(5)
    }
    detail = json.loads(bench.answer(batch_id).detail)
    assert (detail["app"], detail["version"], detail["units"]) == ("app", "1", 5)
    assert detail["skipped"] == 0
    assert len(detail["seed"]) == 64
    assert [stage["assimilated"] for stage in detail["stages"]] == [5]
    assert bench.passes().units == 0, "something is due for ever"


def test_a_combine_on_the_server_sees_every_unit_and_gives_the_answer(bench: Bench) -> None:
    batch_id = running(bench, 4, combine=True, args=("x",))
    bench.compute()
    assert bench.batch(batch_id).state == "combining"
    assert bench.jobs() == 1
    bench.passes()
    assert bench.batch(batch_id).state == "complete"
    (content,) = bench.answer_files(batch_id).values()
    assert [json.loads(line) for line in content.splitlines()] == [
        {"index": index, "args": [str(index)], "state": "assimilated"} for index in range(4)
    ]


def test_a_failed_unit_stops_the_batch_unless_it_may_be_skipped(bench: Bench) -> None:
    strict = running(bench, 6)
    bench.compute(failing=frozenset({2}))
    assert bench.batch(strict).state == "failed"
    bench.passes()
    states = {unit.state for unit in bench.units(strict)}
    assert states <= {"assimilated", "failed", "cancelled"}, "units of a failed batch live on"
    assert bench.compute() == 0, "tasks of a failed batch are still given out"

    lenient = running(bench, 6, on_failure={"mode": "skip", "max_units": 1})
    bench.compute(failing=frozenset({2}))
    assert bench.batch(lenient).state == "complete_with_failures"
    detail = json.loads(bench.answer(lenient).detail)
    assert (detail["skipped"], detail["skipped_units"]) == (1, [2])
    assert len(bench.answer_files(lenient)) == 5


def test_more_failures_than_may_be_skipped_fail_the_batch(bench: Bench) -> None:
    batch_id = running(bench, 6, on_failure={"mode": "skip", "max_units": 1})
    bench.compute(failing=frozenset({2, 4}))
    assert bench.batch(batch_id).state == "failed"
    assert bench.batch(batch_id).reason == "too_many_failures"


def test_a_combine_is_told_of_skipped_units(bench: Bench) -> None:
    batch_id = running(bench, 3, combine=True, on_failure={"mode": "skip", "max_units": 1})
    bench.compute(failing=frozenset({1}))
    bench.jobs()
    bench.passes()
    (content,) = bench.answer_files(batch_id).values()
    states = [json.loads(line)["state"] for line in content.splitlines()]
    assert states == ["assimilated", "failed", "assimilated"]


def test_a_combine_that_fails_three_times_fails_the_batch_with_its_words(
    tmp_path: Any, store: Store
) -> None:
    bench = Bench(tmp_path, store, TRAP)
    batch_id = running(bench, 2, combine=True)
    bench.compute()
    assert bench.jobs() == 3, "a combine is tried three times"
    bench.passes()
    batch = bench.batch(batch_id)
    assert batch.state == "failed"
    (unit,) = bench.units(batch_id, stage=1)
    assert unit.state == "failed"
    assert "no such sum" in unit.reason
    assert bench.jobs() == 0


@pytest.mark.parametrize(
    "point", ["combine.claimed", "combine.ran", "combine.stored", "combine.done.after"]
)
def test_a_combine_survives_a_crash_at_every_step(bench: Bench, point: str) -> None:
    class Died(Exception):  # noqa: N818
        pass

    deaths = []

    def die(reached: str) -> None:
        if reached == point and not deaths:
            deaths.append(reached)
            raise Died

    batch_id = running(bench, 3, combine=True)
    bench.compute()
    with faults.installed(die), pytest.raises(Died):
        bench.jobs()
    bench.later(61)
    bench.jobs()
    bench.passes()
    assert bench.batch(batch_id).state == "complete"
    assert len(bench.answer_files(batch_id)) == 1
    assert list(bench.tools.work.glob("combine-*")) == []


@pytest.mark.parametrize(
    "point",
    [
        "pass.transition.before",
        "pass.transition.planned",
        "pass.transition.after",
        "pass.batch.before",
        "pass.batch.planned",
        "pass.batch.after",
        "answer.rendered",
        "answer.done.after",
    ],
)
def test_passes_survive_a_crash_at_every_step(bench: Bench, point: str) -> None:
    class Died(Exception):  # noqa: N818
        pass

    deaths = 0

    def die(reached: str) -> None:
        nonlocal deaths
        if reached == point and deaths < 2:
            deaths += 1
            raise Died

    batch_id = running(bench, 3)
    device = bench.enrol()
    tasks = bench.exchange(device, 1).tasks
    bench.exchange(device, 2, reports=tuple(bench.report(task, False) for task in tasks), want=0)
    with faults.installed(die):
        for _ in range(3):
            try:
                bench.passes()
            except Died:
                bench.later(1)
    bench.passes()
    assert deaths >= 1
    assert bench.batch(batch_id).state == "complete"
    assert bench.batch(batch_id).revision == 1
    assert len(bench.answer_files(batch_id)) == 3


def test_a_paused_batch_waits_and_goes_on(bench: Bench) -> None:
    batch_id = running(bench, 2)
    bench.store.execute(
        PauseBatch(now=bench.now, batch_id=batch_id, reason="wait", actor="account:1")
    )
    assert bench.compute() == 0
    bench.store.execute(ResumeBatch(now=bench.now, batch_id=batch_id, actor="account:1"))
    assert bench.compute() == 2
    assert bench.batch(batch_id).state == "complete"


def test_a_batch_paused_before_its_table_was_checked_loses_nothing(bench: Bench) -> None:
    batch_id = bench.submit(table(2))
    bench.store.execute(
        PauseBatch(now=bench.now, batch_id=batch_id, reason="wait", actor="account:1")
    )
    bench.jobs()
    assert bench.units(batch_id) == []
    bench.store.execute(ResumeBatch(now=bench.now, batch_id=batch_id, actor="account:1"))
    bench.later(61)
    assert bench.jobs() == 1
    assert bench.compute() == 2
    assert bench.batch(batch_id).state == "complete"


def test_a_cancelled_batch_settles_all_its_units(bench: Bench) -> None:
    batch_id = running(bench, 700)
    bench.store.execute(
        CancelBatch(now=bench.now, batch_id=batch_id, reason="not needed", actor="account:1")
    )
    bench.passes()
    assert {unit.state for unit in bench.units(batch_id)} == {"cancelled"}
    assert bench.compute() == 0
    assert bench.stages(batch_id)[0].cancelled == 700


def test_cancelling_in_the_middle_of_a_submission_stops_it(bench: Bench) -> None:
    batch_id = bench.submit(table(3_500))

    def cancel(reached: str) -> None:
        if reached == "submit.chunk.after" and bench.batch(batch_id).state == "running":
            bench.store.execute(
                CancelBatch(now=bench.now, batch_id=batch_id, reason="no", actor="account:1")
            )

    with faults.installed(cancel):
        assert bench.jobs() == 1
    assert bench.stages(batch_id)[0].created == 1_000
    bench.passes()
    assert {unit.state for unit in bench.units(batch_id)} == {"cancelled"}
    assert bench.jobs() == 0


def test_an_answer_of_very_many_files_is_one_list(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idlegrid_server.pipeline.answer.FILES_MAX", 5)
    batch_id = running(bench, 4)
    bench.compute()
    files = bench.answer_files(batch_id)
    assert list(files) == [INDEX_NAME]
    lines = [json.loads(line) for line in files[INDEX_NAME].splitlines()]
    assert [line["name"] for line in lines] == [f"units/{i:06}/out" for i in range(4)]


def test_results_of_a_quorum_agree_before_they_count(bench: Bench) -> None:
    batch_id = running(bench, 3, policy=Policy(quorum=2, replicas=2))
    bench.compute()
    assert bench.batch(batch_id).state == "running"
    bench.compute()
    assert bench.batch(batch_id).state == "complete"


PLOT = {"file": "units/000000/out", "x": "x", "lines": [{"y": "y"}]}


def test_the_declared_plot_is_drawn_beside_the_files(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.server.pipeline_bench.output_of", lambda index: b"x,y\n1,2\n2,3\n3,1\n"
    )
    batch_id = running(bench, 1, plot=PLOT)
    bench.compute()
    files = bench.answer_files(batch_id)
    assert sorted(files) == ["plot.png", "plot.svg", "units/000000/out"]
    assert files["plot.svg"].startswith(b"<svg")
    assert files["plot.png"].startswith(b"\x89PNG")
    drawn = render(parse_plot(PLOT), {"units/000000/out": files["units/000000/out"]})
    assert (drawn.svg.encode(), drawn.png) == (files["plot.svg"], files["plot.png"])


def test_a_plot_that_cannot_be_drawn_is_noted_and_spoils_nothing(bench: Bench) -> None:
    batch_id = running(bench, 1, plot=PLOT)
    bench.compute()
    assert bench.batch(batch_id).state == "complete"
    assert list(bench.answer_files(batch_id)) == ["units/000000/out"]
    (note,) = json.loads(bench.answer(batch_id).detail)["notes"]
    assert "The plot could not be drawn" in note


def test_a_full_disk_delays_an_answer_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    batch_id = running(bench, 2)
    monkeypatch.setattr("idlegrid_server.pipeline.passes.make_answer", full)
    bench.compute()
    assert bench.batch(batch_id).state == "running"
    assert bench.passes().idle, "the passes run hot on an answer that cannot be made"
    monkeypatch.undo()
    bench.later(31)
    bench.passes()
    assert bench.batch(batch_id).state == "complete"


def test_a_full_disk_delays_a_combine_without_counting_as_its_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise NoRoom

    batch_id = running(bench, 2, combine=True)
    bench.compute()
    monkeypatch.setattr(Tools, "keep_file", full)
    for _ in range(5):
        assert bench.jobs() == 1
        bench.later(61)
    assert bench.batch(batch_id).state == "combining"
    monkeypatch.undo()
    bench.jobs()
    bench.passes()
    assert bench.batch(batch_id).state == "complete"


def test_a_job_that_kills_its_worker_again_and_again_is_given_up(bench: Bench) -> None:
    class Died(Exception):  # noqa: N818
        pass

    def die(reached: str) -> None:
        if reached == "combine.claimed":
            raise Died

    batch_id = running(bench, 2, combine=True)
    bench.compute()
    with faults.installed(die):
        for _ in range(CLAIMS_MAX):
            with pytest.raises(Died):
                bench.jobs()
            bench.later(61)
        assert bench.jobs() == 1
    bench.passes()
    assert bench.batch(batch_id).state == "failed"
    (unit,) = bench.units(batch_id, stage=1)
    assert "the server gave up" in unit.reason
