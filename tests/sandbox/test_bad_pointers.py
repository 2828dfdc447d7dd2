"""No pointer or length of the guest's gets past the bounds of its memory: EFAULT, and no crash."""

import itertools
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from idlegrid_shared.sandbox import abi
from idlegrid_shared.sandbox.fault import GuestExit, Refused
from idlegrid_shared.sandbox.wasi import WASI_FUNCTIONS

from .guest import MEMORY_BYTES, Desk

OUT, FAR, LAST = MEMORY_BYTES, 0xFFFF_FFFF, MEMORY_BYTES - 1
FILE, FOLDER = 4, 3  # descriptors of the desk below
PATH, SIZE = 1000, 5  # where "out/x" lies
VECTOR, RESULT = 2000, 3000

# Function, arguments; each BAD stands for a pointer that is tried with several wild values.
BAD = object()
CASES: list[tuple[str, list[object]]] = [
    ("args_get", [BAD, 5000]),
    ("args_get", [5000, BAD]),
    ("args_sizes_get", [BAD, 5000]),
    ("args_sizes_get", [5000, BAD]),
    ("environ_get", [BAD, 5000]),
    ("environ_get", [5000, BAD]),
    ("environ_sizes_get", [BAD, 5000]),
    ("environ_sizes_get", [5000, BAD]),
    ("clock_res_get", [0, BAD]),
    ("clock_time_get", [0, 0, BAD]),
    ("fd_fdstat_get", [FILE, BAD]),
    ("fd_filestat_get", [FILE, BAD]),
    ("fd_prestat_get", [FOLDER, BAD]),
    ("fd_prestat_dir_name", [FOLDER, BAD, 4]),
    ("fd_pread", [FILE, BAD, 1, 0, RESULT]),
    ("fd_pread", [FILE, VECTOR, 1, 0, BAD]),
    ("fd_pwrite", [FILE, BAD, 1, 0, RESULT]),
    ("fd_pwrite", [FILE, VECTOR, 1, 0, BAD]),
    ("fd_read", [FILE, BAD, 1, RESULT]),
    ("fd_read", [FILE, VECTOR, 1, BAD]),
    ("fd_write", [FILE, BAD, 1, RESULT]),
    ("fd_write", [FILE, VECTOR, 1, BAD]),
    ("fd_write", [2, BAD, 1, RESULT]),
    ("fd_readdir", [FOLDER, BAD, 100, 0, RESULT]),
    ("fd_readdir", [FOLDER, 5000, FAR, 0, RESULT]),
    ("fd_readdir", [FOLDER, 5000, 100, 0, BAD]),
    ("fd_seek", [FILE, 0, 0, BAD]),
    ("fd_tell", [FILE, BAD]),
    ("path_create_directory", [FOLDER, BAD, SIZE]),
    ("path_create_directory", [FOLDER, PATH, FAR]),
    ("path_filestat_get", [FOLDER, 0, BAD, SIZE, 5000]),
    ("path_filestat_get", [FOLDER, 0, PATH, SIZE, BAD]),
    ("path_filestat_set_times", [FOLDER, 0, BAD, SIZE, 0, 0, 0]),
    ("path_link", [FOLDER, 0, BAD, SIZE, FOLDER, PATH, SIZE]),
    ("path_link", [FOLDER, 0, PATH, SIZE, FOLDER, BAD, SIZE]),
    ("path_open", [FOLDER, 0, BAD, SIZE, 0, 2, 0, 0, RESULT]),
    ("path_open", [FOLDER, 0, PATH, SIZE, 0, 2, 0, 0, BAD]),
    ("path_readlink", [FOLDER, BAD, SIZE, 5000, 10, RESULT]),
    ("path_readlink", [FOLDER, PATH, SIZE, BAD, 10, RESULT]),
    ("path_readlink", [FOLDER, PATH, SIZE, 5000, 10, BAD]),
    ("path_remove_directory", [FOLDER, BAD, SIZE]),
    ("path_rename", [FOLDER, BAD, SIZE, FOLDER, PATH, SIZE]),
    ("path_rename", [FOLDER, PATH, SIZE, FOLDER, BAD, SIZE]),
    ("path_symlink", [BAD, SIZE, FOLDER, PATH, SIZE]),
    ("path_symlink", [PATH, SIZE, FOLDER, BAD, SIZE]),
    ("path_unlink_file", [FOLDER, BAD, SIZE]),
    ("poll_oneoff", [BAD, 6000, 1, RESULT]),
    ("poll_oneoff", [5000, BAD, 1, RESULT]),
    ("poll_oneoff", [5000, 6000, 1, BAD]),
    ("random_get", [BAD, 8]),
    ("random_get", [5000, FAR]),
]
#: Functions that take no pointer at all, or answer before they would use one.
WITHOUT_POINTERS = {
    "fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_set_flags",
    "fd_fdstat_set_rights", "fd_filestat_set_size", "fd_filestat_set_times", "fd_renumber",
    "fd_sync", "proc_exit", "proc_raise", "sched_yield", "sock_accept", "sock_recv", "sock_send",
    "sock_shutdown",
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A world with an input and an open output file, ``out/x``, as descriptor 4."""
    (tmp_path / "a").write_text("alpha")
    desk = Desk({"a": tmp_path / "a"}, args=["program", "one"], env={"A": "1"})
    assert desk.create("out/x") == FILE
    desk.put(PATH, b"out/x")
    desk.put(VECTOR, struct.pack("<II", 4000, 4))
    yield desk
    desk.files.reader.close()


@pytest.mark.parametrize("wild", [OUT, FAR, LAST, FAR - 3, 0x8000_0000], ids=hex)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_wild_pointers(desk: Desk, case: tuple[str, list[object]], wild: int) -> None:
    name, pattern = case
    before = (desk.files.used_files, desk.files.used_bytes, len(desk.world.descriptors.table))
    arguments = [wild if value is BAD else value for value in pattern]
    errno = desk.call(name, *arguments)  # type: ignore[arg-type]
    assert errno == abi.FAULT, f"{name}{arguments} gave errno {errno}"
    after = (desk.files.used_files, desk.files.used_bytes, len(desk.world.descriptors.table))
    assert after == before, f"{name} had an effect although its pointer was wild"


def test_every_function_with_a_pointer_is_in_the_table() -> None:
    assert {name for name, _ in CASES} | WITHOUT_POINTERS == set(WASI_FUNCTIONS)


@pytest.mark.parametrize("vector", [(OUT, 1), (FAR, FAR), (0, FAR), (LAST, 2), (FAR, 0)])
@pytest.mark.parametrize("name", ["fd_read", "fd_write"])
def test_wild_buffers_inside_a_vector(desk: Desk, name: str, vector: tuple[int, int]) -> None:
    desk.put(VECTOR, struct.pack("<IIII", 4000, 4, *vector))
    assert desk.call(name, FILE, VECTOR, 2, RESULT) == abi.FAULT
    assert desk.files.used_bytes == 0


def test_too_many_buffers(desk: Desk) -> None:
    """A vector may name the same bytes again and again; the count of buffers is limited."""
    assert desk.call("fd_write", FILE, 0, 1025, RESULT) == abi.FAULT


def test_random_calls_never_crash(desk: Desk) -> None:
    """Whatever numbers a guest passes: an errno, a refusal or an exit, and nothing else."""
    dice = random.Random(20260101)
    values = [0, 1, 2, 3, 4, 5, 17, PATH, VECTOR, LAST, OUT, FAR, 2**63, 2**64 - 1, -1]
    names = sorted(WASI_FUNCTIONS)
    for name in itertools.islice(itertools.cycle(names), 20 * len(names)):
        arguments = [dice.choice(values) for _ in WASI_FUNCTIONS[name][0]]
        try:
            errno = desk.call(name, *arguments)
        except (GuestExit, Refused):
            continue
        assert 0 <= errno <= abi.NOT_CAPABLE, f"{name}{arguments}"
