"""Another validator over REST: tried, looked at, applied; and rules refused at the door."""

from typing import Any

import msgspec
import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH
from idlegrid_shared.documents import Release
from idlegrid_shared.signing import sign_document
from idlegrid_shared.validator import parse_validator

from .scientist import TABLE, Scientist
from .test_api_batch import run_to_units
from .world import MODULE, World

RULE = {"files": {"r.json": {"abs": 1e-9, "fields": {"x": {"min": 0}}}}}


@pytest.fixture
def ada(world: World) -> Scientist:
    return Scientist(world)


@pytest.fixture
def batch(world: World, ada: Scientist) -> str:
    made = ada.submit()
    run_to_units(world, made)
    return made


def finish(world: World, validation: str) -> None:
    """What the compute worker says."""
    job = world.store.execute(
        c.ClaimJob(
            now=world.clock(), kinds=("revalidate",), worker="w", lease_until=world.clock() + 10**8
        )
    ).job
    assert job is not None
    assert world.services.ids.encode("validation", job.object_id) == validation
    said = c.ReportRevalidation(
        now=world.clock(), job_id=job.id, worker="w", report='{"units":2,"undecided":2}'
    )
    assert world.store.execute(said).status == "ok"


def test_a_rule_is_tried_and_then_applied(world: World, ada: Scientist, batch: str) -> None:
    path = f"batches/{batch}/validations"
    made = ada.post(path, {"rule": RULE}, 201)
    assert (made["state"], made["rule"], made["report"]) == ("looking", RULE, {})
    assert world.wakes.asked[-1] == "compute"
    refused = ada.post(f"{path}/{made['id']}/apply", {}, 409)
    assert refused["code"] == "not_ready"
    finish(world, made["id"])
    shown = ada.get(f"{path}/{made['id']}")
    assert (shown["state"], shown["report"]) == ("ready", {"units": 2, "undecided": 2})
    assert ada.post(f"{path}/{made['id']}/apply", {}) == {"changed": True}
    assert ada.post(f"{path}/{made['id']}/apply", {}) == {"changed": False}
    assert [v["state"] for v in ada.get(path)["validations"]] == ["applying"]
    bitwise = ada.post(path, {"rule": None}, 201)
    assert bitwise["rule"] is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rel": 2}, "between 0 and 1"),
        ({"files": {"a.json": {"tolerance": 1}}}, "unknown field `tolerance`"),
        ({"program": "nobody"}, "there is no program 'nobody'"),
        ([], "Expected `object`"),
    ],
)
def test_a_bad_rule_is_refused_with_its_fault(
    ada: Scientist, batch: str, rule: Any, words: str
) -> None:
    problem = ada.post(f"batches/{batch}/validations", {"rule": rule}, 422)
    assert problem["code"] == "bad_rule"
    assert words in problem["errors"][0]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{", b'{"rule":'])
def test_a_body_that_is_none_is_refused(ada: Scientist, batch: str, body: bytes) -> None:
    ada.post(f"batches/{batch}/validations", body, 400)


def test_other_peoples_batches_are_not_there(world: World, ada: Scientist, batch: str) -> None:
    made = ada.post(f"batches/{batch}/validations", {"rule": RULE}, 201)
    eve = Scientist(world, email="eve@example.org")
    eve.post(f"batches/{batch}/validations", {"rule": RULE}, 404)
    eve.get(f"batches/{batch}/validations/{made['id']}", 404)
    eve.upload(TABLE)
    own = eve.post("batches", eve.form(), 201)["id"]
    eve.get(f"batches/{own}/validations/{made['id']}", 404)
    eve.post(f"batches/{own}/validations/{made['id']}/apply", {}, 404)


def test_a_release_without_a_validator_is_what_it_always_was(world: World) -> None:
    """Byte for byte, and so hash for hash."""
    signed = world.release()
    release = msgspec.json.decode(signed.body, type=Release)
    assert b"validator" not in signed.body
    assert msgspec.json.encode(release) == signed.body
    assert release.programs[0].rules() is None


def test_a_release_with_a_validator_gives_its_stage_the_rule(world: World, ada: Scientist) -> None:
    ada.upload(MODULE)
    plain = msgspec.json.decode(world.release().body, type=Release)
    raw = msgspec.json.encode(RULE)
    for rule, status in ((b'{"rel":9}', 422), (b'{"program":"x"}', 422), (raw, 201)):
        programs = tuple(
            msgspec.structs.replace(p, validator=msgspec.Raw(rule)) for p in plain.programs
        )
        release = msgspec.structs.replace(plain, programs=programs)
        signed = sign_document("release", release, world.publisher)
        ada.post("apps/sky-map/versions", signed, status)
    ada.upload(TABLE)
    batch = ada.post("batches", ada.form(), 201)["id"]
    batch_id = world.services.ids.decode("batch", batch)
    with world.store.reading() as db:
        (stage,) = db.fetch_all(STAGES_OF_BATCH, batch_id=batch_id)
    assert stage.validator is not None
    rules = parse_validator(stage.validator.encode())
    assert rules == parse_validator(raw)
    assert stage.validator_hash == rules.digest()
