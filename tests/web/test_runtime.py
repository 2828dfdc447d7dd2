"""Python releases and their runtimes: what may be published, and what a host is sent."""

import hashlib
from typing import Any

import msgspec
import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH
from idlegrid_shared import wire
from idlegrid_shared.documents import Release
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.signing import Signed, sign_document

from .scientist import TABLE, Scientist
from .world import MODULE, Host, World, problem_of

KNOWN = known_runtimes()["cpython"]


@pytest.fixture
def ada(world: World) -> Scientist:
    return Scientist(world)


def add_runtime(world: World) -> None:
    """As `idlegrid-server runtime add` does, but for the files."""
    world.store.execute(
        c.AddAppVersion(
            now=world.clock(),
            account_id=world.admin,
            app=KNOWN.release.app,
            version=KNOWN.release.version,
            summary=KNOWN.release.summary,
            platform=KNOWN.release.platform,
            runtime="runtime",
            profile=KNOWN.release.profile.name,
            release=msgspec.json.encode(KNOWN.signed),
            release_hash=bytes.fromhex(KNOWN.sha256),
            modules=(),
        )
    )


def python_release(world: World, **changes: Any) -> Signed:
    release = msgspec.json.decode(world.release().body, type=Release)
    programs = tuple(msgspec.structs.replace(p, entry="main.py") for p in release.programs)
    fields = {
        "runtime": "python",
        "runtime_release": KNOWN.sha256,
        "profile": KNOWN.release.profile,
        "programs": programs,
    }
    release = msgspec.structs.replace(release, **(fields | changes))
    return sign_document("release", release, world.publisher)


def refused(ada: Scientist, signed: Signed, app: str = "sky-map") -> wire.Problem:
    problem = problem_of(ada.send("POST", f"apps/{app}/versions", signed))
    assert problem.status == 422
    return problem


def test_without_its_runtime_the_publisher_is_told_what_the_admin_does(
    world: World, ada: Scientist
) -> None:
    ada.upload(MODULE)
    problem = refused(ada, python_release(world))
    assert problem.code == "no_runtime"
    assert problem.detail == (
        "The app is run by cpython 3.12.0, which this project does not have yet. Its admin adds it "
        "once: idlegrid runtime bundle cpython, then `idlegrid-server runtime add DIR FILE`."
    )
    add_runtime(world)
    ada.post("apps/sky-map/versions", python_release(world), 201)
    shown = ada.get("apps/sky-map")["versions"][0]
    assert (shown["runtime"], shown["profile"]) == ("python", KNOWN.release.profile.name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime_release": "ab" * 32}, "which this project does not have yet"),
        ({"runtime_release": "../../etc"}, "which this project does not have yet"),
        ({"runtime_release": ""}, "is Python, but the release names no runtime"),
        ({"runtime": "runtime"}, "signed by Idlegrid's release key, and only an admin adds them"),
        ({"profile": None}, "runs with the profile wasmtime50-speed-stack1m-nan, not wasmtime50"),
        ({"entry": ""}, "program map does not say what is started"),
    ],
)
def test_python_releases_that_are_no_good(
    world: World, ada: Scientist, changes: dict[str, Any], message: str
) -> None:
    add_runtime(world)
    ada.upload(MODULE)
    release = msgspec.json.decode(world.release().body, type=Release)
    if "profile" in changes:
        changes = {"profile": release.profile}
    if "entry" in changes:
        changes = {"programs": release.programs}
    assert message in refused(ada, python_release(world, **changes)).detail


def test_a_program_of_the_kind_runtime_cannot_be_slipped_in(world: World, ada: Scientist) -> None:
    ada.upload(MODULE)
    release = msgspec.json.decode(world.release().body, type=Release)
    programs = (msgspec.structs.replace(release.programs[0], runtime="runtime"),)
    signed = sign_document(
        "release", msgspec.structs.replace(release, programs=programs), world.publisher
    )
    assert "of the kind runtime" in refused(ada, signed).detail


def test_the_runtimes_name_is_no_apps(world: World, ada: Scientist) -> None:
    """A publisher who may publish anything cannot take the name before the admin does."""
    world.delegate("*")
    ada.upload(MODULE)
    problem = refused(ada, world.release(app="cpython"), app="cpython")
    assert "cpython is the name of a runtime" in problem.detail


def test_a_batch_of_the_runtime_itself_is_refused(world: World, ada: Scientist) -> None:
    add_runtime(world)
    ada.upload(b'{"args":[]}\n')
    form = ada.form(
        app="cpython",
        version="3.12.0",
        units=hashlib.sha256(b'{"args":[]}\n').hexdigest(),
        stages=[{"kind": "map", "program": "python"}],
    )
    problem = problem_of(ada.send("POST", "batches", form))
    assert problem.status == 422
    assert any("is a runtime that apps name" in fault for fault in problem.errors)


def test_a_host_must_allow_the_memory_that_compiling_takes(world: World, ada: Scientist) -> None:
    """384 MiB for the standard interpreter, although the program itself needs 64."""
    add_runtime(world)
    ada.upload(MODULE)
    ada.post("apps/sky-map/versions", python_release(world), 201)
    ada.upload(TABLE)
    batch = ada.post("batches", ada.form(), 201)["id"]
    with world.store.reading() as db:
        number = world.services.ids.decode("batch", batch)
        rows = db.fetch_all(STAGES_OF_BATCH, batch_id=number)
    assert [row.memory_bytes for row in rows] == [KNOWN.interpreter.limits.memory_bytes]


def test_a_host_gets_the_runtime_with_the_task(world: World, host: Host) -> None:
    """One more release, with the public places of its files."""
    python_batch(world)
    machine = wire.Machine(
        name="attic", cores=4, memory_bytes=2**33, profiles=(KNOWN.release.profile.name,)
    )
    want = wire.Want(tasks=2, memory_bytes=2**30)
    reply = host.exchange(machine=machine, want=want)
    assert len(reply.tasks) == 2
    kinds = [msgspec.json.decode(offer.release.body)["runtime"] for offer in reply.releases]
    assert kinds == ["python", "runtime"]
    runtime = reply.releases[1]
    assert runtime.release == KNOWN.signed
    assert {(f.sha256, f.bytes, f.url) for f in runtime.files} == {
        (sha256, size, f"/files/{sha256}") for sha256, size in KNOWN.release.needs().items()
    }


def python_batch(world: World) -> int:
    """A running batch of two units of a Python app."""
    add_runtime(world)
    world.add_file(MODULE, account=world.admin, public=True)
    signed = python_release(world)
    version = world.store.execute(
        c.AddAppVersion(
            now=world.clock(),
            account_id=world.admin,
            app="sky-map",
            version="1",
            summary="",
            platform="wasm32-wasip1",
            runtime="python",
            profile=KNOWN.release.profile.name,
            release=msgspec.json.encode(signed),
            release_hash=hashlib.sha256(signed.body).digest(),
            modules=(c.ModuleIn(hashlib.sha256(MODULE).digest(), len(MODULE)),),
        )
    ).app_version_id
    return world.batch(2, version=version, profile=KNOWN.release.profile.name)
