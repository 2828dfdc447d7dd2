"""Open files behave as POSIX programs expect, and all that could differ between hosts is fixed."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_shared.sandbox import abi
from idlegrid_shared.sandbox.descriptor import OPEN_MAX
from idlegrid_shared.sandbox.fault import HostFault, Refused

from .guest import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A world with one input of ten bytes."""
    (tmp_path / "digits").write_text("0123456789")
    desk = Desk({"digits": tmp_path / "digits"})
    yield desk
    desk.files.reader.close()


def test_reading_moves_the_position(desk: Desk) -> None:
    fd = desk.open("in/digits")[1]
    assert [desk.read(fd, 4) for _ in range(4)] == [b"0123", b"4567", b"89", b""]


def test_reading_into_several_buffers(desk: Desk) -> None:
    fd = desk.open("in/digits")[1]
    desk.put(800, struct.pack("<IIIIII", 4000, 3, 4100, 0, 4200, 5))
    assert desk.call("fd_read", fd, 800, 3, 840) == 0
    assert (desk.u32(840), desk.get(4000, 3), desk.get(4200, 5)) == (8, b"012", b"34567")


def test_seeking(desk: Desk) -> None:
    fd = desk.open("in/digits")[1]
    minus_three = 2**64 - 3
    assert desk.call("fd_seek", fd, minus_three, abi.SEEK_END, 900) == 0
    assert desk.u64(900) == 7
    assert desk.read(fd, 10) == b"789"
    assert desk.call("fd_seek", fd, minus_three, abi.SEEK_CURRENT, 900) == 0
    assert desk.call("fd_tell", fd, 908) == 0
    assert desk.u64(908) == 7
    assert desk.call("fd_seek", fd, minus_three, abi.SEEK_SET, 900) == abi.INVALID
    assert desk.call("fd_seek", fd, 0, 3, 900) == abi.INVALID


def test_reading_and_writing_at_a_place_leaves_the_position(desk: Desk) -> None:
    fd = desk.create("out/x")
    desk.write(fd, b"abcdef")
    desk.put(4000, b"XY")
    desk.put(800, struct.pack("<II", 4000, 2))
    assert desk.call("fd_pwrite", fd, 800, 1, 2, 808) == 0
    desk.put(800, struct.pack("<II", 4100, 6))
    assert desk.call("fd_pread", fd, 800, 1, 1, 808) == 0
    assert desk.get(4100, desk.u32(808)) == b"bXYef"
    assert desk.call("fd_tell", fd, 900) == 0
    assert desk.u64(900) == 6


def test_appending_always_writes_at_the_end(desk: Desk) -> None:
    desk.write(desk.create("out/x"), b"one")
    fd = desk.open("out/x", write=True, flags=abi.FLAG_APPEND)[1]
    assert desk.call("fd_seek", fd, 0, abi.SEEK_SET, 900) == 0
    desk.write(fd, b"two")
    assert desk.files.outputs() == [("x", bytearray(b"onetwo"))]


def test_gaps_are_zeros(desk: Desk) -> None:
    fd = desk.create("out/x")
    assert desk.call("fd_seek", fd, 3, abi.SEEK_SET, 900) == 0
    desk.write(fd, b"x")
    assert desk.files.outputs() == [("x", bytearray(b"\0\0\0x"))]


def test_sizes_can_be_set(desk: Desk) -> None:
    fd = desk.create("out/x")
    desk.write(fd, b"abcdef")
    assert desk.call("fd_filestat_set_size", fd, 2) == 0
    assert desk.call("fd_allocate", fd, 1, 3) == 0
    assert desk.files.outputs() == [("x", bytearray(b"ab\0\0"))]
    assert desk.files.used_bytes == 4
    assert desk.call("fd_filestat_set_size", fd, 2**63) == abi.INVALID


@pytest.mark.parametrize("size", [10_001, 2**40, 2**63 - 1])
def test_no_size_gets_past_the_quota(desk: Desk, size: int) -> None:
    """Neither a huge file nor a huge gap may take the host's memory first."""
    fd = desk.create("out/x")
    with pytest.raises(Refused, match="limit of 10000 bytes"):
        desk.call("fd_filestat_set_size", fd, size)
    with pytest.raises(Refused, match="limit of 10000 bytes"):
        desk.call("fd_allocate", fd, 0, size)


