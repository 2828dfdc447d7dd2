"""A volunteer's real client is sent hostile programs by the dozen, and good ones between them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from idlegrid_shared.sandbox.limits import Limits
from tests.client import guest
from tests.client.simulator import SimulatedProject, serving
from tests.client.test_program import Client
from tests.sandbox.guest import assemble, module_text

from .arena import Hostile
from .test_wasm_appetite import HOSTILE
from .test_wasm_escapes import PATHS, attempt
from .test_wasm_malformed import MODULES, ODD

PATIENCE_S = 240
LIMITS = Limits(
    memory_bytes=4 * 65536, max_ops=50_000_000, time_s=30.0, output_bytes=100_000, output_files=5
)
ESCAPES = [Hostile(f"path {name}", attempt(path), "ok") for name, path in PATHS.items()]
#: Every third of each table: all kinds, in a time that a test can take.
CHOSEN = [*MODULES[::3], *ODD[::2], *HOSTILE[::2], *ESCAPES[::3]]


@pytest.fixture
def project() -> SimulatedProject:
    return SimulatedProject()


@pytest.fixture
def client(project: SimulatedProject, tmp_path: Path) -> Iterator[Client]:
    with serving(project) as url:
        made = Client(tmp_path / "data", url, project)
        yield made
        made.close()


def module_of(hostile: Hostile) -> bytes:
    if isinstance(hostile.module, bytes):
        return hostile.module
    whole = hostile.module.startswith("(module")
    return assemble(hostile.module if whole else module_text(hostile.module))


def test_the_client_lives_and_tells_each_reason(project: SimulatedProject, client: Client) -> None:
    assert len(CHOSEN) >= 30
    good = project.add_release(guest.module(guest.HELLO))
    for index, hostile in enumerate(CHOSEN):
        limits = msgspec.structs.replace(LIMITS, **hostile.limits)
        release = project.add_release(module_of(hostile), limits)
        project.add_task(f"hostile_{index}", release)
        if index % 5 == 0:
            project.add_task(f"good_{index}", good)
    project.add_task("good_last", good)
    client.attach()
    process = client.start("--until-idle")
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output
    reported = {task: report for task, (_, report) in project.done.items()}
    for index, hostile in enumerate(CHOSEN):
        report = reported[f"hostile_{index}"]
        assert report.reason == hostile.reason, f"{hostile}: {report.reason}: {report.stderr}"
        assert report.outcome == ("success" if hostile.reason == "ok" else "error"), str(hostile)
    good_ones = [report for task, report in reported.items() if task.startswith("good")]
    assert len(good_ones) == 1 + len(CHOSEN[::5])
    assert {report.outcome for report in good_ones} == {"success"}
    assert not list(client.data.glob("projects/*/tasks/*")), "nothing is left behind"
