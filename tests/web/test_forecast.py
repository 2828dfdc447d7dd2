"""The forecast as REST and the public page tell it: of batches that run, and no others."""

import re

from idlegrid_server.domain.forecast import Forecast
from idlegrid_server.domain.model import PulseSeen
from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import BATCH_BY_ID, STAGES_OF_BATCH
from idlegrid_server.web.forecast import find_forecast
from idlegrid_server.web.site.outlook import draw_outlook

from .world import Host, World, result

PUBLIC = {"units": "0" * 64, "public": True}
US = 1_000_000


def half_done(world: World, units: int = 16) -> int:
    """A batch of which half has ended, a unit every minute."""
    batch = world.batch(units, spec=PUBLIC)
    hosts = [Host(world), Host(world)]
    for host in hosts:
        host.enrol()
    for _ in range(units // 2):
        given = [(host, host.get_tasks(1)) for host in hosts]
        world.clock.pass_s(60)
        for host, tasks in given:
            host.exchange(reports=tuple(result(task) for task in tasks))
        run_passes(world.store, world.files, world.clock)
    return batch


def forecast_of(world: World, batch: int) -> Forecast | None:
    with world.store.reading() as db:
        row = db.fetch_one(BATCH_BY_ID, batch_id=batch)
        assert row is not None
        return find_forecast(db, row, db.fetch_all(STAGES_OF_BATCH, batch_id=batch), world.clock())


def test_a_batch_that_runs_has_a_forecast(world: World) -> None:
    batch = half_done(world)
    found = forecast_of(world, batch)
    assert found is not None
    assert world.clock() < found.p50_at <= found.p90_at < world.clock() + 3_600 * US


def test_a_new_batch_and_a_paused_one_have_none(world: World) -> None:
    assert forecast_of(world, world.batch(4, spec=PUBLIC)) is None
    batch = half_done(world)
    world.store.execute(
        c.PauseBatch(now=world.clock(), batch_id=batch, reason="owner", actor="account:1")
    )
    assert forecast_of(world, batch) is None


def test_the_page_tells_a_range_and_draws_a_band(world: World) -> None:
    batch = half_done(world)
    address = f"/b/{world.services.ids.encode('batch', batch)}"
    text = world.http.get(address, headers={"Accept": "text/html"}).text
    assert "When it is done" in text
    assert re.search(r"As likely as not by <b><time datetime=\"[^\"]+Z\">\d\d:\d\d</time>", text)
    assert "in nine cases of ten by" in text
    assert 'class="band"' in text
    assert "50 percent now" in text


def test_a_page_without_a_forecast_has_no_such_part(world: World) -> None:
    batch = world.batch(4, spec=PUBLIC)
    address = f"/b/{world.services.ids.encode('batch', batch)}"
    text = world.http.get(address, headers={"Accept": "text/html"}).text
    assert "When it is done" not in text


def test_the_chart_stays_within_its_frame() -> None:
    pulses = [PulseSeen(n * US, ended=1) for n in range(1_000)]
    drawn = draw_outlook(Forecast(2_000 * US, 4_000 * US), pulses, 0, 1_000 * US, 2_000)
    numbers = [float(n) for n in re.findall(r"[\d.]+", drawn.line + drawn.band + drawn.area)]
    assert all(0 <= n <= 100 for n in numbers)
    assert drawn.line.count("L") < 130, "more points than anybody sees"
    assert drawn.percent == 50
    assert drawn.apart
    close = draw_outlook(Forecast(3_950 * US, 4_000 * US), pulses, 0, 1_000 * US, 2_000)
    assert not close.apart, "two labels on one place"
