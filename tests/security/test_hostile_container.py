"""Containers that try to get out, or to take more than they may, under the real engine."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from idlegrid_shared.box.container.engine import Engine
from idlegrid_shared.box.container.image import (
    ImageError,
    image_id,
    image_platform,
    write_archive,
)
from idlegrid_shared.box.container.process import ContainerProcess, read_entry
from idlegrid_shared.box.container.store import IMAGES_MAX, ImageStore
from idlegrid_shared.box.container.trial import trial_program, try_engine
from idlegrid_shared.box.native.wall import native_platform
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import WALLED_PLATFORMS, Program
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.job import Outcome
from tests.engine import working_engine

from .native_lab import compile_hostile, make_order
from .test_hostile_native import told, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers run on Linux only")

#: Doors that must be shut in a container, too. Others are its own: processes, sockets without a
#: network, files of its image.
SHUT = {
    *("passwd", "shadow", "canary", "canary-by-dots", "canary-from-out", "canary-by-proc"),
    *("memory-device", "kernel-messages", "disk-device", "folder-of-canary", "write-beside"),
    *("write-canary", "truncate-canary", "remove-canary", "rename-canary", "link-canary"),
    *("chmod-canary", "chown-canary", "touch-canary", "write-root", "write-input", "new-input"),
    *("remove-input", "rename-input", "link-input", "chmod-input", "device"),
    *("packet", "new-mount-namespace", "new-pid-namespace", "read-parent", "ptrace-parent"),
    *("real-time", "raise-limit", "set-clock", "set-name", "mount", "unmount", "bpf"),
    *("perf", "kernel-log", "nice", "new-user-namespace", "tcp", "udp", "tcp6", "netlink"),
    *("vsock", "keys", "userfault", "io_uring", "personality", "ioprio", "fallocate", "chroot"),
}
#: Misdeed → the reasons that it may end with.
ENDS = {
    "memory": {"memory_limit"},
    "memory-shared": {"memory_limit"},
    "disk-one": {"output_limit"},
    "disk-many": {"output_limit"},
    "disk-names": {"file_limit"},
    "disk-deleted": {"output_limit"},
    "folders-deep": {"file_limit"},
    "threads": {"time_limit", "process_limit"},  # the engine stops it at its limit, it then waits
    "stdout": {"output_limit"},
    "spin": {"time_limit"},
    "deaf": {"time_limit"},
    "abort": {"trap"},
    "bad-name": {"bad_output"},
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The real one. Where none works, the last tests of this file are what can be tested."""
    return working_engine()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    (folder / "root").mkdir()
    compile_hostile(folder / "root" / "hostile")
    write_archive(folder / "root", folder / "image.tar", native_platform())
    return folder / "image.tar"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Any:
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    store = ImageStore(str(folder), engine)
    assert store.engine.call("ps", "--all", "--quiet").out == ""  # no container is left
    store.engine.clear(store.folder)


def order_for(archive: Path, cache: Path, folder: Path, *args: str, **limits: Any) -> BoxOrder:
    native = make_order(archive, folder, *args, **limits)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    program = Program(
        name="hostile",
        module=ManifestEntry("image.tar", digest, archive.stat().st_size),
        limits=native.program.limits,
        entry=f'{image_id(archive)} ["/hostile"]',
    )
    return BoxOrder(
        program=program,
        places={digest: str(archive)},
        args=native.args,
        inputs=native.inputs,
        output_dir=native.output_dir,
        seed=native.seed,
        profile=native.profile,
        runtime="container",
        platform=native_platform(),
        cache_dir=str(cache),
    )


def run(engine: Engine, order: BoxOrder, wall_s: float = 8.0) -> Outcome:
    with ContainerProcess(order, engine, wall_factor=0.0, wall_grace_s=wall_s) as process:
        process.launch()
        outcome = process.wait(120)
    assert outcome is not None
    return outcome