def test_deleting_gives_the_quota_back_when_the_last_descriptor_closes(desk: Desk) -> None:
    fd = desk.create("out/x")
    desk.write(fd, bytes(9000))
    assert desk.on_path("path_unlink_file", "out/x") == 0
    assert (desk.files.used_bytes, desk.files.used_files) == (9000, 1)
    assert desk.call("fd_seek", fd, 0, abi.SEEK_SET, 900) == 0
    assert desk.read(fd, 4) == bytes(4)
    assert desk.call("fd_close", fd) == 0
    assert (desk.files.used_bytes, desk.files.used_files) == (0, 0)
    assert desk.files.outputs() == []


def test_a_descriptor_does_only_what_it_was_opened_for(desk: Desk) -> None:
    reader = desk.open("in/digits")[1]
    assert desk.write(reader, b"x") == abi.BAD_FD
    assert desk.write(0, b"x") == abi.BAD_FD
    assert desk.call("fd_read", 1, 800, 1, 808) == abi.BAD_FD
    assert desk.call("fd_read", 2, 800, 1, 808) == abi.BAD_FD
    assert desk.call("fd_read", 3, 800, 1, 808) == abi.IS_FOLDER
    assert desk.call("fd_readdir", reader, 0, 10, 0, 808) == abi.NOT_FOLDER
    assert desk.call("fd_close", 77) == abi.BAD_FD
    assert desk.call("fd_close", 2**32 - 1) == abi.BAD_FD


def test_rights_can_be_given_up_and_never_taken_back(desk: Desk) -> None:
    fd = desk.create("out/x")
    assert desk.call("fd_fdstat_set_rights", fd, abi.RIGHT_READ, 0) == 0
    assert desk.write(fd, b"x") == abi.BAD_FD
    both = abi.RIGHT_READ | abi.RIGHT_WRITE
    assert desk.call("fd_fdstat_set_rights", fd, both, 0) == abi.NOT_CAPABLE
    assert desk.write(fd, b"x") == abi.BAD_FD


def test_files_and_folders_have_the_rights_of_their_kind(desk: Desk) -> None:
    """The public test suite asks for it: no path rights for files, no size rights for folders."""

    def rights(fd: int) -> tuple[int, int]:
        assert desk.call("fd_fdstat_get", fd, 900) == 0
        return desk.u64(908), desk.u64(916)

    path_open, set_size, readdir = 1 << 13, 1 << 22, 1 << 14
    reader, writer = desk.open("in/digits")[1], desk.create("out/x")
    assert rights(reader)[0] & (path_open | readdir | set_size | abi.RIGHT_WRITE) == 0
    assert rights(writer)[0] & (set_size | abi.RIGHT_WRITE) == set_size | abi.RIGHT_WRITE
    assert rights(writer)[1] == 0
    base, inheriting = rights(3)
    assert base & (path_open | readdir | set_size | abi.RIGHT_WRITE) == path_open | readdir
    assert inheriting == abi.RIGHTS_FOLDER | abi.RIGHTS_FILE
    assert desk.open(".", how=abi.OPEN_FOLDER)[0] == 0
    assert desk.open(".", how=abi.OPEN_FOLDER, write=True)[0] == abi.IS_FOLDER


def test_times_that_contradict_each_other_are_refused(desk: Desk) -> None:
    fd = desk.create("out/x")
    for flags, errno in ((0, 0), (5, 0), (10, 0), (3, abi.INVALID), (12, abi.INVALID)):
        assert desk.call("fd_filestat_set_times", fd, 1, 2, flags) == errno
        desk.put(1000, b"out/x")
        assert desk.call("path_filestat_set_times", 3, 0, 1000, 5, 1, 2, flags) == errno
    assert desk.call("fd_filestat_set_times", fd, 1, 2, 16) == abi.INVALID
    reader = desk.open("in/digits")[1]
    assert desk.call("fd_filestat_set_times", reader, 1, 2, 5) == abi.READ_ONLY


def test_streams_cannot_seek(desk: Desk) -> None:
    for fd in (0, 1, 2):
        assert desk.call("fd_seek", fd, 0, abi.SEEK_SET, 900) == abi.NOT_SEEKABLE
        assert desk.call("fd_tell", fd, 900) == abi.NOT_SEEKABLE


