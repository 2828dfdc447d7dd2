"""Read-only files outside /in, and the control files: seen by the guest, changed by nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_shared.sandbox import abi
from idlegrid_shared.sandbox.fault import Refused
from idlegrid_shared.sandbox.filesystem import FileSystem
from idlegrid_shared.sandbox.mounts import mount_all
from idlegrid_shared.sandbox.pack import write_pack
from idlegrid_shared.sandbox.run import SandboxProcess

from .conftest import Lab
from .guest import Desk, assemble, module_text, write_bytes

CREATE, FOLDER, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8
FILES = {"main.py": b"print(1)\n", "lib/z.py": b"z = 2\n"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A world with a pack at /app, a file at /usr/lib/std.zip and the control files."""
    (tmp_path / "pack").write_bytes(write_pack(FILES))
    (tmp_path / "std").write_bytes(b"library")
    desk = Desk()
    mount_all(
        desk.files,
        {"usr/lib/std.zip": str(tmp_path / "std")},
        {"app": str(tmp_path / "pack")},
        control=True,
    )
    yield desk
    desk.files.reader.close()


def read_whole(desk: Desk, path: str) -> bytes:
    errno, fd = desk.open(path)
    assert errno == 0
    return desk.read(fd, 1000)


def test_the_guest_reads_exactly_the_members_and_the_files(desk: Desk) -> None:
    assert read_whole(desk, "app/main.py") == FILES["main.py"]
    assert read_whole(desk, "app/lib/z.py") == FILES["lib/z.py"]
    assert read_whole(desk, "usr/lib/std.zip") == b"library"
    assert desk.names(3) == [".", "..", "app", "dev", "in", "out", "usr"]
    assert desk.names(desk.open("app", how=FOLDER)[1]) == [".", "..", "lib", "main.py"]


def test_reading_a_member_stops_at_its_end(desk: Desk) -> None:
    """Behind it in the host's file lie the next members, which are other files."""
    fd = desk.open("app/main.py")[1]
    assert desk.call("fd_seek", fd, 6, 0, 600) == 0
    assert desk.read(fd, 10_000) == FILES["main.py"][6:]
    assert desk.read(fd, 10_000) == b""


@pytest.mark.parametrize("path", ["app/main.py", "app/lib/z.py", "usr/lib/std.zip"])
def test_nothing_mounted_can_be_changed(desk: Desk, path: str) -> None:
    assert desk.open(path, write=True)[0] == abi.READ_ONLY
    assert desk.open(path, how=TRUNCATE)[0] == abi.READ_ONLY
    assert desk.on_path("path_unlink_file", path) == abi.READ_ONLY
    assert desk.open(f"{path}.new", how=CREATE, write=True)[0] == abi.READ_ONLY
    folder = path.rpartition("/")[0]
    assert desk.on_path("path_create_directory", f"{folder}/new") == abi.READ_ONLY
    assert desk.on_path("path_remove_directory", folder) == abi.READ_ONLY


def test_a_mount_costs_no_quota(desk: Desk) -> None:
    assert (desk.files.used_bytes, desk.files.used_files, desk.files.used_folders) == (0, 0, 0)
    assert desk.files.outputs() == []


@pytest.mark.parametrize(
    "place", ["in/x", "out/x", "dev/x", "checkpoint/x", "../x", "/x", "a/../b", ""]
)
def test_places_that_cannot_be(tmp_path: Path, place: str) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(Refused) as caught:
        mount_all(FileSystem(10, 10, {}), {place: str(tmp_path / "f")}, {}, control=False)
    assert caught.value.reason == "bad_input"


def test_what_is_no_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"PK\5\6" + bytes(18))
    with pytest.raises(Refused) as caught:
        mount_all(FileSystem(10, 10, {}), {}, {"app": str(tmp_path / "f")}, control=False)
    assert caught.value.reason == "bad_module"


# --- control files


@pytest.mark.parametrize(
    ("text", "fraction"),
    [(b"0.25", 0.25), (b" 0.5\n", 0.5), (b"7", 1.0), (b"-3", 0.0), (b"1e400", 1.0)],
)
def test_a_fraction_written_is_progress(desk: Desk, text: bytes, fraction: float) -> None:
    told: list[float] = []
    desk.world.on_progress = told.append
    fd = desk.open("dev/idlegrid/progress", how=CREATE | TRUNCATE, write=True)[1]
    assert desk.write(fd, text) == 0
    assert told == [fraction]


@pytest.mark.parametrize("text", [b"", b"nan", b"half", b"\xff", b"0." + b"3" * 100, b"0 1"])
def test_what_is_no_number_is_no_news(desk: Desk, text: bytes) -> None:
    fd = desk.open("dev/idlegrid/progress", write=True)[1]
    assert desk.write(fd, b"0.5") == 0
    assert desk.write(fd, text) == 0
    assert desk.world.progress == 0.5


def test_control_files_keep_nothing_and_stay(desk: Desk) -> None:
    for name in ("progress", "safepoint"):
        path = f"dev/idlegrid/{name}"
        fd = desk.open(path, write=True)[1]
        assert desk.write(fd, b"1" * 3000) == 0
        assert desk.call("fd_filestat_set_size", fd, 100) == abi.INVALID
        assert desk.call("fd_allocate", fd, 0, 100) == abi.INVALID
        assert read_whole(desk, path) == b""
        assert desk.on_path("path_unlink_file", path) == abi.READ_ONLY
    assert desk.files.used_bytes == 0
    assert desk.world.progress == 0.0


def test_a_control_file_open_for_reading_takes_no_message(desk: Desk) -> None:
    fd = desk.open("dev/idlegrid/progress")[1]
    assert desk.write(fd, b"0.5") == abi.BAD_FD


# --- in a real worker


def test_a_worker_opens_what_is_mounted_and_hears_of_progress(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(write_pack({"fraction": b"0.75"}))
    body = """
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 12) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 60)) (then unreachable))
    (i32.store (i32.const 0) (i32.const 200))
    (i32.store (i32.const 4) (i32.const 100))
    (if (call $fd_read (i32.load (i32.const 60)) (i32.const 0) (i32.const 1) (i32.const 64))
        (then unreachable))
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 120) (i32.const 21) (i32.const 0)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 60)) (then unreachable))
    """ + write_bytes("(i32.load (i32.const 60))", 200, 4)
    text = module_text(body, data={100: "app/fraction", 120: "dev/idlegrid/progress"})
    job = lab.job(assemble(text), packs={"app": str(tmp_path / "pack")}, control=True)
    with SandboxProcess.start(job) as process:
        outcome = process.wait(60)
        assert outcome is not None
        assert outcome.reason == "ok", outcome.message
        assert process.progress.fraction == 0.75


@pytest.mark.parametrize(("result", "reason", "code"), [(0, "ok", 0), (7, "exit_code", 7)])
def test_a_program_may_start_elsewhere_and_return_its_exit_code(
    lab: Lab, result: int, reason: str, code: int
) -> None:
    function = f'(func (export "run") (result i32) (i32.const {result}))'
    text = f'(module (memory (export "memory") 1) {function})'
    outcome = lab.run(text, start="run")
    assert (outcome.reason, outcome.exit_code) == (reason, code)
    assert lab.run(text).reason == "bad_module"
