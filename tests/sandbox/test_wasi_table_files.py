"""The calls on open files: every answer that each can give, asked for by wasm code."""

import struct

import pytest

from .guest import GuestDesk
from .wasi_case import (
    FOLDER,
    IN,
    NONE,
    OUT,
    RESULT,
    ROOT,
    SIZE_HUGE,
    STDERR,
    STDIN,
    STDOUT,
    VECTOR,
    WILD,
    Case,
    case,
    hold,
    stage,
)

__all__ = ["stage"]

READ, WRITE = 1 << 1, 1 << 6
SET, CURRENT, END = 0, 1, 2
MINUS_ONE = (1 << 64) - 1


def content(desk: GuestDesk) -> bytes:
    """What /out/x holds."""
    return bytes(dict(desk.files.outputs())["x"])


def size_of(desk: GuestDesk) -> int:
    return len(content(desk))


def huge_file(desk: GuestDesk) -> None:
    """Stand at the last byte that a file can have."""
    assert desk.call("fd_seek", OUT, SIZE_HUGE - 1, SET, RESULT) == 0


def append(desk: GuestDesk) -> None:
    assert desk.call("fd_fdstat_set_flags", OUT, 1) == 0
    assert desk.call("fd_seek", OUT, 0, SET, RESULT) == 0


def many_buffers(desk: GuestDesk) -> None:
    desk.put(8000, struct.pack("<II", 4000, 1) * 1025)


