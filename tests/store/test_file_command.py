"""Files and uploads: durable before named, each with its owner."""

import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql import file as sql

from .world import SECOND, World, digest


def open_upload(world: World, name: str, data: bytes = b"data", **more: object):  # type: ignore[no-untyped-def]
    """Room for a file of the scientist's, unless told otherwise."""
    values: dict[str, object] = {"size": len(data), "account_id": world.account_id, **more}
    return world.store.execute(
        c.OpenUpload(
            now=world.now,
            name=name,
            sha256=digest(data),
            expires_at=world.now + 100 * SECOND,
            **values,  # type: ignore[arg-type]
        )
    )


def usable(world: World, data: bytes, account_id: int) -> bool:
    """Whether an account may name a file."""
    with world.store.reading() as db:
        return bool(db.fetch_all(sql.FILES_USABLE, account_id=account_id, hashes=[digest(data)]))


def test_file_is_its_owners_until_it_is_public(world: World) -> None:
    world.add_file(b"table")
    assert usable(world, b"table", world.account_id)
    assert not usable(world, b"table", world.account_id + 1)
    publish = c.AddFile(now=world.now, sha256=digest(b"table"), size=5, public=True)
    assert world.store.execute(publish).changed
    assert not world.store.execute(publish).changed
    assert usable(world, b"table", world.account_id + 1)
    with world.store.reading() as db:
        row = db.fetch_one(sql.FILE_BY_HASH, sha256=digest(b"table"))
    assert row is not None
    assert row.data == b"table", "a second naming does not lose the content"


def test_upload_becomes_a_file_of_its_owner(world: World) -> None:
    assert open_upload(world, "first") == c.OpenUploadResult("ok", "first")
    assert open_upload(world, "second") == c.OpenUploadResult("ok", "first"), "the same upload"
    assert not usable(world, b"data", world.account_id)
    finish = c.FinishUpload(now=world.now, name="first", data=b"data")
    assert world.store.execute(finish).changed
    assert not world.store.execute(finish).changed
    assert usable(world, b"data", world.account_id)
    assert open_upload(world, "third") == c.OpenUploadResult("done", "first")
    world.check()


def test_other_size_under_the_same_hash_is_refused(world: World) -> None:
    open_upload(world, "first")
    answer = open_upload(world, "second", size=5)
    assert answer.status == "refused"
    assert "4 bytes, not 5" in answer.reason


def test_number_and_bytes_of_open_uploads_are_bounded(world: World) -> None:
    open_upload(world, "first", b"one")
    assert open_upload(world, "second", b"two", count_max=1).status == "refused"
    assert open_upload(world, "second", b"two", bytes_max=5).status == "refused"
    assert open_upload(world, "second", b"two", bytes_max=6).status == "ok"


def test_upload_for_another_hosts_task_is_refused(world: World) -> None:
    world.batch(1)
    host, thief = world.host(), world.host()
    (task,) = host.take()
    values = {"account_id": None, "task_id": task.task_id}
    assert open_upload(world, "x", host_id=thief.id, **values).status == "refused"
    assert open_upload(world, "x", host_id=host.id, **values).status == "ok"
    host.exchange(c.ReportIn(task.task_id, "error", "trap"))
    late = open_upload(world, "y", b"more", host_id=host.id, **values)
    assert "not awaited any more" in late.reason


def test_upload_needs_one_owner(world: World) -> None:
    with pytest.raises(c.StoreRefused, match="a task or to an account"):
        open_upload(world, "x", account_id=None)


def test_unknown_upload_cannot_be_finished(world: World) -> None:
    with pytest.raises(c.StoreRefused, match="no such upload") as caught:
        world.store.execute(c.FinishUpload(now=world.now, name="gone"))
    assert caught.value.code == "unknown_upload"


def test_expired_uploads_are_dropped_but_not_their_files(world: World) -> None:
    open_upload(world, "half", b"half")
    open_upload(world, "whole", b"whole")
    world.store.execute(c.FinishUpload(now=world.now, name="whole", data=b"whole"))
    drop = c.DropExpiredUploads(now=world.now + 99 * SECOND)
    assert world.store.execute(drop).names == ()
    world.later(101)
    drop = c.DropExpiredUploads(now=world.now)
    assert world.store.execute(drop).names == ("half",)
    assert world.store.execute(drop).names == ()
    assert usable(world, b"whole", world.account_id)
    world.check()
