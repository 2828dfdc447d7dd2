"""A project with something to see, served on loopback, and Debian's Chromium to look at it."""

import shutil
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.store import migrate
from tests.web.test_site import PUBLIC, answered
from tests.web.world import Host, World, result

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "the pages are tested in a real browser: install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of the pages by name; the batches are half done, and answered."""
    folder = tmp_path_factory.mktemp("a project")
    database = folder / "project.db"
    migrate(database)
    world = World(folder, database)
    encode = world.services.ids.encode
    running, done = world.batch(60, spec=PUBLIC), world.batch(1, spec=PUBLIC)
    hosts = [Host(world), Host(world)]
    for host in hosts:
        host.enrol()
        tasks = host.get_tasks(8)
        host.exchange(reports=tuple(result(task) for task in tasks[:6]))
    run_passes(world.store, world.files, world.clock)
    answered(world, done)
    world.clock.pass_s(60)
    server = make_server("127.0.0.1", 0, world.app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    at = f"http://127.0.0.1:{server.server_port}"
    yield {
        "home": f"{at}/",
        "join": f"{at}/join",
        "signin": f"{at}/signin",
        "running": f"{at}/b/{encode('batch', running)}",
        "answered": f"{at}/b/{encode('batch', done)}",
        "nothing": f"{at}/nothing/here",
    }
    server.shutdown()
    thread.join()
    server.server_close()
    world.close()