CASES = [
    case("fd_advise", "SUCCESS", "all six kinds of advice", OUT, 0, 0, 5),
    case("fd_advise", "BADF", "no such descriptor", NONE, 0, 0, 0),
    case("fd_advise", "BADF", "standard error is no file", STDERR, 0, 0, 0),
    case("fd_advise", "ISDIR", "a folder", FOLDER, 0, 0, 0),
    case("fd_advise", "INVAL", "unknown advice", OUT, 0, 0, 6),
    case(
        "fd_allocate",
        "SUCCESS",
        "the file grows by zeros",
        OUT,
        0,
        9,
        check=lambda d: content(d) == b"abcdef\0\0\0",
    ),
    case(
        "fd_allocate",
        "SUCCESS",
        "what is there stays",
        OUT,
        1,
        2,
        check=lambda d: content(d) == b"abcdef",
    ),
    case("fd_allocate", "BADF", "no such descriptor", NONE, 0, 1),
    case("fd_allocate", "BADF", "not open for writing", IN, 0, 1),
    case("fd_allocate", "ISDIR", "a folder", FOLDER, 0, 1),
    case("fd_allocate", "INVAL", "no length", OUT, 0, 0),
    case("fd_allocate", "FBIG", "beyond the largest size", OUT, SIZE_HUGE - 1, 2),
    case("fd_allocate", "INVAL", "a stream", STDOUT, 0, 1),
    case("fd_allocate", "output_limit", "over the quota", OUT, 0, 10_001),
    case("fd_close", "SUCCESS", "open", OUT, check=lambda d: d.call("fd_tell", OUT, RESULT) == 8),
    case("fd_close", "BADF", "no such descriptor", NONE),
    case("fd_datasync", "SUCCESS", "open", OUT),
    case("fd_datasync", "BADF", "no such descriptor", NONE),
    case(
        "fd_fdstat_get",
        "SUCCESS",
        "type, flags and rights",
        FOLDER,
        RESULT,
        check=lambda d: d.get(RESULT, 1) == b"\3",
    ),
    case("fd_fdstat_get", "BADF", "no such descriptor", NONE, RESULT),
    case("fd_fdstat_get", "FAULT", "wild pointer", OUT, WILD),
    case(
        "fd_fdstat_set_flags",
        "SUCCESS",
        "append",
        OUT,
        1,
        check=lambda d: d.call("fd_fdstat_get", OUT, RESULT) == 0 and d.get(RESULT + 2, 1) == b"\1",
    ),
    case("fd_fdstat_set_flags", "BADF", "no such descriptor", NONE, 1),
    case("fd_fdstat_set_flags", "INVAL", "unknown flag", OUT, 32),
    case(
        "fd_fdstat_set_rights",
        "SUCCESS",
        "given up",
        OUT,
        READ,
        0,
        check=lambda d: d.write(OUT, b"x") == 8,
    ),
    case("fd_fdstat_set_rights", "BADF", "no such descriptor", NONE, 0, 0),
    case("fd_fdstat_set_rights", "NOTCAPABLE", "a right that it has not", IN, READ | WRITE, 0),
    case("fd_fdstat_set_rights", "NOTCAPABLE", "rights to hand down", OUT, READ, READ),
    case(
        "fd_filestat_get",
        "SUCCESS",
        "size; times zero",
        OUT,
        RESULT,
        check=lambda d: struct.unpack("<QQQQQQQQ", d.get(RESULT, 64))[4:] == (6, 0, 0, 0),
    ),
    case("fd_filestat_get", "BADF", "no such descriptor", NONE, RESULT),
    case("fd_filestat_get", "FAULT", "wild pointer", OUT, WILD),
    case(
        "fd_filestat_set_size",
        "SUCCESS",
        "cut",
        OUT,
        2,
        check=lambda d: content(d) == b"ab",
    ),
    case("fd_filestat_set_size", "BADF", "no such descriptor", NONE, 0),
    case("fd_filestat_set_size", "BADF", "not open for writing", IN, 0),
    case("fd_filestat_set_size", "ISDIR", "a folder", FOLDER, 0),
    case("fd_filestat_set_size", "INVAL", "a stream", STDOUT, 0),
    case("fd_filestat_set_size", "INVAL", "a negative size", OUT, SIZE_HUGE),
    case("fd_filestat_set_size", "output_limit", "over the quota", OUT, 10_001),
    case("fd_filestat_set_times", "SUCCESS", "given or now", OUT, 1, 2, 0b1001),
    case("fd_filestat_set_times", "BADF", "no such descriptor", NONE, 0, 0, 0),
    case("fd_filestat_set_times", "INVAL", "given and now", OUT, 0, 0, 0b11),
    case("fd_filestat_set_times", "INVAL", "unknown flag", OUT, 0, 0, 16),
    case("fd_filestat_set_times", "ROFS", "an input", IN, 0, 0, 0),
    case("fd_filestat_set_times", "ROFS", "a folder outside /out", ROOT, 0, 0, 0),
    case(
        "fd_pread",
        "SUCCESS",
        "the position stays",
        IN,
        VECTOR,
        1,
        8,
        RESULT,
        check=lambda d: d.u32(RESULT) == 2 and d.read(IN, 1) == b"0",
    ),
    case("fd_pread", "BADF", "no such descriptor", NONE, VECTOR, 1, 0, RESULT),
    case("fd_pread", "BADF", "not open for reading", STDOUT, VECTOR, 1, 0, RESULT),
    case("fd_pread", "ISDIR", "a folder", FOLDER, VECTOR, 1, 0, RESULT),
    case("fd_pread", "SPIPE", "a stream", STDIN, VECTOR, 1, 0, RESULT),
    case("fd_pread", "INVAL", "a negative offset", IN, VECTOR, 1, SIZE_HUGE, RESULT),
    case("fd_pread", "FAULT", "wild pointer", IN, WILD, 1, 0, RESULT),
    case("fd_prestat_dir_name", "SUCCESS", "its name", ROOT, RESULT, 4),
    case("fd_prestat_dir_name", "BADF", "not preopened", FOLDER, RESULT, 4),
    case("fd_prestat_dir_name", "BADF", "no such descriptor", NONE, RESULT, 4),
    case("fd_prestat_dir_name", "NAMETOOLONG", "no room", ROOT, RESULT, 0),
    case("fd_prestat_dir_name", "FAULT", "wild pointer", ROOT, WILD, 4),
    case(
        "fd_prestat_get",
        "SUCCESS",
        "one byte of name",
        ROOT,
        RESULT,
        check=lambda d: d.u64(RESULT) == 1 << 32,
    ),
    case("fd_prestat_get", "BADF", "not preopened", FOLDER, RESULT),
    case("fd_prestat_get", "BADF", "no such descriptor", NONE, RESULT),
    case("fd_prestat_get", "FAULT", "wild pointer", ROOT, WILD),
    case(
        "fd_pwrite",
        "SUCCESS",
        "the position stays",
        OUT,
        VECTOR,
        1,
        1,
        RESULT,
        before=lambda d: d.put(4000, b"WXYZ"),
        check=lambda d: content(d) == b"aWXYZf" and d.write(OUT, b"!") == 0 and size_of(d) == 7,
    ),
    case("fd_pwrite", "BADF", "no such descriptor", NONE, VECTOR, 1, 0, RESULT),
    case("fd_pwrite", "BADF", "not open for writing", IN, VECTOR, 1, 0, RESULT),
    case("fd_pwrite", "ISDIR", "a folder", FOLDER, VECTOR, 1, 0, RESULT),
    case("fd_pwrite", "SPIPE", "a stream", STDOUT, VECTOR, 1, 0, RESULT),
    case("fd_pwrite", "INVAL", "a negative offset", OUT, VECTOR, 1, SIZE_HUGE, RESULT),
    case("fd_pwrite", "FBIG", "beyond the largest size", OUT, VECTOR, 1, SIZE_HUGE - 1, RESULT),
    case("fd_pwrite", "FAULT", "wild pointer", OUT, VECTOR, 1, 0, WILD),
    case("fd_pwrite", "output_limit", "over the quota", OUT, VECTOR, 1, 9_997, RESULT),
    case(
        "fd_read",
        "SUCCESS",
        "and the position moves",
        IN,
        VECTOR,
        1,
        RESULT,
        check=lambda d: (
            d.u32(RESULT) == 4 and d.get(4000, 4) == b"0123" and d.read(IN, 9) == b"456789"
        ),
    ),
    case("fd_read", "BADF", "no such descriptor", NONE, VECTOR, 1, RESULT),
    case("fd_read", "BADF", "not open for reading", STDOUT, VECTOR, 1, RESULT),
    case("fd_read", "ISDIR", "a folder", FOLDER, VECTOR, 1, RESULT),
    case("fd_read", "FAULT", "wild pointer", IN, VECTOR, 1, WILD),
    case("fd_read", "FAULT", "too many buffers", IN, 8000, 1025, RESULT, before=many_buffers),
    case(
        "fd_readdir",
        "SUCCESS",
        "sorted, after . and ..",
        FOLDER,
        5000,
        500,
        0,
        RESULT,
        check=lambda d: d.names(FOLDER) == [".", "..", "y"] and d.u32(RESULT) == 76,
    ),
    case(
        "fd_readdir",
        "SUCCESS",
        "on from a cookie that was never given",
        FOLDER,
        5000,
        500,
        2,
        RESULT,
        check=lambda d: d.u32(RESULT) == 25,
    ),
    case("fd_readdir", "BADF", "no such descriptor", NONE, 5000, 100, 0, RESULT),
    case("fd_readdir", "NOTDIR", "a file", OUT, 5000, 100, 0, RESULT),
    case("fd_readdir", "FAULT", "wild pointer", FOLDER, WILD, 100, 0, RESULT),
    case(
        "fd_renumber",
        "SUCCESS",
        "and the other is closed",
        IN,
        OUT,
        check=lambda d: d.read(OUT, 2) == b"01" and d.call("fd_close", IN) == 8,
    ),
    case(
        "fd_renumber",
        "SUCCESS",
        "over the preopened folder",
        FOLDER,
        ROOT,
        check=lambda d: d.names(ROOT) == [".", "..", "y"],
    ),
    case("fd_renumber", "BADF", "no such descriptor", NONE, OUT),
    case("fd_renumber", "BADF", "the new one is not open", OUT, NONE),
    case(
        "fd_seek",
        "SUCCESS",
        "back from the end",
        OUT,
        MINUS_ONE,
        END,
        RESULT,
        check=lambda d: d.u64(RESULT) == 5,
    ),
    case("fd_seek", "BADF", "no such descriptor", NONE, 0, SET, RESULT),
    case("fd_seek", "ISDIR", "a folder", FOLDER, 0, SET, RESULT),
    case("fd_seek", "SPIPE", "a stream", STDIN, 0, SET, RESULT),
    case("fd_seek", "INVAL", "before the start", OUT, MINUS_ONE, SET, RESULT),
    case("fd_seek", "INVAL", "beyond the largest size", OUT, SIZE_HUGE - 1, CURRENT, RESULT),
    case("fd_seek", "INVAL", "unknown whence", OUT, 0, 3, RESULT),
    case("fd_seek", "FAULT", "wild pointer", OUT, 0, SET, WILD),
    case("fd_sync", "SUCCESS", "open", STDOUT),
    case("fd_sync", "BADF", "no such descriptor", NONE),
    case("fd_tell", "SUCCESS", "the position", OUT, RESULT, check=lambda d: d.u64(RESULT) == 6),
    case("fd_tell", "BADF", "no such descriptor", NONE, RESULT),
    case("fd_tell", "ISDIR", "a folder", FOLDER, RESULT),
    case("fd_tell", "SPIPE", "a stream", STDOUT, RESULT),
    case("fd_tell", "FAULT", "wild pointer", OUT, WILD),
    case(
        "fd_write",
        "SUCCESS",
        "at the end when appending",
        OUT,
        VECTOR,
        1,
        RESULT,
        before=append,
        check=lambda d: size_of(d) == 10 and d.u32(RESULT) == 4,
    ),
    case(
        "fd_write",
        "SUCCESS",
        "standard error is a log",
        STDERR,
        VECTOR,
        1,
        RESULT,
        before=lambda d: d.put(4000, b"oops"),
        check=lambda d: d.world.log.text() == "oops",
    ),
    case("fd_write", "BADF", "no such descriptor", NONE, VECTOR, 1, RESULT),
    case("fd_write", "BADF", "not open for writing", IN, VECTOR, 1, RESULT),
    case("fd_write", "ISDIR", "a folder", FOLDER, VECTOR, 1, RESULT),
    case("fd_write", "FAULT", "wild pointer", OUT, WILD, 1, RESULT),
    case("fd_write", "FAULT", "too many buffers", OUT, 8000, 1025, RESULT, before=many_buffers),
    case("fd_write", "FBIG", "beyond the largest size", OUT, VECTOR, 1, RESULT, before=huge_file),
    case(
        "fd_write",
        "output_limit",
        "over the quota",
        STDOUT,
        VECTOR,
        1,
        RESULT,
        settings={"output_bytes": 9},
    ),
    case(
        "fd_write",
        "file_limit",
        "standard output is one file too many",
        STDOUT,
        VECTOR,
        1,
        RESULT,
        settings={"output_files": 2},
    ),
]


@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_table_of_calls_on_files(stage: GuestDesk, one: Case) -> None:
    hold(stage, one)
