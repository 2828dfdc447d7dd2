"""Another rule for a whole batch: what it would change, said first; then changed, as asked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from idlegrid_server import faults
from idlegrid_server.pipeline import revalidation
from idlegrid_server.store.command import (
    ApplyRevalidation,
    CancelBatch,
    Store,
    StoreRefused,
    TryValidator,
)
from idlegrid_server.store.recount import recount
from idlegrid_server.store.sql.event import EVENTS_OF_OBJECT
from idlegrid_server.store.sql.host import HOST_BY_ID
from idlegrid_server.store.sql.job import JOB_LIVE_OF_OBJECT
from idlegrid_server.store.sql.unit import TASKS_OF_UNITS
from idlegrid_server.store.sql.validation import REVALIDATION_BY_ID, RevalidationRow
from idlegrid_shared.documents import Policy
from idlegrid_shared.validator import FieldRule, FileRule, Validator
from tests.sandbox.guest import assemble, module_text

from .pipeline_bench import Bench, table
from .test_batch_flow import COPY
from .test_validation import BY_PROGRAM, PROGRAM

STRICT = Validator(files={"r.json": FileRule(abs=1e-9)})
LOOSE = Validator(files={"r.json": FileRule(abs=0.1)})
POSITIVE = Validator(files={"r.json": FileRule(abs=0.1, fields={"x": FieldRule(min=1)})})
SKIP = {"mode": "skip", "max_units": 100}
POLICY = Policy(quorum=2, replicas=2, max_errors=3, max_tasks=2)


@pytest.fixture(autouse=True)
def _all_adds_up(store: Store) -> Iterator[None]:
    yield
    with store.reading() as db:
        assert recount(db, ("host",)) == []


@pytest.fixture
def bench(tmp_path: Path, store: Store) -> Bench:
    return Bench(tmp_path, store, COPY)


def number(x: float) -> bytes:
    return json.dumps({"x": x}).encode()


def computed(bench: Bench, *pairs: tuple[bytes, ...], rule: Validator | None, **more: Any) -> int:
    """A batch with a unit for each tuple: what its hosts say, one after the other."""
    batch_id = bench.submit(
        table(len(pairs)),
        rule=rule,
        policy=more.pop("policy", POLICY),
        on_failure=more.pop("on_failure", SKIP),
        **more,
    )
    bench.jobs()
    for n in range(max(len(pair) for pair in pairs)):
        device = bench.enrol()
        tasks = bench.exchange(device, 1).tasks
        reports = tuple(
            msgspec.structs.replace(bench.result(task, pairs[task.index][n], "r.json"), ops=10**12)
            for task in tasks
        )
        bench.exchange(device, 2, reports=reports, want=0)
        bench.settle()
    return batch_id


def tried(bench: Bench, batch_id: int, rule: Validator | None) -> int:
    stage_id = bench.stages(batch_id)[0].id
    made = bench.store.execute(
        TryValidator(
            now=bench.now,
            batch_id=batch_id,
            stage_id=stage_id,
            rule=bench.rule_text(rule),
            rule_hash=bench.rule_hash(rule),
        )
    )
    return made.revalidation_id


def row(bench: Bench, number: int) -> RevalidationRow:
    with bench.store.reading() as db:
        found = db.fetch_one(REVALIDATION_BY_ID, revalidation_id=number)
    assert found is not None
    return found


def report(bench: Bench, batch_id: int, rule: Validator | None) -> dict[str, Any]:
    """A dry run; whatever it says, nothing is changed by it."""
    before = everything(bench, batch_id)
    tried_as = tried(bench, batch_id, rule)
    bench.settle()
    assert everything(bench, batch_id) == before, "a dry run changed something"
    found = row(bench, tried_as)
    assert found.state == "ready", found.reason
    return {**json.loads(found.report), "id": tried_as}


def everything(bench: Bench, batch_id: int) -> list[object]:
    units = bench.units(batch_id)
    with bench.store.reading() as db:
        tasks = db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id for unit in units])
    return [bench.batch(batch_id), bench.stages(batch_id), units, tasks]


def apply(bench: Bench, number: int) -> str:
    return bench.store.execute(
        ApplyRevalidation(now=bench.now, revalidation_id=number, actor="account:1")
    ).status


def verdicts(bench: Bench, batch_id: int) -> list[list[str]]:
    found = []
    for unit in bench.units(batch_id):
        with bench.store.reading() as db:
            tasks = db.fetch_all(TASKS_OF_UNITS, unit_ids=[unit.id])
        found.append([t.verdict or t.state for t in tasks if t.host_id is not None])
    return found


def counts(said: dict[str, Any]) -> dict[str, int]:
    return {k: v for k, v in said.items() if k not in ("examples", "id") and v}


NEAR = (number(1.0), number(1.01))
FAR = (number(1.0), number(5.0))
SAME = (number(2.0), number(2.0))


def test_a_dry_run_says_what_would_change_and_changes_nothing(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, FAR, SAME, rule=LOOSE)
    assert bench.batch(batch_id).state == "complete_with_failures"
    said = report(bench, batch_id, STRICT)
    assert counts(said) == {
        "units": 3, "changed": 1, "canonicals": 1, "verdicts": 2, "lost": 1,
    }  # fmt: skip
    (example,) = said["examples"]
    assert (example["unit"], example["before"], example["after"]) == (0, "assimilated", "failed")
    assert "x: " in example["note"]
    assert counts(report(bench, batch_id, LOOSE)) == {"units": 3}


def test_the_rule_that_is_applied_makes_a_second_answer(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, FAR, SAME, rule=STRICT)
    assert sorted(bench.answer_files(batch_id)) == ["units/000002/r.json"]
    said = report(bench, batch_id, LOOSE)
    assert counts(said) == {"units": 3, "changed": 1, "canonicals": 1, "verdicts": 2, "rescued": 1}
    assert apply(bench, said["id"]) == "applying"
    bench.settle()
    bench.passes()
    assert row(bench, said["id"]).state == "applied"
    batch = bench.batch(batch_id)
    assert (batch.state, batch.revision) == ("complete_with_failures", 2)
    assert verdicts(bench, batch_id) == [["valid"] * 2, ["inconclusive"] * 2, ["valid"] * 2]
    first, second = (bench.answer(batch_id, revision).manifest for revision in (1, 2))
    assert [e.name for e in bench.manifest(first)] == ["units/000002/r.json"]
    assert [e.name for e in bench.manifest(second)] == [
        "units/000000/r.json",
        "units/000002/r.json",
    ]
    assert counts(report(bench, batch_id, LOOSE)) == {"units": 3}, "nothing is left to change"
    with bench.store.reading() as db:
        events = db.fetch_all(EVENTS_OF_OBJECT, kind="batch", object_id=batch_id, after=0, limit=99)
    (changed,) = [event for event in events if event.reason == "validator_changed"]
    assert changed.actor == "account:1"
    assert json.loads(changed.detail or "{}")["to"] == (bench.rule_hash(LOOSE) or b"").hex()


def test_applying_twice_is_applying_once(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, rule=STRICT, on_failure={"mode": "skip"}, policy=Policy())
    said = report(bench, batch_id, LOOSE)
    assert [apply(bench, said["id"]) for _ in range(2)] == ["applying", "existing"]
    bench.settle()
    assert apply(bench, said["id"]) == "existing"
    bench.settle()
    bench.passes()
    assert (bench.batch(batch_id).state, bench.batch(batch_id).revision) == ("complete", 1)


def test_credit_once_granted_stays_and_is_not_granted_again(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, SAME, rule=LOOSE)
    credit = [host_credit(bench, n) for n in (1, 2)]
    assert all(credit)
    for rule in (STRICT, LOOSE):
        apply(bench, report(bench, batch_id, rule)["id"])
        bench.settle()
        bench.passes()
    assert bench.batch(batch_id).revision == 3
    assert [host_credit(bench, n) for n in (1, 2)] == credit
    assert verdicts(bench, batch_id) == [["valid"] * 2] * 2


def host_credit(bench: Bench, number: int) -> int:
    with bench.store.reading() as db:
        found = db.fetch_one(HOST_BY_ID, host_id=number)
    assert found is not None
    return found.credit_micro


def test_a_check_that_outputs_fail_opens_their_units_for_more_hosts(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, (number(0.5),) * 2, rule=LOOSE, policy=Policy(), on_failure={})
    assert bench.batch(batch_id).state == "complete"
    said = report(bench, batch_id, POSITIVE)
    assert counts(said) == {
        "units": 2, "changed": 1, "canonicals": 1, "verdicts": 2, "opened": 1,
    }  # fmt: skip
    assert said["examples"][0]["note"].startswith("r.json: ")
    apply(bench, said["id"])
    bench.settle()
    bench.passes()
    assert bench.batch(batch_id).state == "running"
    for _ in range(2):
        device = bench.enrol()
        (task,) = bench.exchange(device, 1).tasks
        bench.exchange(device, 2, reports=(bench.result(task, number(1.5), "r.json"),), want=0)
        bench.settle()
    bench.passes()
    assert (bench.batch(batch_id).state, bench.batch(batch_id).revision) == ("complete", 2)
    assert verdicts(bench, batch_id)[1] == ["invalid", "invalid", "valid", "valid"]


def test_byte_by_byte_is_a_rule_too(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, SAME, rule=LOOSE)
    said = report(bench, batch_id, None)
    assert counts(said) == {"units": 2, "changed": 1, "canonicals": 1, "verdicts": 2, "lost": 1}
    apply(bench, said["id"])
    bench.settle()
    bench.passes()
    assert bench.stages(batch_id)[0].validator is None
    assert bench.batch(batch_id).state == "complete_with_failures"


def test_what_a_bad_rule_could_not_read_is_read_under_a_better_one(bench: Bench) -> None:
    wrong = Validator(files={"r.json": FileRule(format="npy")})
    batch_id = computed(bench, NEAR, rule=wrong, policy=Policy(max_errors=9), on_failure={})
    assert verdicts(bench, batch_id) == [["error", "error"]]
    said = report(bench, batch_id, LOOSE)
    assert said["undecided"] == 1, "the unit is open still"
    apply(bench, said["id"])
    bench.settle()
    assert row(bench, said["id"]).state == "applied"
    given_up = computed(bench, NEAR, SAME, rule=wrong, policy=Policy(max_errors=1, max_tasks=3))
    assert bench.batch(given_up).state == "failed"
    with pytest.raises(StoreRefused, match="the batch is failed"):
        apply(bench, report(bench, given_up, LOOSE)["id"])


def test_a_combine_is_computed_anew(bench: Bench) -> None:
    batch_id = computed(bench, NEAR, SAME, rule=STRICT, combine=True)
    bench.settle()
    bench.passes()
    assert bench.batch(batch_id).state == "complete_with_failures"
    apply(bench, report(bench, batch_id, LOOSE)["id"])
    bench.settle()
    bench.passes()
    batch = bench.batch(batch_id)
    assert (batch.state, batch.revision) == ("complete", 2)
    states = []
    for revision in (1, 2):
        (entry,) = bench.manifest(bench.answer(batch_id, revision).manifest)
        with bench.tools.open_file(bytes.fromhex(entry.sha256)) as file:
            states.append([json.loads(line)["state"] for line in file])
    assert states == [["failed", "assimilated"], ["assimilated"] * 2]


def test_a_program_may_be_the_rule(tmp_path: Path, store: Store) -> None:
    bench = Bench(tmp_path, store, PROGRAM)
    bare = Validator(files={"out": FileRule(compare="exact")})
    batch_id = bench.submit(table(1), rule=bare, policy=POLICY, on_failure=SKIP)
    bench.jobs()
    for letter in (b"M", b"N"):
        device = bench.enrol()
        (task,) = bench.exchange(device, 1).tasks
        bench.exchange(device, 2, reports=(bench.result(task, letter),), want=0)
        bench.settle()
    assert bench.units(batch_id)[0].state == "failed"
    said = report(bench, batch_id, BY_PROGRAM)
    assert counts(said)["rescued"] == 1


def test_a_program_that_fails_ends_the_trial_with_its_words(tmp_path: Path, store: Store) -> None:
    bench = Bench(tmp_path, store, assemble(module_text("unreachable")))
    batch_id = computed(bench, SAME, rule=LOOSE)
    trial = tried(bench, batch_id, BY_PROGRAM)
    bench.settle()
    found = row(bench, trial)
    assert found.state == "failed"
    assert found.reason.startswith("the validator failed: its program join")
    with pytest.raises(StoreRefused, match="not ready"):
        apply(bench, trial)


def test_a_better_rule_ends_the_waiting_for_one_that_fails(tmp_path: Path, store: Store) -> None:
    bench = Bench(tmp_path, store, assemble(module_text("unreachable")))
    batch_id = computed(bench, SAME, rule=BY_PROGRAM, policy=Policy(), on_failure={})
    assert verdicts(bench, batch_id) == [["pending"] * 2]
    apply(bench, report(bench, batch_id, LOOSE)["id"])
    bench.settle()
    bench.passes()
    assert verdicts(bench, batch_id) == [["valid"] * 2]
    assert bench.batch(batch_id).state == "complete"
    with store.reading() as db:
        waits = db.fetch_one(JOB_LIVE_OF_OBJECT, kind="validate", object_id=1)
    assert waits is None, "a later result would have to wait for the old rule's next try"


@pytest.mark.parametrize("point", ["revalidate.claimed", "revalidate.looked", "revalidate.piece"])
def test_it_survives_crashes_in_the_middle(
    bench: Bench, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "PAGE", 2)

    class Died(Exception):  # noqa: N818
        pass

    left = 2

    def die(reached: str) -> None:
        nonlocal left
        if reached == point and left:
            left -= 1
            raise Died

    batch_id = computed(bench, NEAR, FAR, SAME, NEAR, SAME, rule=STRICT)
    trial = tried(bench, batch_id, LOOSE)
    with faults.installed(die):
        for step in ("look", "apply"):
            for _ in range(3):
                try:
                    bench.settle()
                except Died:
                    with bench.store.reading() as db:
                        assert recount(db, ("host",)) == []
                    bench.later(61)
            if step == "look":
                apply(bench, trial)
    bench.passes()
    assert left == 0
    assert row(bench, trial).state == "applied"
    assert verdicts(bench, batch_id) == [
        ["valid"] * 2, ["inconclusive"] * 2, ["valid"] * 2, ["valid"] * 2, ["valid"] * 2,
    ]  # fmt: skip
    assert bench.batch(batch_id).revision == 2


def test_the_batch_is_not_answered_before_all_units_were_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "PAGE", 1)
    batch_id = computed(bench, SAME, SAME, NEAR, rule=STRICT)
    said = report(bench, batch_id, LOOSE)
    apply(bench, said["id"])

    def look(reached: str) -> None:
        if reached == "revalidate.piece":
            bench.passes()
            assert bench.batch(batch_id).revision == 1
            assert bench.batch(batch_id).state == "running"

    with faults.installed(look):
        bench.jobs()
    bench.settle()
    bench.passes()
    assert bench.batch(batch_id).revision == 2


def test_a_batch_cancelled_meanwhile_ends_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revalidation, "PAGE", 1)
    batch_id = computed(bench, SAME, NEAR, rule=STRICT)
    said = report(bench, batch_id, LOOSE)
    apply(bench, said["id"])
    bench.store.execute(
        CancelBatch(now=bench.now, batch_id=batch_id, reason="enough", actor="account:1")
    )
    bench.settle()
    found = row(bench, said["id"])
    assert (found.state, found.reason) == ("failed", "the batch ended meanwhile")
    assert bench.stages(batch_id)[0].reopen_from is None


def test_a_running_batch_goes_on_under_the_new_rule(bench: Bench) -> None:
    batch_id = bench.submit(table(2), rule=STRICT, policy=Policy(), on_failure={})
    bench.jobs()
    for value in (1.0, 1.01):
        device = bench.enrol()
        tasks = bench.exchange(device, 1).tasks
        reports = tuple(
            bench.result(task, number(value), "r.json") for task in tasks if task.index == 0
        )
        bench.exchange(device, 2, reports=reports, want=0)
        bench.settle()
    assert bench.units(batch_id)[0].state == "open"
    apply(bench, report(bench, batch_id, LOOSE)["id"])
    bench.settle()
    assert bench.units(batch_id)[0].state == "assimilated", "results that agree now are not noticed"
    assert bench.batch(batch_id).state == "running"