def test_no_door_of_the_machine_opens(
    engine: Engine, archive: Path, cache: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "outside" / "canary"
    canary.parent.mkdir()
    canary.write_text("canary")
    order = order_for(archive, cache, tmp_path / "run", "escapes", str(canary), str(os.getpid()))

    outcome = run(engine, order, 60)

    # What it left in out/ (links, pipes) is refused; what it told is read from where it stood.
    assert outcome.reason == "bad_output", (outcome.message, outcome.stderr)
    assert canary.read_text() == "canary"
    assert [path.name for path in canary.parent.iterdir()] == ["canary"]
    assert not (tmp_path / "run" / "out").exists()


def test_what_stays_shut(
    engine: Engine, archive: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "outside" / "canary"
    canary.parent.mkdir()
    canary.write_text("canary")
    order = order_for(archive, cache, tmp_path / "run", "escapes", str(canary), str(os.getpid()))
    with ContainerProcess(order, engine) as process:
        kept = tmp_path / "kept" / "out"
        kept.mkdir(parents=True)

        def keep(limits: object) -> tuple[()]:
            shutil.copy(process.stage.out / "told", kept / "told")
            return ()

        monkeypatch.setattr(process.stage, "collect", keep)
        process.launch()
        outcome = process.wait(120)
    assert outcome is not None
    assert outcome.status == "success", (outcome.message, outcome.stderr)
    doors = told(kept.parent)
    assert doors["own-input"] == "open"
    assert set(doors) >= SHUT
    assert [name for name in sorted(SHUT) if doors[name] != "shut"] == []


@pytest.mark.parametrize("misdeed", ENDS)
def test_each_misdeed_ends_with_its_reason(
    engine: Engine, archive: Path, cache: Path, tmp_path: Path, misdeed: str
) -> None:
    wall_s = 90.0 if misdeed == "spin" else 8.0
    outcome = run(engine, order_for(archive, cache, tmp_path, misdeed), wall_s)
    assert outcome.status == "error"
    assert outcome.reason in ENDS[misdeed], outcome.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


def test_its_outputs_and_exit_codes_come_back(
    engine: Engine, archive: Path, cache: Path, tmp_path: Path
) -> None:
    outcome = run(engine, order_for(archive, cache, tmp_path / "a", "closed"))
    assert outcome.status == "success", (outcome.message, outcome.stderr)
    assert [entry.name for entry in outcome.outputs] == ["closed/file", "shut"]
    outcome = run(engine, order_for(archive, cache, tmp_path / "b", "exit", "7"))
    assert (outcome.reason, outcome.exit_code) == ("exit_code", 7)
    outcome = run(engine, order_for(archive, cache, tmp_path / "c", "environment", "two words"))
    lines = (tmp_path / "c" / "out" / "environment").read_text().splitlines()
    assert "IDLEGRID_SEED=" + "07" * 32 in lines
    assert "arg two words" in lines


def test_paused_it_does_nothing(engine: Engine, archive: Path, cache: Path, tmp_path: Path) -> None:
    with ContainerProcess(order_for(archive, cache, tmp_path, "count"), engine) as process:
        process.launch()
        wait_until(lambda: process.progress.fraction > 0)
        process.suspend()
        time.sleep(0.2)
        first = process.stage.fraction()
        time.sleep(0.6)
        assert process.stage.fraction() == first
        process.resume()
        wait_until(lambda: process.progress.fraction > first)
        process.kill("enough")
        outcome = process.wait(60)
    assert outcome is not None
    assert outcome.reason == "killed"


AGENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from idlegrid_shared.box.container.process import ContainerProcess
from tests.security.test_hostile_container import order_for
from idlegrid_shared.box.container.engine import Engine
order = order_for(Path({archive!r}), Path({cache!r}), Path({folder!r}), "deaf", time_s=500.0)
process = ContainerProcess(order, Engine("podman", {command!r}))
process.launch()
print(process.name, flush=True)
time.sleep(200)
"""


def test_no_container_outlives_an_agent_that_is_killed(
    engine: Engine, archive: Path, cache: Path, tmp_path: Path
) -> None:
    text = AGENT.format(
        root=str(Path(__file__).parents[2]),
        archive=str(archive),
        cache=str(cache),
        folder=str(tmp_path),
        command=engine.command,
    )
    store = ImageStore(str(cache), engine)
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        name = agent.stdout.readline().decode().strip()
        wait_until(lambda: bool(store.engine.first_process(name)), 60)
        pid = store.engine.first_process(name)
        agent.send_signal(signal.SIGKILL)
        agent.wait()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 60)
    wait_until(lambda: name not in store.engine.call("ps", "--all", "--quiet").out, 60)


def test_another_image_than_the_one_named_is_not_run(
    engine: Engine, archive: Path, cache: Path, tmp_path: Path
) -> None:
    order = order_for(archive, cache, tmp_path, "closed")
    import msgspec

    named = msgspec.structs.replace(order.program, entry=f'sha256:{"0" * 64} ["/hostile"]')
    outcome = run(engine, msgspec.structs.replace(order, program=named))
    assert outcome.reason == "bad_module"
    assert "another image" in outcome.message


def test_images_that_are_long_unused_are_let_go(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lru")
    store = ImageStore(str(folder), engine)
    images = []
    for number in range(IMAGES_MAX + 2):
        root = folder / f"root{number}"
        root.mkdir()
        (root / "file").write_text(str(number))
        archive = folder / f"{number}.tar"
        write_archive(root, archive, native_platform())
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        images.append(image_id(archive))
        with store.using(archive, digest, images[-1]):
            assert store.engine.has_image(images[-1])
        os.utime(
            folder / "containers" / "used" / images[-1].removeprefix("sha256:"), (number, number)
        )
    kept = [image for image in images if store.engine.has_image(image)]
    assert kept == images[-IMAGES_MAX:]
    store.engine.clear(store.folder)


# --- what needs no engine


def test_equal_folders_give_equal_archives(tmp_path: Path) -> None:
    for name in ("one", "two"):
        root = tmp_path / name
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "tool").write_text("x")
        (root / "bin" / "tool").chmod(0o700)
        (root / "link").symlink_to("bin/tool")
        write_archive(root, tmp_path / f"{name}.tar", "linux-x86_64")
        time.sleep(0.01)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert image_platform(tmp_path / "one.tar") == "linux-x86_64"
    (tmp_path / "one" / "bin" / "tool").write_text("y")
    write_archive(tmp_path / "one", tmp_path / "other.tar", "linux-x86_64")
    assert image_id(tmp_path / "other.tar") != image_id(tmp_path / "one.tar")
    os.mkfifo(tmp_path / "one" / "pipe")
    with pytest.raises(ImageError, match="device, a pipe or a socket"):
        write_archive(tmp_path / "one", tmp_path / "bad.tar", "linux-x86_64")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"manifest.json": "[]"},
        {"manifest.json": "no json"},
        {"manifest.json": '[{"Config": "../../etc/passwd"}]'},
        {"manifest.json": '[{"Config": 7}]'},
        {"manifest.json": '[{"Config": "c"}, {"Config": "c"}]', "c": "{}"},
    ],
)
def test_what_is_no_image_is_named_so(tmp_path: Path, members: dict[str, str]) -> None:
    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as tar:
        for name, text in members.items():
            (tmp_path / "member").write_text(text)
            tar.add(tmp_path / "member", name)
    with pytest.raises(ImageError):
        image_id(archive)
    archive.write_bytes(b"\x00" * 100)
    with pytest.raises(ImageError):
        image_id(archive)


def test_an_entry_names_an_image_and_a_command() -> None:
    assert read_entry('sha256:ab ["/x", "y z"]') == ("sha256:ab", ("/x", "y z"))
    assert read_entry("sha256:ab") == ("sha256:ab", ())
    for entry in ("", "latest", "sha256:ab [7]", "sha256:ab x"):
        with pytest.raises((ValueError, json.JSONDecodeError)):
            read_entry(entry)


def test_an_engine_that_is_broken_is_not_offered(tmp_path: Path) -> None:
    assert "cannot be started" in try_engine(Engine("podman", (str(tmp_path / "none"),)))
    assert "does not work here" in try_engine(Engine("podman", ("/bin/false",)))
    fake = tmp_path / "podman"
    fake.write_text("#!/bin/sh\ncase \"$*\" in *' run '*) exit 2;; esac\nexit 0\n")
    fake.chmod(0o755)
    assert "reach a network" in try_engine(Engine("podman", (str(fake),)))


def test_the_trial_tells_a_machine_that_is_open(tmp_path: Path) -> None:
    """Run without a container, the trial's program finds that it can write, and says so."""
    if os.geteuid() != 0:
        pytest.skip("only root can write to the root folder here")
    program = tmp_path / "trial"
    program.write_bytes(trial_program(native_platform()))
    program.chmod(0o755)
    try:
        assert subprocess.run([str(program)], check=False).returncode == 1
    finally:
        Path("/probe").unlink(missing_ok=True)
    assert all(trial_program(platform).startswith(b"\x7fELF") for platform in WALLED_PLATFORMS)
