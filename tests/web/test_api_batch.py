"""A scientist's batch over REST: published, submitted, looked at, steered."""

import hashlib
from typing import Any

import msgspec
import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import BATCHES_BEFORE, STAGES_OF_BATCH
from idlegrid_shared.manifest import manifest_bytes
from idlegrid_shared.signing import new_key

from .scientist import TABLE, Scientist
from .world import Host, World, code_of, entry, problem_of, result


@pytest.fixture
def ada(world: World) -> Scientist:
    return Scientist(world)


def run_to_units(world: World, batch: str) -> None:
    """What the compute worker does with a submission."""
    batch_id = world.services.ids.decode("batch", batch)
    world.store.execute(c.StartBatch(now=world.clock(), batch_id=batch_id, expected=2))
    with world.store.reading() as db:
        stage = db.fetch_all(STAGES_OF_BATCH, batch_id=batch_id)[0]
    lines = tuple(c.NewUnit(f'["line","{n}"]') for n in range(2))
    world.store.execute(c.InsertUnits(now=world.clock(), stage_id=stage.id, offset=0, units=lines))


def test_publish_submit_watch(world: World, ada: Scientist) -> None:
    batch = ada.submit()
    assert world.wakes.asked == ["compute"]
    shown = ada.get(f"batches/{batch}")
    assert (shown["state"], shown["app"], shown["version"]) == ("checking", "sky-map", "1")
    assert "checks the table" in shown["why"]
    run_to_units(world, batch)
    shown = ada.get(f"batches/{batch}")
    assert shown["state"] == "running"
    assert shown["stages"][0]["expected"] == 2
    assert "no computer has asked" in shown["why"]
    assert [b["id"] for b in ada.get("batches")["batches"]] == [batch]

    host = Host(world)
    host.enrol()
    (task,) = host.get_tasks(1)
    assert task.args == ("line", "0")
    host.exchange(reports=(result(task),))
    units = ada.get(f"batches/{batch}/units")["units"]
    assert [unit["index"] for unit in units] == [0, 1]
    unit = ada.get(f"batches/{batch}/units/0")
    (told,) = [t for t in unit["tasks"] if t["state"] == "success"]
    assert (told["id"], told["verdict"], told["host_name"]) == (task.task, "pending", "attic")
    assert unit["args"] == ["line", "0"]
    story = [(e["object"], e["now"]) for e in unit["events"]]
    assert (task.task, "in_progress") in story
    assert (task.task, "success") in story
    assert {e["actor"] for e in unit["events"]} >= {told["host"]}


def test_publishing_again_changes_nothing_and_other_content_is_refused(
    world: World, ada: Scientist
) -> None:
    digest = ada.publish()
    again = ada.post("apps/sky-map/versions", world.release())
    assert (again["created"], again["release_hash"]) == (False, digest)
    shown = ada.get("apps/sky-map")
    assert [v["release_hash"] for v in shown["versions"]] == [digest]
    assert shown["versions"][0]["programs"] == ["map", "sum"]
    assert [a["name"] for a in ada.get("apps")["apps"]] == ["sky-map"]
    other = world.release()
    changed = msgspec.json.decode(other.body)
    changed["summary"] = "Another map"
    from idlegrid_shared.documents import Release
    from idlegrid_shared.signing import sign_document

    release = msgspec.convert(changed, Release)
    signed = sign_document("release", release, world.publisher)
    response = ada.send("POST", "apps/sky-map/versions", signed)
    assert code_of(response) == (409, "version_exists")


def test_who_may_publish_what(world: World, ada: Scientist) -> None:
    stranger = new_key()
    response = ada.send("POST", "apps/sky-map/versions", world.release(key=stranger))
    assert code_of(response) == (403, "unknown_publisher")
    response = ada.send("POST", "apps/sea-map/versions", world.release("sea-map"))
    assert code_of(response) == (403, "not_allowed_name")
    response = ada.send("POST", "apps/sky-other/versions", world.release())
    assert code_of(response) == (422, "bad_release")
    altered = msgspec.structs.replace(world.release(), signature=b"\0" * 64)
    assert code_of(ada.send("POST", "apps/sky-map/versions", altered)) == (422, "bad_release")
    response = ada.send("POST", "apps/sky-map/versions", world.release())
    assert code_of(response) == (422, "missing_files")
    ada.publish()
    other = Scientist(world, email="eve@example.org")
    other.upload(b"\0asm\1\0\0\0")
    response = other.send("POST", "apps/sky-map/versions", world.release(version="2"))
    assert code_of(response) == (403, "not_yours")