def test_standard_output_is_a_file_and_standard_error_a_log(desk: Desk) -> None:
    desk.write(1, b"result")
    desk.write(2, b"note")
    assert desk.files.outputs() == [("stdout", bytearray(b"result"))]
    assert desk.world.log.text() == "note"


def test_standard_input_is_empty_unless_it_is_given(desk: Desk, tmp_path: Path) -> None:
    assert desk.read(0, 10) == b""
    desk.files.set_stdin(str(tmp_path / "digits"))
    assert desk.read(0, 4) + desk.read(0, 10) == b"0123456789"


def test_renumbering(desk: Desk) -> None:
    first, second = desk.open("in/digits")[1], desk.create("out/x")
    assert desk.call("fd_renumber", first, second) == 0
    assert desk.read(second, 2) == b"01"
    assert desk.call("fd_close", first) == abi.BAD_FD
    assert desk.call("fd_renumber", second, 99) == abi.BAD_FD
    assert desk.call("fd_renumber", second, 3) == 0
    assert desk.read(3, 2) == b"23"
    assert desk.call("fd_prestat_get", 3, 900) == abi.BAD_FD


def test_open_files_are_limited(desk: Desk) -> None:
    for _ in range(OPEN_MAX - 4):
        assert desk.open("in/digits")[0] == 0
    assert desk.open("in/digits")[0] == abi.TOO_MANY_OPEN
    assert desk.open("out/x", how=1, write=True)[0] == abi.TOO_MANY_OPEN
    assert desk.files.outputs() == []


def test_listings_are_sorted_and_say_where_they_lie(desk: Desk) -> None:
    for name in ("b", "a", "c\u00e9", "B2"):
        desk.create(f"out/{name}")
    fd = desk.open("out", how=abi.OPEN_FOLDER)[1]
    assert desk.names(fd) == [".", "..", "B2", "a", "b", "c\u00e9"]
    assert desk.names(3) == [".", "..", "in", "out"]


def test_removing_while_listing_skips_nothing(desk: Desk) -> None:
    """As ``rm -r`` does: read a few entries, delete them, read on from the last cookie."""
    for name in "abcdef":
        desk.create(f"out/{name}")
    fd = desk.open("out", how=abi.OPEN_FOLDER)[1]
    cookie, seen = 0, []
    while True:
        assert desk.call("fd_readdir", fd, 20_000, 25, cookie, 700) == 0
        if desk.u32(700) < 25:
            break
        cookie, _, _, _ = struct.unpack("<QQII", desk.get(20_000, 24))
        name = desk.get(20_024, 1).decode()
        if name in "abcdef" and not (name == "." or name == ""):
            seen.append(name)
            assert desk.on_path("path_unlink_file", f"out/{name}") == 0
    assert seen == list("abcdef")


def test_facts_about_files_are_the_same_everywhere(desk: Desk) -> None:
    desk.put(1000, b"in/digits")
    assert desk.call("path_filestat_get", 3, 0, 1000, 9, 2000) == 0
    facts = struct.unpack("<QQB7xQQQQQ", desk.get(2000, 64))
    assert facts == (1, 4, abi.TYPE_FILE, 1, 10, 0, 0, 0)
    fd = desk.open("in/digits")[1]
    assert desk.call("fd_filestat_get", fd, 2100) == 0
    assert desk.get(2100, 64) == desk.get(2000, 64)


def test_the_one_preopened_folder_is_the_root(desk: Desk) -> None:
    assert desk.call("fd_prestat_get", 3, 900) == 0
    assert struct.unpack("<II", desk.get(900, 8)) == (0, 1)
    assert desk.call("fd_prestat_dir_name", 3, 900, 1) == 0
    assert desk.get(900, 1) == b"/"
    assert desk.call("fd_prestat_get", 4, 900) == abi.BAD_FD
    assert desk.call("fd_prestat_get", 1, 900) == abi.BAD_FD


def test_an_input_that_shrinks_during_the_run_is_the_hosts_fault(
    desk: Desk, tmp_path: Path
) -> None:
    fd = desk.open("in/digits")[1]
    (tmp_path / "digits").write_text("0")
    with pytest.raises(HostFault, match="shorter"):
        desk.read(fd, 10)
