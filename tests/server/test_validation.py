"""Validators at work: reports, passes and the compute worker's jobs; the test plays the hosts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idlegrid_server import faults
from idlegrid_server.pipeline.finding import RETRY_FIRST_US, RETRY_MAX_US, retry_us
from idlegrid_server.store.command import CancelBatch, Store
from idlegrid_server.store.recount import recount
from idlegrid_server.store.sql.account import INCIDENTS_NEWEST
from idlegrid_server.store.sql.event import EVENTS_OF_OBJECT
from idlegrid_server.store.sql.job import JOB_NEWEST_OF_OBJECT
from idlegrid_server.store.sql.unit import TASKS_OF_UNITS, TaskRow
from idlegrid_server.web.api.why import Computers, why_sentence
from idlegrid_shared.documents import Policy
from idlegrid_shared.validator import FieldRule, FileRule, Validator
from tests.sandbox.guest import assemble, module_text

from .pipeline_bench import SECOND, Bench, table

NEAR = Validator(
    rel=1e-9,
    files={"r.json": FileRule(fields={"t": FieldRule(compare="ignore"), "x": FieldRule(min=0)})},
)
TWO = Policy(quorum=2, replicas=2, max_errors=3, max_tasks=10, deadline_s=1000)
# Agrees when the first bytes differ by one at most; traps over an X, leaves by 10 to differ.
PROGRAM = assemble(
    module_text(
        """
        (local.set $i (call $first (i32.const 100)))
        (local.set $fd (call $first (i32.const 120)))
        (if (i32.or (i32.eq (local.get $i) (i32.const 88))
                    (i32.eq (local.get $fd) (i32.const 88))) (then unreachable))
        (if (i32.gt_u (i32.add (i32.sub (local.get $i) (local.get $fd)) (i32.const 1))
                      (i32.const 2))
            (then (call $proc_exit (i32.const 10))))
        ;; functions
        (func $first (param $path i32) (result i32)
          (if (call $path_open (i32.const 3) (i32.const 0) (local.get $path) (i32.const 8)
               (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 20))
              (then unreachable))
          (i32.store (i32.const 0) (i32.const 200))
          (i32.store (i32.const 4) (i32.const 1))
          (drop (call $fd_read (i32.load (i32.const 20)) (i32.const 0) (i32.const 1) (i32.const 8)))
          (i32.load8_u (i32.const 200)))
        """,
        data={100: "in/a/out", 120: "in/b/out"},
    )
)
BY_PROGRAM = Validator(program="join")


@pytest.fixture(autouse=True)
def _all_adds_up(store: Store) -> Iterator[None]:
    """Whatever a test did, in the end every counter and every rule must hold."""
    yield
    with store.reading() as db:
        assert recount(db, ("host",)) == []


@pytest.fixture
def bench(tmp_path: Path, store: Store) -> Bench:
    return Bench(tmp_path, store, PROGRAM)


class Unit:
    """A batch of one unit, and hosts that each answer as told."""

    def __init__(self, bench: Bench, rule: Validator | None = NEAR, policy: Policy = TWO) -> None:
        self.bench = bench
        self.name = "r.json" if rule is not None and not rule.program else "out"
        self.batch_id = bench.submit(table(1), policy=policy, rule=rule)
        assert bench.jobs() == 1

    def take(self) -> tuple[bytes, Any]:
        """A new host takes its task."""
        device = self.bench.enrol()
        (task,) = self.bench.exchange(device, 1, want=1).tasks
        return device, task

    def answer(self, data: bytes | str, taken: tuple[bytes, Any] | None = None) -> None:
        """A host answers; nothing is decided yet."""
        device, task = taken or self.take()
        content = data.encode() if isinstance(data, str) else data
        report = self.bench.result(task, content, self.name)
        self.bench.exchange(device, 2, reports=(report,), want=0)

    def say(self, *answers: bytes | str) -> None:
        """Hosts answer one after the other; the server works after each."""
        for data in answers:
            self.answer(data)
            self.bench.settle()

    @property
    def row(self) -> Any:
        return self.bench.units(self.batch_id)[0]

    @property
    def tasks(self) -> list[TaskRow]:
        with self.bench.store.reading() as db:
            return db.fetch_all(TASKS_OF_UNITS, unit_ids=[self.row.id])

    @property
    def ends(self) -> list[tuple[str, str | None, str]]:
        return [(t.state, t.verdict, t.reason) for t in self.tasks if t.host_id is not None]

    @property
    def incidents(self) -> list[str]:
        with self.bench.store.reading() as db:
            return [row.text for row in db.fetch_all(INCIDENTS_NEWEST, limit=10)]

    @property
    def job(self) -> Any:
        with self.bench.store.reading() as db:
            return db.fetch_one(JOB_NEWEST_OF_OBJECT, kind="validate", object_id=self.row.id)


def doc(x: float, **more: object) -> str:
    return json.dumps({"x": x, "t": "now", **more})


AGREED = [("success", "valid", "agrees")] * 2


def test_results_within_the_tolerance_agree(bench: Bench) -> None:
    unit = Unit(bench)
    unit.say(doc(1.0), doc(1.0 + 1e-12, t=5))
    assert unit.row.state == "assimilated"
    assert unit.ends == AGREED
    assert bench.batch(unit.batch_id).state == "complete"
    assert unit.job is None, "a validation leaves no row"


def test_results_beyond_it_do_not(bench: Bench) -> None:
    unit = Unit(bench)
    unit.say(doc(1.0), doc(1.001))
    assert unit.row.state == "open"
    assert {end[1] for end in unit.ends} == {"inconclusive"}
    unit.say(doc(1.001 + 1e-12))
    assert unit.row.state == "assimilated"
    assert [end[1] for end in unit.ends] == ["invalid", "valid", "valid"]


def test_without_a_validator_no_job_is_made_and_no_file_read(bench: Bench) -> None:
    unit = Unit(bench, None)
    unit.answer("same")
    unit.answer("same")
    bench.passes()
    assert unit.row.state == "assimilated"
    assert bench.jobs() == 0
    assert unit.job is None


def test_equal_bytes_are_checked_once_and_need_no_comparison(bench: Bench) -> None:
    unit = Unit(bench)
    unit.answer(doc(2.0))
    unit.answer(doc(2.0))
    bench.passes()
    assert bench.jobs() == 1
    bench.passes()
    assert unit.ends == AGREED
    again = Unit(bench)
    again.answer(doc(2.0))
    again.answer(doc(2.0))
    bench.passes()
    assert bench.jobs() == 0, "what was found is kept by content, for other units too"
    assert again.ends == AGREED


def test_an_output_that_breaks_a_rule_is_invalid_whatever_others_say(bench: Bench) -> None:
    unit = Unit(bench)
    unit.say(doc(-1.0), doc(-1.0))
    assert unit.ends == [("success", "invalid", "fails_check")] * 2
    unit.say(doc(1.0), doc(1.0))
    assert unit.row.state == "assimilated"


def test_an_output_that_cannot_be_read_is_an_error(bench: Bench) -> None:
    unit = Unit(bench)
    unit.say("{", doc(1.0), doc(1.0))
    assert unit.ends == [("error", None, "validator_error"), *AGREED]
    with bench.store.reading() as db:
        events = db.fetch_all(
            EVENTS_OF_OBJECT, kind="unit", object_id=unit.row.id, after=0, limit=50
        )
    told = [json.loads(event.detail) for event in events if event.reason == "validated"]
    assert told[0]["found"][0]["found"] == "unreadable"
    assert "r.json: it is no JSON" in told[0]["found"][0]["note"]


def test_too_many_unreadable_outputs_fail_the_unit(bench: Bench) -> None:
    unit = Unit(bench)
    unit.say(*("{" * n for n in range(1, 5)))
    assert unit.row.state == "failed"
    assert unit.row.reason == "too_many_errors"


def test_a_straggler_is_compared_with_the_canonical_result_alone(bench: Bench) -> None:
    unit = Unit(bench)
    late, worse = None, None
    late = unit.take()
    bench.later(2000)
    bench.passes()
    worse = unit.take()
    bench.later(2000)
    bench.passes()
    unit.say(doc(1.0), doc(1.0))
    assert unit.row.state == "assimilated"
    unit.answer(doc(1.0 + 1e-12), late)
    bench.settle()
    unit.answer(doc(1.0 + 1e-6), worse)
    bench.settle()
    verdicts = sorted((t.n, t.verdict) for t in unit.tasks if t.verdict)
    assert [verdict for _, verdict in verdicts] == ["valid", "invalid", "valid", "valid"]


def test_a_relation_that_is_not_transitive_has_one_centre_in_any_order(bench: Bench) -> None:
    for order in ("ABC", "CAB", "BCA"):
        unit = Unit(bench, BY_PROGRAM, Policy(quorum=3, replicas=3, max_tasks=9))
        for letter in order:
            unit.answer(letter)
        bench.settle()
        assert unit.ends == [("success", "valid", "agrees")] * 3
        (content,) = bench.answer_files(unit.batch_id).values()
        assert content == b"B", "B agrees with both, A and C only with B"


def test_a_program_compares_in_the_sandbox(bench: Bench) -> None:
    unit = Unit(bench, BY_PROGRAM)
    unit.say("M", "P")
    assert unit.row.state == "open"
    unit.say("N")
    assert [end[1] for end in unit.ends] == ["valid", "invalid", "valid"]


def test_an_output_that_only_breaks_the_program_is_an_error_of_its_task(bench: Bench) -> None:
    unit = Unit(bench, BY_PROGRAM)
    unit.say("M", "X", "M")
    assert unit.ends == [
        ("success", "valid", "agrees"),
        ("error", None, "validator_error"),
        ("success", "valid", "agrees"),
    ]
    assert unit.incidents == []


def test_names_and_numbers_of_files_that_no_box_takes_stop_no_unit(bench: Bench) -> None:
    unit = Unit(bench, BY_PROGRAM)
    unit.say("M")
    unit.name = "n" * 255  # with the folder before it too long for a path
    unit.say("M")
    unit.name = "out"
    unit.say("M")
    assert unit.row.state == "assimilated"
    assert [end[0] for end in unit.ends] == ["success", "error", "success"]
    assert unit.incidents == []


def test_a_program_that_has_never_worked_loses_nothing(bench: Bench) -> None:
    """One hostile first result: is it the output or the program? The unit waits, and finds out."""
    unit = Unit(bench, BY_PROGRAM)
    unit.say("X")
    assert [end[:2] for end in unit.ends] == [("success", "pending")]
    (told,) = unit.incidents
    assert "the validator failed: its program join" in told
    assert bench.jobs() == 0, "it is not tried again at once"
    unit.answer("M")
    bench.settle()
    assert {end[1] for end in unit.ends} == {"pending"}
    bench.later(RETRY_FIRST_US / SECOND)
    bench.settle()
    assert unit.job is None, "the good output is the proof"
    assert unit.ends[0] == ("error", None, "validator_error")
    unit.say("M")
    assert unit.row.state == "assimilated"
    assert [end[0] for end in unit.ends] == ["error", "success", "success"]


def test_a_broken_program_makes_units_wait_and_tells_an_admin(tmp_path: Path, store: Store) -> None:
    bench = Bench(tmp_path, store, assemble(module_text("unreachable")))
    unit = Unit(bench, BY_PROGRAM)
    unit.say("M", "M")
    for _ in range(3):
        bench.later(RETRY_MAX_US / SECOND)
        bench.settle()
    assert unit.row.state == "open"
    assert {end[:2] for end in unit.ends} == {("success", "pending")}
    assert len(unit.incidents) == 1
    assert unit.job.errors == 4
    with store.reading() as db:
        batch, stages = bench.batch(unit.batch_id), bench.stages(unit.batch_id)
        said = why_sentence(db, batch, stages, Computers(2, 0))
    assert "1 work unit waits: the app's validator failed (its program join: " in said
    assert "tried again" in said


def test_retries_come_ever_more_rarely_and_never_end() -> None:
    waits = [retry_us(errors) for errors in range(20)]
    assert waits[0] == RETRY_FIRST_US
    assert waits == sorted(waits)
    assert waits[-1] == RETRY_MAX_US


@pytest.mark.parametrize("point", ["validate.claimed", "validate.found", "validate.done.after"])
def test_a_validation_survives_a_crash_at_every_step(bench: Bench, point: str) -> None:
    class Died(Exception):  # noqa: N818
        pass

    deaths = []

    def die(reached: str) -> None:
        if reached == point and not deaths:
            deaths.append(reached)
            raise Died

    unit = Unit(bench)
    unit.answer(doc(1.0))
    unit.answer(doc(1.0 + 1e-12))
    bench.passes()
    with faults.installed(die), pytest.raises(Died):
        bench.jobs()
    bench.later(61)
    bench.settle()
    assert unit.ends == AGREED


def test_a_result_that_comes_during_a_validation_is_looked_at_after_it(bench: Bench) -> None:
    unit = Unit(bench)
    second = unit.take()
    unit.answer(doc(1.0), unit.take())

    def come(reached: str) -> None:
        if reached == "validate.found" and unit.tasks[0].state == "in_progress":
            unit.answer(doc(1.0 + 1e-12), second)
            bench.passes()

    bench.passes()
    with faults.installed(come):
        bench.jobs()
    bench.settle()
    assert unit.ends == AGREED


def test_a_cancelled_batch_needs_no_validator(bench: Bench) -> None:
    unit = Unit(bench)
    unit.answer(doc(1.0))
    bench.passes()
    bench.store.execute(
        CancelBatch(now=bench.now, batch_id=unit.batch_id, reason="no", actor="account:1")
    )
    bench.settle()
    assert unit.row.state == "cancelled"
    assert unit.job is None