MISSING = "0" * 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app": "nothing"}, "no app 'nothing'"),
        ({"version": "9"}, "no version '9'"),
        ({"units": MISSING}, "was not uploaded"),
        ({"units": "ABC"}, "not a SHA-256"),
        ({"units": None}, "units: it is missing"),
        ({"name": ""}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"stages": []}, "stages"),
        ({"stages": [{"kind": "combine", "program": "sum"}]}, "the first step is a map"),
        ({"stages": [{"kind": "map", "program": "nothing"}]}, "no program 'nothing'"),
        ({"stages": [{"kind": "reduce", "program": "map"}]}, "stages[0].kind"),
        ({"stages": [{"kind": "map", "program": "map", "args": ["x"]}]}, "in the table"),
        ({"stages": [{"kind": "map", "program": "map", "placement": "server"}]}, "on the grid"),
        ({"on_failure": {"mode": "explode"}}, "on_failure"),
        ({"on_failure": {"mode": "stop", "max_units": 3}}, "belong to the mode skip"),
        ({"on_failure": {"mode": "skip", "max_share": 1.5}}, "on_failure"),
        ({"priority": 5000}, "priority"),
        ({"seed": "s" * 201}, "seed"),
        ({"plot": "a line"}, "plot"),
        ({"plot": {"text": "x" * 70_000}}, "plot"),
        ({"colour": "red"}, "not a field of a batch"),
    ],
)
def test_a_bad_batch_is_refused_at_the_door(
    world: World, ada: Scientist, changes: dict[str, Any], words: str
) -> None:
    ada.publish()
    ada.upload(TABLE)
    response = ada.send("POST", "batches", ada.form(**changes))
    assert code_of(response) == (422, "bad_batch")
    assert any(words in fault for fault in problem_of(response).errors), response.text
    with world.store.reading() as db:
        assert db.fetch_all(BATCHES_BEFORE, before=2**62, limit=10) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "data", "sha256": MISSING, "bytes": 1}, "was not uploaded"),
        ({"name": "../data", "sha256": None, "bytes": None}, "relative"),
        ({"name": "data", "sha256": None, "bytes": 1}, "bytes, not 1"),
    ],
)
def test_bad_shared_inputs_are_refused(ada: Scientist, given: dict[str, Any], words: str) -> None:
    ada.publish()
    digest = ada.upload(TABLE)
    given = {
        "name": given["name"],
        "sha256": given["sha256"] or digest,
        "bytes": len(TABLE) if given["bytes"] is None else given["bytes"],
    }
    stages = [{"kind": "map", "program": "map", "inputs": [given]}]
    response = ada.send("POST", "batches", ada.form(stages=stages))
    assert any(words in fault for fault in problem_of(response).errors), response.text


def test_all_faults_are_told_at_once(ada: Scientist) -> None:
    response = ada.send(
        "POST", "batches", ada.form(app="none", units=MISSING, plot={"a": "b" * 10**5})
    )
    errors = problem_of(response).errors
    assert len(errors) == 3
    assert {error.split(":")[0] for error in errors} == {"app", "units", "plot"}


def test_another_accounts_files_cannot_be_named(world: World, ada: Scientist) -> None:
    eve = Scientist(world, email="eve@example.org")
    digest = eve.upload(b"eve's own table\n")
    ada.publish()
    response = ada.send("POST", "batches", ada.form(units=digest))
    assert "was not uploaded" in problem_of(response).errors[0]
    assert code_of(ada.send("GET", f"files/{digest}")) == (404, "not_found")
    assert eve.send("GET", f"files/{digest}").data == b"eve's own table\n"


def test_a_repeat_with_the_same_key_makes_one_batch(ada: Scientist) -> None:
    ada.publish()
    ada.upload(TABLE)
    first = ada.post("batches", ada.form(), 201, Idempotency_Key="once")
    again = ada.post("batches", ada.form(), 200, Idempotency_Key="once")
    assert (first["id"], first["created"], again["created"]) == (again["id"], True, False)
    response = ada.send(
        "POST", "batches", ada.form(name="other"), headers={"Idempotency-Key": "once"}
    )
    assert code_of(response) == (409, "conflict")
    assert len(ada.get("batches")["batches"]) == 1


def test_pause_resume_cancel(world: World, ada: Scientist) -> None:
    batch = ada.submit()
    run_to_units(world, batch)
    host = Host(world)
    host.enrol()
    assert ada.post(f"batches/{batch}/pause", {"reason": "the data is wrong"})["changed"]
    shown = ada.get(f"batches/{batch}")
    assert (shown["state"], shown["why"][:30]) == ("paused", "Paused: the data is wrong. Not")
    assert host.get_tasks(1) == []
    assert ada.post(f"batches/{batch}/resume", {})["changed"]
    assert len(host.get_tasks(1)) == 1
    assert ada.post(f"batches/{batch}/cancel", {})["changed"]
    assert ada.get(f"batches/{batch}")["state"] == "cancelled"
    assert not ada.post(f"batches/{batch}/resume", {})["changed"]
    assert ada.get(f"batches/{batch}")["state"] == "cancelled"


