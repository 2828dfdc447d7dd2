"""No path leaves the virtual tree, and what is read-only stays so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_shared.sandbox import abi

from .guest import Desk

CREATE, FOLDER, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A world with two inputs, one of them in a folder."""
    (tmp_path / "host-a").write_text("alpha")
    (tmp_path / "host-b").write_text("beta")
    desk = Desk({"a.txt": tmp_path / "host-a", "deep/er/b.txt": tmp_path / "host-b"})
    yield desk
    desk.files.reader.close()


@pytest.mark.parametrize(
    ("path", "errno"),
    [
        ("..", abi.NOT_PERMITTED),
        ("../etc/passwd", abi.NOT_PERMITTED),
        ("in/../../etc/passwd", abi.NOT_PERMITTED),
        ("in/deep/../../../x", abi.NOT_PERMITTED),
        ("/etc/passwd", abi.NOT_PERMITTED),
        ("//etc/passwd", abi.NOT_PERMITTED),
        ("", abi.NO_ENTRY),
        ("etc/passwd", abi.NO_ENTRY),
        ("nothing/../in/a.txt", abi.NO_ENTRY),
        ("in/a.txt/../a.txt", abi.NOT_FOLDER),
        ("in/a.txt/", abi.NOT_FOLDER),
        ("in/a.txt/x", abi.NOT_FOLDER),
        ("in\0/a.txt", abi.INVALID),
        (b"in/\xff\xfe", abi.ILLEGAL_BYTES),
        (b"in/\xc0\xae\xc0\xae/x", abi.ILLEGAL_BYTES),  # an overlong spelling of ..
        (b"\xed\xa0\x80", abi.ILLEGAL_BYTES),  # half of a surrogate pair
        ("x" * 256, abi.NAME_TOO_LONG),
        ("x/" * 2500, abi.NAME_TOO_LONG),
        ("in/%2e%2e/out", abi.NO_ENTRY),
        ("in\\..\\..\\etc", abi.NO_ENTRY),
    ],
)
def test_paths_that_lead_nowhere(desk: Desk, path: str | bytes, errno: int) -> None:
    assert desk.open(path)[0] == errno


@pytest.mark.parametrize(
    "path", ["in/a.txt", "./in//./a.txt", "out/../in/a.txt", "in/deep/er/../../a.txt"]
)
def test_paths_that_lead_to_the_same_file(desk: Desk, path: str) -> None:
    errno, fd = desk.open(path)
    assert errno == 0
    assert desk.read(fd, 100) == b"alpha"


def test_a_folder_opened_by_the_guest_is_a_root_of_its_own(desk: Desk) -> None:
    """openat with ``..`` must not climb out of the folder it was given."""
    errno, folder = desk.open("in/deep", how=FOLDER)
    assert errno == 0
    assert desk.open("er/b.txt", fd=folder)[0] == 0
    assert desk.open("../a.txt", fd=folder)[0] == abi.NOT_PERMITTED


@pytest.mark.parametrize(
    ("path", "how", "errno"),
    [
        ("in/a.txt", 0, abi.READ_ONLY),
        ("in/a.txt", TRUNCATE, abi.READ_ONLY),
        ("in/new", CREATE, abi.READ_ONLY),
        ("in/deep/new", CREATE, abi.READ_ONLY),
        ("new", CREATE, abi.READ_ONLY),
        ("in", 0, abi.IS_FOLDER),
        ("out", CREATE, abi.IS_FOLDER),
        ("out/x/", CREATE, abi.IS_FOLDER),
        ("out/x", CREATE | FOLDER, abi.INVALID),
        ("out/stdout", CREATE, abi.NOT_PERMITTED),
        ("out/a:b", CREATE, abi.INVALID),
        ("out/a\\b", CREATE, abi.INVALID),
        ("out/nul.txt", CREATE, abi.INVALID),
        ("out/dot.", CREATE, abi.INVALID),
        ("out/line\nbreak", CREATE, abi.INVALID),
    ],
)
def test_writing_where_it_is_not_allowed(desk: Desk, path: str, how: int, errno: int) -> None:
    assert desk.open(path, how=how, write=True)[0] == errno
    assert desk.files.outputs() == []


def test_truncating_an_input_by_a_read_only_open_is_refused(desk: Desk) -> None:
    assert desk.open("in/a.txt", how=TRUNCATE)[0] == abi.READ_ONLY


def test_creating_exclusively_works_once(desk: Desk) -> None:
    assert desk.open("out/x", how=CREATE | EXCLUSIVE, write=True)[0] == 0
    assert desk.open("out/x", how=CREATE | EXCLUSIVE, write=True)[0] == abi.EXISTS


def test_names_that_differ_only_in_case_are_refused_everywhere(desk: Desk) -> None:
    """Half of the volunteers' disks could not hold both."""
    desk.create("out/Result")
    assert desk.open("out/result", how=CREATE, write=True)[0] == abi.EXISTS
    assert desk.open("out/result")[0] == abi.NO_ENTRY
    desk.create("out/stra\u00dfe")
    assert desk.open("out/STRASSE", how=CREATE, write=True)[0] == abi.EXISTS


