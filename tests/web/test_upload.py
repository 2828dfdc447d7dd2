"""A task's large outputs: opened, sent in pieces, verified, then reported."""

import hashlib

import msgspec

from idlegrid_shared import wire
from idlegrid_shared.documents import TaskDescriptor

from .world import OUTPUT_BYTES, Host, World, code_of, entry, problem_of

UPLOADS = "/rpc/v1/uploads"
BIG = bytes(range(256)) * 1000


def opened(host: Host, task: str, data: bytes = BIG, size: int | None = None) -> wire.UploadState:
    response = host.post(UPLOADS, wanted(task, data, size))
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.data, type=wire.UploadState)


def wanted(task: str, data: bytes, size: int | None = None) -> wire.UploadOpen:
    size = len(data) if size is None else size
    return wire.UploadOpen(sha256=hashlib.sha256(data).hexdigest(), bytes=size, task=task)


def patch(host: Host, name: str, offset: int, data: bytes) -> wire.UploadState:
    response = send(host, name, offset, data)
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.data, type=wire.UploadState)


def send(host: Host, name: str, offset: object, data: bytes):  # type: ignore[no-untyped-def]
    headers = {"Upload-Offset": str(offset)}
    return host.send("PATCH", f"{UPLOADS}/{name}", data, headers=headers)


def large(task: TaskDescriptor, data: bytes = BIG) -> wire.Report:
    return wire.Report(task=task.task, outcome="success", manifest=(entry("big.bin", data),))


def test_missing_files_are_named_then_uploaded_then_accepted(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    (answer,) = host.exchange(reports=(large(task),)).answers
    assert (answer.fate, answer.receipt) == ("missing_files", None)
    assert answer.missing == (hashlib.sha256(BIG).hexdigest(),)

    state = opened(host, task.task)
    assert (state.offset, state.bytes, state.done) == (0, len(BIG), False)
    state = patch(host, state.upload, 0, BIG)
    assert (state.offset, state.done) == (len(BIG), True)
    path = world.files.path(hashlib.sha256(BIG).digest())
    assert path.read_bytes() == BIG
    assert not any(world.services.uploads.folder.iterdir())

    (answer,) = host.exchange(reports=(large(task),)).answers
    assert answer.fate == "accepted"
    assert host.receipt_of(answer).task == task.task


def test_a_file_of_another_task_does_not_count(world: World, host: Host) -> None:
    world.batch(2)
    first, second = host.get_tasks(2)
    patch(host, opened(host, first.task).upload, 0, BIG)
    answers = {a.task: a.fate for a in host.exchange(reports=(large(first), large(second))).answers}
    assert answers == {first.task: "accepted", second.task: "missing_files"}
    assert opened(host, second.task).offset == 0, "nobody learns whether an output exists"


def test_a_broken_upload_goes_on_at_its_offset(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    patch(host, name, 0, BIG[:100_000])
    again = opened(host, task.task)
    assert (again.upload, again.offset) == (name, 100_000)
    shown = host.send("GET", f"{UPLOADS}/{name}")
    assert msgspec.json.decode(shown.data, type=wire.UploadState).offset == 100_000
    assert patch(host, name, 100_000, BIG[100_000:]).done
    assert patch(host, name, 0, BIG).done, "a repeat changes nothing"


def test_bytes_at_another_offset_are_not_taken(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    patch(host, name, 0, BIG[:1000])
    for offset in (0, 999, 1001):
        response = send(host, name, offset, BIG[offset:])
        assert code_of(response) == (409, "wrong_offset")
        assert response.headers["Upload-Offset"] == "1000"
    for offset in ("", "-1", "ten"):
        assert code_of(send(host, name, offset, BIG)) == (400, "malformed")
    assert world.services.uploads.offset(name) == 1000


def test_an_upload_beyond_its_size_is_refused_and_keeps_what_was_right(
    world: World, host: Host
) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    patch(host, name, 0, BIG[:1000])
    assert code_of(send(host, name, 1000, BIG[1000:] + b"!")) == (413, "too_large")
    assert world.services.uploads.offset(name) == 1000
    assert patch(host, name, 1000, BIG[1000:]).done
    assert world.incidents() == {"too_large": 1}


def test_more_than_the_program_may_write_cannot_be_announced(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    response = host.post(UPLOADS, wanted(task.task, BIG, OUTPUT_BYTES + 1))
    assert code_of(response) == (413, "too_large")
    assert world.incidents() == {"too_large": 1}
    first = opened(host, task.task, b"a" * 200_000)
    assert not first.done
    response = host.post(UPLOADS, wanted(task.task, b"b" * 200_000))
    assert code_of(response) == (409, "upload_refused")


def test_wrong_bytes_are_thrown_away_and_can_be_sent_again(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    wrong = b"x" + BIG[1:]
    response = send(host, name, 0, wrong)
    assert code_of(response) == (422, "hash_mismatch")
    assert hashlib.sha256(wrong).hexdigest() in problem_of(response).detail
    assert world.incidents() == {"hash_mismatch": 1}
    assert not world.files.path(hashlib.sha256(BIG).digest()).exists()
    assert world.services.uploads.offset(name) == 0
    assert patch(host, name, 0, BIG).done


def test_small_and_empty_files_live_in_the_database(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    for data in (b"small", b""):
        name = opened(host, task.task, data).upload
        assert patch(host, name, 0, data).done
        digest = hashlib.sha256(data).digest()
        assert not world.files.path(digest).exists()
        from idlegrid_server.store.sql.file import FILE_BY_HASH

        with world.store.reading() as db:
            row = db.fetch_one(FILE_BY_HASH, sha256=digest)
        assert row is not None
        assert row.data == data
    assert list(world.services.uploads.folder.iterdir()) == []


def test_another_hosts_upload_does_not_exist(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    other = Host(world)
    other.enrol()
    assert code_of(other.post(UPLOADS, wanted(task.task, BIG))) == (409, "upload_refused")
    assert code_of(other.send("GET", f"{UPLOADS}/{name}")) == (404, "not_found")
    assert code_of(send(other, name, 0, BIG)) == (404, "not_found")
    stranger = Host(world)
    assert code_of(stranger.send("GET", f"{UPLOADS}/{name}")) == (401, "unknown_host")
    assert world.services.uploads.offset(name) == 0


def test_an_expired_upload_is_gone(world: World, host: Host) -> None:
    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    world.clock.pass_s(world.services.config.limits.upload_life_s)
    assert code_of(send(host, name, 0, BIG)) == (404, "not_found")


def test_a_full_disk_is_told_and_keeps_what_came(world: World, host: Host, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import errno

    world.batch(1)
    (task,) = host.get_tasks(1)
    name = opened(host, task.task).upload
    patch(host, name, 0, BIG[:1000])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("idlegrid_server.files.partial.os.fsync", full)
        response = send(host, name, 1000, b"")
    assert code_of(response) == (503, "disk_full")
    assert world.incidents() == {"disk_full": 1}
    assert response.headers["Retry-After"]
    assert patch(host, name, 1000, BIG[1000:]).done
