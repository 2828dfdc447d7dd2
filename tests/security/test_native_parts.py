"""The parts of the native box by themselves: filter, outputs, executables, endings."""

import contextlib
import json
import os
import re
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_shared.box.native import syscall
from idlegrid_shared.box.native.ending import explain_end
from idlegrid_shared.box.native.probe import native_offer, try_wall
from idlegrid_shared.box.native.stage import OutputError, Stage, remove_tree
from idlegrid_shared.box.native.wall import WALLS, ExecutableError, Wall, is_dynamic

from .native_lab import LIMITS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native programs run on Linux only")

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ERRNO, ALLOW, KILL = 0x5_0000, 0x7FFF_0000, 0x8000_0000
CLONE_THREAD_FLAGS = 0x003D_0F00  # as C libraries make a thread


def verdict(program: bytes, arch: int, number: int, *args: int) -> int:
    """What a filter answers: an interpreter of the few instructions that it is made of."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *args, *([0] * (6 - len(args))))
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    held, at = 0, 0
    while True:
        code, yes, no, value = steps[at]
        if code == 0x06:
            return value
        if code == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
            yes = no = 0
        holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value), 0x20: True}
        at += 1 + (yes if holds[code] else no)


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    text = HEADERS[machine].read_text()
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)
    numbers = {name: int(number) for name, number in found}
    numbers.setdefault("newfstatat", numbers.get("fstatat", -1))
    column = list(HEADERS).index(machine)
    for name, pair in (syscall.ALLOWED | syscall.CHECKED).items():
        if pair[column] is not None and name in numbers:
            assert numbers[name] == pair[column], name
    known = [name for name in syscall.ALLOWED if name in numbers]
    assert len(known) > 80


ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}


@pytest.mark.parametrize("machine", ARCH)
@given(number=st.integers(0, 2**32 - 1), args=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_what_stands_on_no_list_is_never_allowed(
    machine: str, number: int, args: list[int]
) -> None:
    program = syscall.native_filter(machine, 77)
    column = list(ARCH).index(machine)
    allowed = {pair[column] for pair in syscall.ALLOWED.values()}
    checked = {pair[column] for pair in syscall.CHECKED.values()}
    answer = verdict(program, ARCH[machine], number, *args)
    if number in allowed:
        assert answer == ALLOW
    elif number not in checked:
        assert answer & 0xFFFF_0000 == ERRNO
    assert verdict(program, 0x4000_0003, number, *args) == KILL  # the 32-bit table


@pytest.mark.parametrize("machine", ARCH)
@given(value=st.integers(0, 2**32 - 1))
def test_calls_that_are_looked_into(machine: str, value: int) -> None:
    program = syscall.native_filter(machine, 77)
    column = list(ARCH).index(machine)

    def answer(name: str, *args: int) -> int:
        return verdict(program, ARCH[machine], syscall.CHECKED[name][column], *args)

    for name in ("kill", "tkill", "tgkill"):
        assert (answer(name, value) == ALLOW) == (value == 77)
        assert answer(name, 77) == ALLOW
    assert (answer("prlimit64", value) == ALLOW) == (value == 0)
    is_thread = bool(value & 0x1_0000) and not value & 0x7E02_0080
    assert (answer("clone", value) == ALLOW) == is_thread
    assert answer("clone", CLONE_THREAD_FLAGS) == ALLOW
    assert answer("fcntl", 3, 8) != ALLOW  # F_SETOWN
    assert answer("fcntl", 3, 10) != ALLOW  # F_SETSIG
    assert answer("fcntl", 3, 3) == ALLOW
    for name in ("ioctl", "clone3", "fallocate"):
        assert answer(name, value) != ALLOW


def stage_with(folder: Path) -> Stage:
    program = folder / "program"
    program.write_bytes(b"x")
    stage = Stage(str(folder / "result"))
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    stage.make(str(program), digest, {})
    return stage


def test_links_devices_and_pipes_are_no_outputs(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    plants = {
        "link": lambda path: path.symlink_to(secret),
        "folder-link": lambda path: path.symlink_to(tmp_path),
        "second-name": lambda path: os.link(secret, path),
        "pipe": os.mkfifo,
        "socket": lambda path: os.mknod(path, 0o140600),
    }
    for name, plant in plants.items():
        stage = stage_with(tmp_path)
        (stage.out / "deep").mkdir()
        plant(stage.out / "deep" / name)
        with pytest.raises(OutputError, match=name) as caught:
            stage.collect(LIMITS)
        assert caught.value.reason == "bad_output"
        assert not stage.output.exists()
        stage.remove()
    assert secret.read_text() == "secret"


def test_stdout_is_an_output_only_if_something_was_said(tmp_path: Path) -> None:
    stage = stage_with(tmp_path)
    assert stage.collect(LIMITS) == ()
    stage = stage_with(tmp_path)
    stage.stdout.write_text("said")
    assert [entry.name for entry in stage.collect(LIMITS)] == ["stdout"]
    assert (stage.output / "stdout").read_text() == "said"
    stage = stage_with(tmp_path)
    stage.stdout.write_text("said")
    (stage.out / "stdout").write_text("written")
    with pytest.raises(OutputError, match="stdout"):
        stage.collect(LIMITS)


names = st.text("abc.", min_size=1, max_size=6).filter(lambda n: n not in (".", "..", "stdout"))


@given(st.dictionaries(names, st.binary(max_size=50), max_size=8))
def test_all_files_and_no_others_are_collected(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    stage = stage_with(tmp_path_factory.mktemp("stage"))
    for name, data in files.items():
        (stage.out / name).write_bytes(data)
    manifest = stage.collect(LIMITS)
    assert {entry.name: entry.bytes for entry in manifest} == {n: len(d) for n, d in files.items()}
    assert {p.name: p.read_bytes() for p in stage.output.iterdir()} == files
    stage.remove()
    assert not stage.root.exists()


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "deep"
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", 0o700, dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.fchmod(here, 0)
        os.close(here)
        here = below
    os.close(here)
    remove_tree(root)
    assert not root.exists()


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("0.5\n", 0.5), ("", 0), ("nan", 0), ("-1", 0), ("2", 0), ("1", 1), ("x" * 90, 0), ("\0", 0)],
)
def test_progress_is_believed_only_if_it_is_a_fraction(
    tmp_path: Path, text: str, fraction: float
) -> None:
    stage = stage_with(tmp_path)
    stage.progress.write_text(text)
    assert stage.fraction() == fraction


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_reading_an_executable_never_fails_otherwise(head: bytes, tail: bytes) -> None:
    for data in (head, b"\x7fELF\x02\x01\x01" + head, Path("/bin/true").read_bytes()[:64] + tail):
        with contextlib.suppress(ExecutableError):
            assert is_dynamic(data) in (True, False)


@given(st.integers(-64, 255), st.integers(0, 10**9))
def test_every_ending_has_a_sentence(code: int, peak: int) -> None:
    outcome = explain_end(code, LIMITS, peak)
    assert (outcome.status == "success") == (code == 0)
    assert len(outcome.message) > 10


def test_the_walls_hold_on_this_machine() -> None:
    assert [try_wall(wall) for wall in WALLS] == ["", ""]
    assert native_offer().wall == "bubblewrap"
    assert native_offer().profile.startswith("native-linux-")


@pytest.mark.parametrize("wall", WALLS)
def test_a_wall_with_a_hole_is_not_offered(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial itself is tried: with the filter open for sockets, it must say so."""
    from idlegrid_shared.box.native import probe

    told = {"open a UDP socket": "open", "read a file outside": "shut"}
    monkeypatch.setattr(probe, "_run", lambda *args: told)
    assert "open a UDP socket" in try_wall(wall)
    assert "read a file" not in try_wall(wall)
    monkeypatch.setattr(probe, "_run", lambda *args: json.loads("x"))
    assert "failed" in try_wall(wall)
