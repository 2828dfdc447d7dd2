"""What the owner of a batch that fails everywhere is told."""

from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import STAGES_OF_BATCH
from idlegrid_shared.wire import Report

from .scientist import Scientist
from .world import Host, World

UNITS = 40


def test_a_stopped_batch_says_which_error_on_how_many_computers(world: World) -> None:
    ada = Scientist(world)
    batch = ada.submit(on_failure={"mode": "skip"})
    batch_id = world.services.ids.decode("batch", batch)
    world.store.execute(c.StartBatch(now=world.clock(), batch_id=batch_id, expected=UNITS))
    with world.store.reading() as db:
        stage = db.fetch_all(STAGES_OF_BATCH, batch_id=batch_id)[0]
    lines = tuple(c.NewUnit(f'["line","{n}"]') for n in range(UNITS))
    world.store.execute(c.InsertUnits(now=world.clock(), stage_id=stage.id, offset=0, units=lines))
    for _ in range(2):
        host = Host(world)
        host.enrol()
        host.exchange(
            reports=tuple(
                Report(task.task, "error", "trap", stderr="cannot divide")
                for task in host.get_tasks(5)
            )
        )
        run_passes(world.store, world.files, world.clock)
    shown = ada.get(f"batches/{batch}")
    assert shown["state"] == "paused"
    assert "fails everywhere" in shown["why"]
    assert "2 different computers" in shown["why"]
    assert shown["stages"][0]["failed"] == 0, "no unit is given up yet"
    (group,) = shown["failures"]
    assert group["count"] == 5
    assert (group["reason"], group["cause"], group["stderr"]) == ("brake", "trap", "cannot divide")
    assert group["words"].startswith("The program broke a rule")
