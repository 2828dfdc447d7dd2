"""Whatever a guest did to its world, the world that is restored cannot be told from it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_shared.sandbox.clock import LAST_NS
from idlegrid_shared.sandbox.fault import Refused
from idlegrid_shared.sandbox.filesystem import FileSystem
from idlegrid_shared.sandbox.node import Node
from idlegrid_shared.sandbox.snapshot_file import SnapshotError
from idlegrid_shared.sandbox.world import World
from idlegrid_shared.sandbox.world_state import describe_world, restore_world

from .guest import Desk

NAMES = ["a", "b", "sub", "sub/a", "sub/deep", "sub/deep/b", "A"]
paths = st.sampled_from(["out/" + name for name in NAMES])
numbers = st.integers(0, 9)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("create"), paths),
        st.tuples(st.just("mkdir"), paths),
        st.tuples(st.just("unlink"), paths),
        st.tuples(st.just("rmdir"), paths),
        st.tuples(st.just("rename"), paths, paths),
        st.tuples(st.just("write"), numbers, st.binary(max_size=50)),
        st.tuples(st.just("seek"), numbers, st.integers(0, 200)),
        st.tuples(st.just("list"), st.sampled_from(["out", "in", "out/sub"])),
        st.tuples(st.just("close"), numbers),
        st.tuples(st.just("renumber"), numbers, numbers),
        st.tuples(st.just("clock")),
        st.tuples(st.just("random"), st.integers(0, 9000)),
        st.tuples(st.just("log"), st.binary(max_size=150)),
    ),
    max_size=25,
)


def rename(desk: Desk, old: str, new: str) -> None:
    desk.put(1000, old.encode())
    desk.put(2000, new.encode())
    desk.call("path_rename", 3, 1000, len(old), 3, 2000, len(new))


def list_folder(desk: Desk, path: str) -> None:
    errno, fd = desk.open(path, how=2)
    if errno == 0:
        desk.call("fd_readdir", fd, 20_000, 60, 0, 700)


STEPS: dict[str, Callable[..., object]] = {
    "create": lambda desk, path: desk.open(path, how=1, write=True),
    "mkdir": lambda desk, path: desk.on_path("path_create_directory", path),
    "unlink": lambda desk, path: desk.on_path("path_unlink_file", path),
    "rmdir": lambda desk, path: desk.on_path("path_remove_directory", path),
    "rename": rename,
    "write": lambda desk, fd, data: desk.write(fd, data),
    "seek": lambda desk, fd, offset: desk.call("fd_seek", fd, offset, 0, 700),
    "list": list_folder,
    "close": lambda desk, fd: desk.call("fd_close", fd) if fd != 3 else None,
    "renumber": lambda desk, old, new: desk.call("fd_renumber", old, new),
    "clock": lambda desk: desk.call("clock_time_get", 0, 1, 700),
    "random": lambda desk, size: desk.call("random_get", 20_000, size),
    "log": lambda desk, data: desk.world.log.write(data),
}


def take_step(desk: Desk, step: tuple[Any, ...]) -> None:
    STEPS[step[0]](desk, *step[1:])


def fresh(folder: Path) -> Desk:
    (folder / "x").write_bytes(b"input")
    return Desk({"x": folder / "x", "many/y": folder / "x"}, output_bytes=2_000, output_files=6)


def looks(world: World) -> dict[str, Any]:
    """Everything that a guest could ever find out, as plain data."""

    def tree(node: Node) -> object:
        if node.is_folder:
            entries = {name: tree(node.entries[name]) for name in sorted(node.entries)}
            return ["folder", node.inode, entries, sorted(node.folded.items())]
        return [node.kind, node.inode, node.size, bytes(node.data)]

    files = world.files
    return {
        "tree": tree(files.root),
        "stdout": bytes(files.stdout.data),
        "used": [files.used_bytes, files.used_files, files.used_folders, files.next_inode],
        "open": {
            number: [
                tree(found.node) if found.node is not None else None,
                found.readable,
                found.writable,
                found.position,
                found.flags,
                found.stream,
                found.preopened,
                found.listing,
            ]
            for number, found in sorted(world.descriptors.table.items())
        },
        "clock": world.clock.elapsed_ns,
        "random": world.random.draw(32),
        "log": world.log.text(),
    }


def carry_over(old: World, new: World) -> None:
    """Describe, write down as a checkpoint would, restore."""
    state, contents = describe_world(old)
    text = json.dumps(state)
    waiting = restore_world(new, json.loads(text))
    file = io.BytesIO(b"".join(contents))
    assert waiting.size == len(file.getvalue())
    while piece := file.read(7):
        waiting.fill(piece)
    new.log.tail += old.log.tail[-old.log.limit :]


@given(steps)
@settings(deadline=None)
def test_a_restored_world_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, given_steps: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    desk, other = fresh(folder), fresh(folder)
    for step in given_steps:
        try:
            take_step(desk, step)
        except Refused:
            break  # over a quota: the run ends there and is never checkpointed
    else:
        carry_over(desk.world, other.world)
        assert looks(other.world) == looks(desk.world)


@given(steps, steps)
@settings(deadline=None)
def test_both_go_on_alike(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[Any, ...]],
    after: list[tuple[Any, ...]],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    desk, other = fresh(folder), fresh(folder)
    try:
        for step in before:
            take_step(desk, step)
    except Refused:
        return
    carry_over(desk.world, other.world)
    for step in after:
        faults = []
        for one in (desk, other):
            try:
                take_step(one, step)
            except Refused as error:
                faults.append(error.reason)
        assert len(faults) in (0, 2)
        if faults:
            return
    assert looks(other.world) == looks(desk.world)


def described(folder: Path) -> tuple[dict[str, Any], FileSystem]:
    desk = fresh(folder)
    for step in (("mkdir", "out/sub"), ("create", "out/sub/a"), ("write", 4, b"abc")):
        take_step(desk, step)
    return json.loads(json.dumps(describe_world(desk.world)[0])), desk.files


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s["files"]["tree"][1].__setitem__(3, ".."), "cannot be called"),
        (lambda s: s["files"]["tree"][1].__setitem__(3, "a/b"), "lies nowhere"),
        (lambda s: s["files"]["tree"][1].__setitem__(3, "\ud800"), "cannot be called"),
        (lambda s: s["files"]["tree"][1].__setitem__(2, 1), "cannot be called"),
        (lambda s: s["files"]["tree"][1].__setitem__(2, 99), "lies nowhere"),
        (lambda s: s["files"]["tree"][1].__setitem__(0, 2), "inode is out of its range"),
        (lambda s: s["files"]["tree"][1].__setitem__(4, 10**9), "more output"),
        (lambda s: s["files"]["tree"][1].__setitem__(4, True), "size is missing"),
        (lambda s: s["files"]["tree"].append(s["files"]["tree"][0]), "same number"),
        (lambda s: s["files"].__setitem__("stdout_bytes", -1), "out of its range"),
        (lambda s: s["files"].__setitem__("next_inode", 10**30), "out of its range"),
        (lambda s: s["descriptors"][4].__setitem__("number", 128), "out of its range"),
        (lambda s: s["descriptors"][4].__setitem__("number", 3), "same number"),
        (lambda s: s["descriptors"][4].__setitem__("inode", 10**6), "does not exist"),
        (lambda s: s["descriptors"][3].__setitem__("writable", True), "open for writing"),
        (lambda s: s["descriptors"][4].__setitem__("preopened", True), "no program can open"),
        (lambda s: s["descriptors"][4].__setitem__("listing", [[1, 2, 3]]), "name is missing"),
        (lambda s: s["descriptors"].extend([{}] * 200), "more open files"),
        (lambda s: s.__setitem__("clock_ns", -1), "clock_ns"),
        (lambda s: s.__setitem__("progress", float("nan")), "progress"),
        (lambda s: s.__setitem__("log_bytes", 10**9), "log_bytes"),
    ],
)
def test_what_no_guest_can_bring_about_is_refused(tmp_path: Path, change: Any, reason: str) -> None:
    state, _ = described(tmp_path)
    change(state)
    with pytest.raises(SnapshotError, match=reason):
        restore_world(fresh(tmp_path).world, state)


def test_a_clock_beyond_the_end_of_time_is_refused() -> None:
    """Found by the fuzzer: the next look at such a clock would not fit the guest's 64 bits."""
    state, _ = describe_world(Desk().world)
    for clock_ns, allowed in ((LAST_NS, True), (LAST_NS + 1, False), (1 << 80, False)):
        fresh = Desk()
        if not allowed:
            with pytest.raises(SnapshotError, match="clock_ns"):
                restore_world(fresh.world, state | {"clock_ns": clock_ns})
            continue
        restore_world(fresh.world, state | {"clock_ns": clock_ns})
        for _ in range(2):
            assert fresh.call("clock_time_get", 0, 0, 100) == 0
            assert fresh.u64(100) == 2**64 - 1