def test_others_batches_do_not_exist_and_admins_see_all(world: World, ada: Scientist) -> None:
    batch = ada.submit()
    eve = Scientist(world, email="eve@example.org")
    for path in ("", "/units", "/units/0", "/answer", "/answer/files/x", "/outputs/0/x"):
        assert eve.send("GET", f"batches/{batch}{path}").status_code == 404
    for verb in ("cancel", "pause", "resume"):
        assert eve.send("POST", f"batches/{batch}/{verb}", {}).status_code == 404
    assert eve.get("batches")["batches"] == []
    assert eve.get("batches?all=1")["batches"] == []
    admin = Scientist(world, token=world.token(), email="boss@example.org")
    assert [b["id"] for b in admin.get("batches?all=1")["batches"]] == [batch]
    assert admin.get(f"batches/{batch}")["id"] == batch


def test_pages(world: World, ada: Scientist) -> None:
    ada.publish()
    ada.upload(TABLE)
    made = [ada.post("batches", ada.form(name=f"n{i}"), 201)["id"] for i in range(5)]
    seen, cursor = [], ""
    while True:
        page = ada.get(f"batches?limit=2{cursor}")
        seen += [b["id"] for b in page["batches"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == made[::-1]
    for bad in ("limit=0", "limit=x", "limit=501", "cursor=batch_zzz", "cursor=x"):
        assert code_of(ada.send("GET", f"batches?{bad}")) == (400, "malformed")
    for bad in ("state=odd", "cursor=-3", "stage=x"):
        assert code_of(ada.send("GET", f"batches/{made[0]}/units?{bad}")) == (400, "malformed")
    assert ada.send("GET", f"batches/{made[0]}/units?stage=7").status_code == 404
    assert ada.send("GET", f"batches/{made[0]}/units/99999999999999999999999").status_code == 404


def test_an_answer_and_its_files(world: World, ada: Scientist) -> None:
    batch = ada.submit()
    response = ada.send("GET", f"batches/{batch}/answer")
    assert code_of(response) == (404, "no_answer")
    run_to_units(world, batch)
    batch_id = world.services.ids.decode("batch", batch)
    with world.store.reading() as db:
        (row,) = db.fetch_all(BATCHES_BEFORE, before=2**62, limit=1)
    data = b'{"period": 11.0}'
    body = manifest_bytes([entry("deep/answer.json", data)])
    added = world.store.execute(
        c.AddAnswer(
            now=world.clock(),
            batch_id=batch_id,
            version=row.version,
            revision=1,
            manifest=body,
            manifest_hash=hashlib.sha256(body).digest(),
            files=(c.FileIn(hashlib.sha256(data).digest(), len(data), data),),
            detail='{"units":2}',
        )
    )
    assert added.status == "added"
    shown = ada.get(f"batches/{batch}/answer")
    assert shown["revision"] == 1
    assert shown["manifest"] == [
        {"name": "deep/answer.json", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    ]
    assert shown["detail"] == {"units": 2}
    got = ada.send("GET", f"batches/{batch}/answer/files/deep/answer.json?revision=1")
    assert got.data == data
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert got.headers["Cache-Control"] == "private, no-store"
    assert code_of(ada.send("GET", f"batches/{batch}/answer?revision=2")) == (404, "not_found")
    assert ada.send("GET", f"batches/{batch}/answer/files/none").status_code == 404


def test_the_table_may_be_sent_in_pieces(ada: Scientist) -> None:
    digest = hashlib.sha256(TABLE).hexdigest()
    state = ada.post("uploads", {"sha256": digest, "bytes": len(TABLE)})
    path = f"uploads/{state['upload']}"
    for start in range(0, len(TABLE), 10):
        piece = TABLE[start : start + 10]
        response = ada.send("PATCH", path, piece, headers={"Upload-Offset": str(start)})
        assert response.status_code == 200
    assert ada.get(path) == {
        "upload": state["upload"], "offset": len(TABLE), "bytes": len(TABLE), "done": True,
    }  # fmt: skip
    assert ada.post("uploads", {"sha256": digest, "bytes": len(TABLE)})["done"]
    eve = Scientist(ada.world, email="eve@example.org")
    assert code_of(eve.send("GET", path)) == (404, "not_found")
    assert not eve.post("uploads", {"sha256": digest, "bytes": len(TABLE)})["done"]
