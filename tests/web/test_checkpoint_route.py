"""A host leaves a checkpoint over HTTP, and another fetches it by the address in its offer."""

import hashlib
import time

import msgspec
import pytest

from idlegrid_server import faults
from idlegrid_server.pipeline.sweep import sweep_pass
from idlegrid_server.store import command as c
from idlegrid_shared import wire
from idlegrid_shared.documents import TaskDescriptor

from .test_upload import patch, send
from .world import US, Host, World, code_of, problem_of, result

DATA = bytes(range(256)) * 1200


def wanted(task: TaskDescriptor, data: bytes = DATA, ops: int = 500) -> wire.UploadOpen:
    return wire.UploadOpen(
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        task=task.task,
        checkpoint_ops=ops,
    )


def leave(host: Host, task: TaskDescriptor, data: bytes = DATA, ops: int = 500) -> None:
    response = host.post("/rpc/v1/uploads", wanted(task, data, ops))
    assert response.status_code == 200, response.text
    name = msgspec.json.decode(response.data, type=wire.UploadState).upload
    half = len(data) // 2
    patch(host, name, 0, data[:half])
    assert patch(host, name, half, data[half:]).done


def taken_up(world: World, other: Host) -> wire.TaskOffer:
    """The first host falls silent; ``other`` gets the task."""
    from idlegrid_server.pipeline.passes import run_passes

    world.clock.pass_s(2 * 86_400)
    run_passes(world.store, world.files, world.clock)
    want = wire.Want(tasks=1, memory_bytes=2**30)
    (offer,) = other.exchange(want=want).tasks
    return offer


@pytest.fixture(autouse=True)
def proven(world: World, host: Host) -> None:
    """The host's results have been confirmed before."""
    from idlegrid_server.store.sql.host import HOST_BY_DEVICE

    with world.store.reading() as db:
        row = db.fetch_one(HOST_BY_DEVICE, device=bytes.fromhex(host.device))
    assert row is not None
    for state in ("probation", "trusted"):
        world.store.execute(
            c.SetHostState(
                now=world.clock(),
                host_id=row.id,
                state=state,  # type: ignore[arg-type]
                reason="proven",
                actor="test",
            )
        )


@pytest.fixture
def other(world: World) -> Host:
    host = Host(world)
    assert host.enrol().status_code == 200
    return host


def test_what_one_host_left_another_fetches(world: World, host: Host, other: Host) -> None:
    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    assert task.resume is None
    leave(host, task)
    offer = taken_up(world, other)
    given = msgspec.json.decode(offer.descriptor.body, type=TaskDescriptor)
    assert given.resume is not None
    assert (given.resume.bytes, given.resume.ops) == (len(DATA), 500)
    (source,) = [f for f in offer.files if f.sha256 == given.resume.sha256]
    response = other.http.get(source.url, buffered=True)
    assert response.status_code == 200
    assert response.data == DATA
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    rest = other.http.get(source.url, headers={"Range": "bytes=1000-"}, buffered=True)
    assert (rest.status_code, rest.data) == (206, DATA[1000:])


def test_nobody_fetches_it_without_a_ticket(world: World, host: Host, other: Host) -> None:
    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    leave(host, task)
    digest = hashlib.sha256(DATA).hexdigest()
    for path in (f"/rpc/v1/checkpoints/{digest}", f"/rpc/v1/checkpoints/{digest}?token=a.9.b"):
        assert other.http.get(path).status_code == 404
    assert other.http.get(f"/files/{digest}").status_code == 404, "it is no file of the project"


def test_the_same_bytes_as_a_files_take_nothing_away(world: World, host: Host) -> None:
    """A host that uploads a copy of an input as its checkpoint must not get that input deleted."""
    data = b"an input of somebody's batch" * 4000
    path = world.files.path(hashlib.sha256(data).digest())
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    leave(host, task, data, ops=1)
    leave(host, task, DATA, ops=2)
    assert path.read_bytes() == data
    assert [p.name for p in world.services.checkpoints.folder.iterdir()] == [
        f"{world.services.ids.decode('task', task.task)}-{hashlib.sha256(DATA).hexdigest()}"
    ]


def test_an_app_that_does_not_migrate_takes_none(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    response = host.post("/rpc/v1/uploads", wanted(task))
    assert code_of(response) == (409, "upload_refused")
    assert (
        "continued on another computer"
        in problem_of(host.post("/rpc/v1/uploads", wanted(task))).detail
    )


def test_a_nearly_full_disk_takes_results_but_no_checkpoints(world: World, host: Host) -> None:
    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    world.files.free = 0
    world.clock.pass_s(60)
    assert code_of(host.post("/rpc/v1/uploads", wanted(task))) == (503, "disk_full")
    (answer,) = host.exchange(reports=(result(task),)).answers
    assert answer.fate == "accepted"


def test_one_over_the_limit_is_refused(world: World, host: Host) -> None:
    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    huge = msgspec.structs.replace(wanted(task), bytes=2**33)
    assert code_of(host.post("/rpc/v1/uploads", huge)) == (413, "too_large")


def test_the_sweep_removes_what_a_crash_left_without_a_row(
    world: World, host: Host, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    from idlegrid_server.layout import Layout

    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    leave(host, task)
    folder = world.services.checkpoints.folder
    stray = folder / f"99-{'ab' * 32}"
    stray.write_bytes(b"x")
    layout = Layout(folder.parent)
    now = int(time.time() * US)
    sweep_pass(world.store, lambda: now, layout)
    assert stray.exists(), "it may be on its way to a row"
    sweep_pass(world.store, lambda: now + 2 * 86_400 * US, layout)
    assert not stray.exists()
    assert len(list(folder.iterdir())) == 1


class PowerGone(BaseException):
    """The server died here."""


@pytest.mark.parametrize(
    "point",
    [
        "files.upload.append.after",
        "files.checkpoint.rename.after",
        "files.checkpoint.folder_sync.after",
        "store.command.before",
        "store.command.after",
    ],
)
def test_a_crash_on_the_way_costs_sending_again_and_nothing_else(
    world: World, host: Host, other: Host, point: str
) -> None:
    world.batch(1, migrates=True)
    (task,) = host.get_tasks(1)
    response = host.post("/rpc/v1/uploads", wanted(task))
    name = msgspec.json.decode(response.data, type=wire.UploadState).upload

    def die(reached: str) -> None:
        if reached == point:
            raise PowerGone

    with faults.installed(die), pytest.raises(PowerGone):
        send(host, name, 0, DATA)
    state = msgspec.json.decode(
        host.post("/rpc/v1/uploads", wanted(task)).data, type=wire.UploadState
    )
    while not state.done:
        state = patch(host, state.upload, state.offset, DATA[state.offset :])
    offer = taken_up(world, other)
    (source,) = [f for f in offer.files if "/checkpoints/" in f.url]
    assert other.http.get(source.url, buffered=True).data == DATA
