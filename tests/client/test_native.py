"""Native programs at a client: only when the volunteer allows them, and no longer than that."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_client.layout import DataFolder
from idlegrid_client.permission import (
    Permission,
    describe_permission,
    load_permission,
    offered_profiles,
    save_permission,
)
from idlegrid_shared.box.container.image import image_id, write_archive
from idlegrid_shared.box.native.wall import native_platform
from idlegrid_shared.documents import Program
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.limits import Limits
from tests.engine import working_engine

from . import guest
from .simulator import SimulatedProject, serving, sha256
from .test_program import Client, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native programs run on Linux only")

LIMITS = Limits(
    memory_bytes=64 * 1024**2, max_ops=1, time_s=500.0, output_bytes=10**6, output_files=4
)
HELLO = """
#include <stdio.h>
#include <unistd.h>
int main(int count, char **args) {
    FILE *out = fopen("out/answer", "w");
    fprintf(out, "native %d\\n", count);
    fclose(out);
    while (count > 1) pause();
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("native")
    (folder / "hello.c").write_text(HELLO)
    command = ["gcc", "-static", "-O1", "-o", str(folder / "hello"), str(folder / "hello.c")]
    subprocess.run(command, check=True)
    return (folder / "hello").read_bytes()


@pytest.fixture
def project() -> SimulatedProject:
    return SimulatedProject()


@pytest.fixture
def client(project: SimulatedProject, tmp_path: Path) -> Iterator[Client]:
    with serving(project) as url:
        made = Client(tmp_path / "data", url, project)
        yield made
        made.close()


def add_native(project: SimulatedProject, program: bytes, task: str, *args: str) -> None:
    platform = native_platform()
    release = project.add_release(program, LIMITS, runtime="native", platform=platform)
    project.add_task(task, release, args=args)


def test_a_native_task_runs_once_the_volunteer_allows_it(
    project: SimulatedProject, client: Client, program: bytes
) -> None:
    add_native(project, program, "task_early")
    client.attach()
    client.finish()
    report = project.done["task_early"][1]
    assert (report.outcome, report.reason) == ("aborted", "not_allowed")

    said = client.call("allow", "native")
    assert said.returncode == 0, said.stderr
    assert "allowed, for all projects" in said.stdout
    assert "Native programs: allowed" in client.call("status").stdout
    assert '"native"' in client.call("status", "--json").stdout

    add_native(project, program, "task_native")
    project.add_task("task_wasm", project.add_release(guest.module(guest.HELLO)))
    client.finish()
    report = project.done["task_native"][1]
    assert (report.outcome, report.reason) == ("success", "ok"), report.stderr
    assert report.ops == 0
    assert report.profile == f"native-{native_platform()}"
    assert report.inline[0].data == b"native 1\n"
    assert project.done["task_wasm"][1].outcome == "success"
    assert not list(client.data.glob("projects/*/tasks/*")), "nothing is left behind"


def test_what_is_denied_ends_and_goes_back(
    project: SimulatedProject, client: Client, program: bytes
) -> None:
    client.attach()
    assert client.call("allow", "native").returncode == 0
    add_native(project, program, "task_long", "for", "ever")
    running = client.start()
    wait_for(
        "the program",
        lambda: any(
            "program" in c.cmdline()[:1] or c.name() == "program" for c in client.sandboxes(running)
        ),
    )
    said = client.call("deny", "native")
    assert "not allowed" in said.stdout
    wait_for("its end", lambda: "task_long" in project.done)
    report = project.done["task_long"][1]
    assert (report.outcome, report.reason) == ("aborted", "not_allowed")
    assert client.sandboxes(running) == []
    assert "Native programs: not allowed" in client.call("status").stdout


def test_a_container_runs_once_the_volunteer_allows_it(
    project: SimulatedProject, client: Client, program: bytes, tmp_path: Path
) -> None:
    engine = working_engine()
    root = tmp_path / "root"
    root.mkdir()
    (root / "hello").write_bytes(program)
    (root / "hello").chmod(0o755)
    write_archive(root, tmp_path / "image.tar", native_platform())
    data = (tmp_path / "image.tar").read_bytes()
    module = ManifestEntry("image.tar", sha256(data), len(data))
    entry = f'{image_id(tmp_path / "image.tar")} ["/hello"]'
    release = project.add_release(
        data,
        runtime="container",
        platform=native_platform(),
        programs=(Program("main", module, LIMITS, entry=entry),),
    )
    project.add_task("task_container", release)
    client.attach()
    said = client.call("allow", "container")
    assert said.returncode == 0, said.stderr
    client.finish()
    report = project.done["task_container"][1]
    assert (report.outcome, report.reason) == ("success", "ok"), report.stderr
    assert report.profile == f"container-{native_platform()}"
    assert report.inline[0].data == b"native 1\n"
    store = client.data / "compiled" / "containers"
    assert engine.at(store).call("ps", "--all", "--quiet").out == ""
    engine.at(store).clear(store)


def test_nothing_is_offered_unasked(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert load_permission(folder) == Permission(native=False)
    assert offered_profiles(load_permission(folder)) == ()
    save_permission(folder, "native", True)
    assert offered_profiles(load_permission(folder)) == (f"native-{native_platform()}",)
    folder.permission.write_bytes(b"\x00 not a setting")
    assert load_permission(folder) == Permission(native=False)
    assert "allow native" in describe_permission(load_permission(folder))[0]


def test_where_no_wall_holds_it_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from idlegrid_shared.box.native.probe import native_offer

    monkeypatch.setattr(sys, "platform", "darwin")
    native_offer.cache_clear()
    try:
        lines = describe_permission(Permission(native=True))
        assert "not possible here: native programs are run on Linux only" in lines[0]
        assert offered_profiles(Permission(native=True)) == ()
    finally:
        native_offer.cache_clear()
