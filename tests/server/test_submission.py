"""A batch's table becomes work units: all of it or nothing, and over any number of crashes."""

import hashlib

import msgspec
import pytest

from idlegrid_server import faults
from idlegrid_server.pipeline.jobs import work_jobs
from idlegrid_server.pipeline.tools import Tools

from .pipeline_bench import Bench, table


def test_a_table_becomes_units_that_can_be_sent(bench: Bench) -> None:
    batch_id = bench.submit(table(2_500))
    assert bench.batch(batch_id).state == "checking"
    assert bench.jobs() == 1
    stage = bench.stages(batch_id)[0]
    assert (stage.state, stage.created, stage.expected) == ("running", 2_500, 2_500)
    assert bench.batch(batch_id).state == "running"
    units = bench.units(batch_id)
    assert [unit.idx for unit in units] == list(range(2_500))
    assert {unit.state for unit in units} == {"open"}
    reply = bench.exchange(bench.enrol(), 1, want=3)
    assert [task.args for task in reply.tasks] == ['["0"]', '["1"]', '["2"]']
    assert bench.jobs() == 0


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no lines"),
        (table(9) + b"\n", "line 10, column 1: the line is empty"),
        (table(90_000 - 1) + b'{"args":["x"\n' + table(5), "line 90000, column"),
    ],
)
def test_a_faulty_table_fails_the_batch_and_leaves_nothing(
    bench: Bench, data: bytes, sentence: str
) -> None:
    batch_id = bench.submit(data)
    assert bench.jobs() == 1
    batch = bench.batch(batch_id)
    assert batch.state == "failed"
    assert sentence in batch.reason
    assert bench.units(batch_id) == []
    assert bench.jobs() == 0, "the job is tried again though nothing can come of it"


def test_a_table_beyond_the_projects_limit_is_refused(bench: Bench) -> None:
    bench.tools = Tools(bench.store, bench.files, bench.clock, bench.tools.work, units_max=10)
    good, bad = bench.submit(table(10)), bench.submit(table(11))
    bench.jobs()
    assert bench.batch(good).state == "running"
    assert bench.batch(bad).state == "failed"
    assert "more than 10 lines" in bench.batch(bad).reason


def test_a_large_batch_sends_its_canaries_first_unless_it_asks_not_to(bench: Bench) -> None:
    bench.tools = Tools(bench.store, bench.files, bench.clock, bench.tools.work)
    small, large = bench.submit(table(49)), bench.submit(table(50))
    bare = bench.submit(table(50), canary=False)
    bench.jobs()
    assert [bench.batch(b).state for b in (small, large, bare)] == ["running", "canary", "running"]
    tasks = {b: sum(unit.n_tasks > 0 for unit in bench.units(b)) for b in (small, large, bare)}
    assert tasks == {small: 49, large: 3, bare: 50}


def test_a_missing_input_is_named_with_its_line(bench: Bench) -> None:
    there, missing = bench.upload(b"data"), hashlib.sha256(b"never uploaded").hexdigest()

    def line(digest: str) -> bytes:
        return (
            msgspec.json.encode({"inputs": [{"name": "x", "sha256": digest, "bytes": 4}]}) + b"\n"
        )

    batch_id = bench.submit(line(there.hex()) * 3 + line(missing) + line(there.hex()))
    bench.jobs()
    batch = bench.batch(batch_id)
    assert batch.state == "failed"
    assert "line 4: the input 'x'" in batch.reason
    assert missing in batch.reason
    assert bench.units(batch_id) == []


def test_an_input_of_another_size_than_stated_is_named(bench: Bench) -> None:
    digest = bench.upload(b"data").hex()
    unit = {"inputs": [{"name": "x", "sha256": digest, "bytes": 5}]}
    batch_id = bench.submit(table(1) + msgspec.json.encode(unit))
    bench.jobs()
    assert "line 2: the input 'x' has 4 bytes, not 5" in bench.batch(batch_id).reason


def test_a_missing_table_is_named(bench: Bench) -> None:
    batch_id = bench.submit(table(1), uploaded=False)
    bench.jobs()
    assert "was not uploaded" in bench.batch(batch_id).reason


def test_units_keep_their_own_inputs(bench: Bench) -> None:
    digest = bench.upload(b"data").hex()
    unit = {"args": ["a"], "inputs": [{"name": "x", "sha256": digest, "bytes": 4}]}
    bench.submit(msgspec.json.encode(unit))
    bench.jobs()
    task = bench.exchange(bench.enrol(), 1).tasks[0]
    assert msgspec.json.decode(task.inputs) == unit["inputs"]


class Died(Exception):  # noqa: N818 - it stands for the end of a process
    """The process ended here."""


@pytest.mark.parametrize(
    "point",
    [
        "submit.claimed",
        "submit.checked",
        "submit.chunk.before",
        "submit.chunk.after",
        "submit.done.before",
        "submit.done.after",
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_submission_survives_a_crash_at_every_step(bench: Bench, point: str, times: int) -> None:
    """The worker dies each time it comes to ``point``; the lease runs out; another one goes on."""
    batch_id = bench.submit(table(3_100))
    deaths = 0

    def die(reached: str) -> None:
        nonlocal deaths
        if reached == point and deaths < times:
            deaths += 1
            raise Died

    with faults.installed(die):
        for _ in range(times + 1):
            try:
                bench.jobs()
            except Died:
                bench.later(61)
    bench.jobs()
    assert deaths >= 1
    stage = bench.stages(batch_id)[0]
    assert (stage.created, stage.expected) == (3_100, 3_100)
    assert [unit.idx for unit in bench.units(batch_id)] == list(range(3_100))
    assert bench.batch(batch_id).state == "running"


def test_the_first_units_go_out_while_the_rest_is_stored(bench: Bench) -> None:
    batch_id = bench.submit(table(2_500))
    sent = []

    def look(reached: str) -> None:
        if reached == "submit.chunk.after" and not sent:
            sent.extend(bench.exchange(bench.enrol(), 1, want=5).tasks)

    with faults.installed(look):
        bench.jobs()
    assert len(sent) == 5
    assert bench.stages(batch_id)[0].created == 2_500


def test_a_worker_that_is_to_end_hands_the_job_on_at_once(bench: Bench) -> None:
    batch_id = bench.submit(table(2_500))
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    assert work_jobs(bench.tools, stopping) == 1
    assert bench.stages(batch_id)[0].created < 2_500
    assert bench.jobs() == 1, "the next worker would have to wait for the lease"
    assert bench.stages(batch_id)[0].created == 2_500