@pytest.mark.parametrize("function", ["path_create_directory", "path_remove_directory"])
@pytest.mark.parametrize("path", ["in/new", "new", "in/deep", "in", "out", "."])
def test_folders_change_only_below_out(desk: Desk, function: str, path: str) -> None:
    assert desk.on_path(function, path) != 0


@pytest.mark.parametrize("path", ["in/a.txt", "in/deep/er/b.txt"])
def test_inputs_cannot_be_removed_or_moved(desk: Desk, path: str) -> None:
    assert desk.on_path("path_unlink_file", path) == abi.READ_ONLY
    desk.put(2000, b"out/stolen")
    assert desk.on_path("path_rename", path, 3, 2000, 10) == abi.READ_ONLY
    assert desk.open(path)[0] == 0


def test_there_are_no_links(desk: Desk) -> None:
    desk.put(2000, b"out/link")
    assert desk.call("path_symlink", 2000, 8, 3, 2000, 8) == abi.NOT_SUPPORTED
    assert desk.call("path_link", 3, 0, 2000, 8, 3, 2000, 8) == abi.NO_ENTRY
    desk.put(1000, b"in/a.txt")
    assert desk.call("path_link", 3, 0, 1000, 8, 3, 2000, 8) == abi.NOT_SUPPORTED
    assert desk.on_path("path_readlink", "in/a.txt", 3000, 10, 3100) == abi.INVALID


def test_moving_and_replacing(desk: Desk) -> None:
    """A write to a temporary name, then a rename over the old file: the usual way to save."""
    desk.write(desk.create("out/save"), b"old")
    desk.write(desk.create("out/save.tmp"), b"new one")
    desk.put(2000, b"out/save")
    assert desk.on_path("path_rename", "out/save.tmp", 3, 2000, 8) == 0
    assert desk.files.outputs() == [("save", bytearray(b"new one"))]
    assert desk.files.used_files == 2  # the old one is still open


def test_a_file_cannot_take_a_name_that_only_a_folder_can_have(desk: Desk) -> None:
    """``mv file name/`` where there is no such folder; and ``name/.`` names nothing new."""
    desk.create("out/file")
    assert desk.on_path("path_create_directory", "out/folder") == 0
    desk.put(2000, b"out/new/")
    assert desk.on_path("path_rename", "out/file", 3, 2000, 8) == abi.NOT_FOLDER
    assert desk.on_path("path_rename", "out/folder", 3, 2000, 8) == 0
    assert desk.open("out/x/.", how=CREATE, write=True)[0] == abi.NO_ENTRY
    assert desk.on_path("path_create_directory", "out/x/.") == abi.NO_ENTRY
    assert [name for name, _ in desk.files.outputs()] == ["file"]


def test_a_folder_cannot_move_into_itself(desk: Desk) -> None:
    assert desk.on_path("path_create_directory", "out/a") == 0
    desk.put(2000, b"out/a/b")
    assert desk.on_path("path_rename", "out/a", 3, 2000, 7) == abi.INVALID


def test_a_full_folder_is_not_removed(desk: Desk) -> None:
    assert desk.on_path("path_create_directory", "out/a") == 0
    desk.create("out/a/x")
    assert desk.on_path("path_remove_directory", "out/a") == abi.NOT_EMPTY
    assert desk.on_path("path_unlink_file", "out/a") == abi.IS_FOLDER
    assert desk.on_path("path_unlink_file", "out/a/x") == 0
    assert desk.on_path("path_remove_directory", "out/a") == 0
    assert desk.files.used_folders == 0


def test_moving_a_folder_keeps_names_within_the_manifests_limit(desk: Desk) -> None:
    """Every output must have a name that a manifest can hold, even after moves."""
    long = "n" * 122
    assert desk.on_path("path_create_directory", f"out/{long}") == 0
    desk.create(f"out/{long}/{long}")
    assert desk.on_path("path_create_directory", "out/place") == 0
    assert desk.on_path("path_create_directory", "out/place/deeper") == 0
    new = b"out/place/deeper/" + long.encode()
    desk.put(2000, new)
    assert desk.on_path("path_rename", f"out/{long}", 3, 2000, len(new)) == abi.NAME_TOO_LONG


def test_empty_folders_cannot_be_moved_deeper_and_deeper(desk: Desk) -> None:
    """Each move alone looks short; together they would make a tree deeper than any path is long."""
    chain = "a/" * 100
    for turn in range(9):
        for depth in range(1, 101):
            desk.on_path("path_create_directory", f"out/{turn}/" + "a/" * (depth - 1))
    for turn in range(8):
        new = f"out/{turn + 1}/{chain}x".encode()
        desk.put(2000, new)
        desk.on_path("path_rename", f"out/{turn}", 3, 2000, len(new))
    deepest = max(len(node.path()) for node in desk.files.output.tree())
    assert deepest <= 255 + len("out/")
    assert desk.files.outputs() == []
