"""Apps published, batches submitted, units stored: each once, whatever is sent twice."""

import pytest

from idlegrid_server.store import command as c
from idlegrid_server.store.sql import app as app_sql
from idlegrid_server.store.sql import batch as batch_sql
from idlegrid_server.store.sql import unit as unit_sql

from .world import World, digest


def publish(world: World, **more: object) -> c.AddAppVersionResult:
    """Another release of the scientist's app."""
    values: dict[str, object] = {
        "account_id": world.account_id,
        "app": "period",
        "version": "2",
        "release_hash": digest(b"release 2"),
        "modules": (c.ModuleIn(digest(b"module"), 6),),
        **more,
    }
    return world.store.execute(
        c.AddAppVersion(
            now=world.now,
            summary="searches better",
            platform="wasm32-wasip1",
            runtime="wasm",
            profile="engine1",
            release=b"{}",
            **values,  # type: ignore[arg-type]
        )
    )


def test_release_is_stored_once(world: World) -> None:
    first = publish(world)
    assert first.status == "created"
    again = publish(world)
    assert (again.status, again.app_version_id) == ("existing", first.app_version_id)
    assert publish(world, release_hash=digest(b"other")).status == "conflict"
    with world.store.reading() as db:
        app = db.fetch_one(app_sql.APP_BY_NAME, name="period")
        versions = db.fetch_all(app_sql.VERSIONS_OF_APP, app_id=first.app_id, limit=10)
    assert app is not None
    assert app.summary == "searches better"
    assert [v.version for v in versions] == ["2", "1"]


def test_app_is_its_makers(world: World) -> None:
    other = world.store.execute(
        c.CreateAccount(now=world.now, email="eve@example.org", name="Eve", role="scientist")
    ).account_id
    assert publish(world, account_id=other).status == "not_yours"
    # its modules are public by now, so an admin may
    assert publish(world, account_id=other, any_owner=True).status == "created"


def test_release_without_its_modules_is_not_stored(world: World) -> None:
    missing = digest(b"never uploaded")
    answer = publish(world, modules=(c.ModuleIn(missing, 3),))
    assert (answer.status, answer.missing) == ("missing_files", (missing,))


def test_version_is_deprecated_once(world: World) -> None:
    command = c.DeprecateAppVersion(
        now=world.now, app_version_id=world.app_version_id, deprecated=True, actor="account:1"
    )
    assert world.store.execute(command).changed
    assert not world.store.execute(command).changed
    with pytest.raises(c.StoreRefused, match="no app version 9"):
        world.store.execute(
            c.DeprecateAppVersion(now=world.now, app_version_id=9, deprecated=True, actor="x")
        )


def test_batch_is_made_once_for_its_key(world: World) -> None:
    first = world.create(idempotency_key="k")
    assert first.status == "created"
    assert world.create(idempotency_key="k") == c.CreateBatchResult("existing", first.batch_id)
    assert world.create(idempotency_key="k", spec='{"x":1}').status == "conflict"
    assert world.create(idempotency_key=None).batch_id != first.batch_id
    assert world.story("batch", first.batch_id) == ["draft", "checking"]
    world.check()


def test_batch_with_a_missing_file_is_not_made(world: World) -> None:
    files = (world.add_file(b"there"), digest(b"not there"))
    answer = world.create(files=files)
    assert answer == c.CreateBatchResult("missing_files", missing=(digest(b"not there"),))
    with world.store.reading() as db:
        assert db.fetch_all(batch_sql.BATCHES_BEFORE, before=2**60, limit=5) == []


def test_units_are_appended_once_at_their_offset(world: World) -> None:
    """The answer of a chunk was lost; it is sent again, overlapping, and nothing is twice."""
    batch_id = world.create().batch_id
    (stage,) = world.stages(batch_id)
    assert world.insert(stage.id, 0, 5).status == "closed", "the table is not checked yet"
    start = c.StartBatch(now=world.now, batch_id=batch_id, expected=10)
    assert world.store.execute(start).changed
    assert not world.store.execute(start).changed
    assert world.insert(stage.id, 0, 5) == c.InsertUnitsResult("ok", 5)
    assert world.insert(stage.id, 0, 5) == c.InsertUnitsResult("ok", 5)
    assert world.insert(stage.id, 3, 4) == c.InsertUnitsResult("ok", 7)
    assert world.insert(stage.id, 8, 1) == c.InsertUnitsResult("wrong_offset", 7)
    assert world.insert(stage.id, 7, 4) == c.InsertUnitsResult("wrong_offset", 7)
    assert world.insert(stage.id, 7, 3) == c.InsertUnitsResult("ok", 10)
    with world.store.reading() as db:
        rows = db.fetch_all(unit_sql.UNIT_INPUTS_AFTER, stage_id=stage.id, after=-1, limit=100)
    assert [(row[0], row[1]) for row in rows] == [(i, f'["{i}"]') for i in range(10)]
    world.check()


def test_first_units_go_out_while_the_rest_is_being_stored(world: World) -> None:
    batch_id = world.create().batch_id
    world.store.execute(c.StartBatch(now=world.now, batch_id=batch_id, expected=1000))
    world.insert(world.stages(batch_id)[0].id, 0, 10)
    assert len(world.host().take()) == 1
    assert world.batch_row(batch_id).state == "running"
    world.check()


def test_no_units_for_a_batch_that_was_cancelled_meanwhile(world: World) -> None:
    batch_id = world.create().batch_id
    world.store.execute(c.StartBatch(now=world.now, batch_id=batch_id, expected=10))
    stage_id = world.stages(batch_id)[0].id
    world.insert(stage_id, 0, 5)
    world.store.execute(
        c.CancelBatch(now=world.now, batch_id=batch_id, reason="owner", actor="account:1")
    )
    assert world.insert(stage_id, 5, 5) == c.InsertUnitsResult("closed", 5)


def test_more_units_than_a_command_may_hold_are_refused() -> None:
    units = tuple(c.NewUnit("[]") for _ in range(c.UNITS_MAX + 1))
    with pytest.raises(ValueError, match="at most 1000"):
        c.InsertUnits(now=0, stage_id=1, offset=0, units=units)


def test_unknown_stage_or_batch_is_refused(world: World) -> None:
    with pytest.raises(c.StoreRefused, match="no stage 9"):
        world.insert(9, 0, 1)
    with pytest.raises(c.StoreRefused, match="no batch 9"):
        world.store.execute(c.StartBatch(now=world.now, batch_id=9, expected=1))
