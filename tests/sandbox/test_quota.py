"""Whatever a guest does to its files, the quota counts exactly what the host has to hold."""

from hypothesis import given, settings
from hypothesis import strategies as st

from idlegrid_shared.manifest import ManifestEntry, make_manifest
from idlegrid_shared.sandbox import abi
from idlegrid_shared.sandbox.fault import Refused
from idlegrid_shared.sandbox.node import Node

from .guest import Desk

BYTES_MAX, FILES_MAX = 2000, 4
PATHS = st.sampled_from(["out/a", "out/b", "out/A", "out/d", "out/d/a", "out/d/e", "out/d/e/f"])
DESCRIPTORS = st.integers(0, 8)
STEPS = st.one_of(
    st.tuples(st.just("open"), PATHS, st.sampled_from([0, 1, 5, 8, 9])),
    st.tuples(st.just("write"), DESCRIPTORS, st.integers(0, 900)),
    st.tuples(st.just("size"), DESCRIPTORS, st.integers(0, 2500)),
    st.tuples(st.just("seek"), DESCRIPTORS, st.integers(0, 3000)),
    st.tuples(st.just("close"), DESCRIPTORS, st.just(0)),
    st.tuples(st.just("renumber"), DESCRIPTORS, DESCRIPTORS),
    st.tuples(st.just("unlink"), PATHS, st.just(0)),
    st.tuples(st.just("make"), PATHS, st.just(0)),
    st.tuples(st.just("remove"), PATHS, st.just(0)),
    st.tuples(st.just("move"), PATHS, PATHS),
)


def take(desk: Desk, step: tuple[str, object, object]) -> int:
    """Do one step; returns the errno."""
    what, first, second = step
    if isinstance(first, int) and isinstance(second, int):
        if what == "write":
            return desk.write(first, bytes(second))
        calls = {
            "size": ("fd_filestat_set_size", (first, second)),
            "seek": ("fd_seek", (first, second, abi.SEEK_SET, 900)),
            "close": ("fd_close", (first,)),
            "renumber": ("fd_renumber", (first, second)),
        }
        name, arguments = calls[what]
        return desk.call(name, *arguments)
    path = str(first)
    if what == "open":
        return desk.open(path, how=int(str(second)), write=True)[0]
    if what == "move":
        desk.put(2000, str(second).encode())
        return desk.on_path("path_rename", path, 3, 2000, len(str(second)))
    names = {
        "unlink": "path_unlink_file",
        "make": "path_create_directory",
        "remove": "path_remove_directory",
    }
    return desk.on_path(names[what], path)


def held(desk: Desk) -> list[Node]:
    """All files that the host holds: those in the tree, and those unlinked but open."""
    found = {node.inode: node for node in desk.files.output.files()}
    for descriptor in desk.world.descriptors.table.values():
        node = descriptor.node
        if node is not None and node.kind == "file" and node is not desk.files.stdout:
            found[node.inode] = node
    return list(found.values())


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_the_quota_is_exact_and_never_exceeded(steps: list[tuple[str, object, object]]) -> None:
    desk = Desk(output_bytes=BYTES_MAX, output_files=FILES_MAX)
    for step in steps:
        try:
            errno = take(desk, step)
        except Refused:
            break  # the run would end here
        assert 0 <= errno <= abi.NOT_CAPABLE, f"{step} gave {errno}"
        files = held(desk)
        stdout = desk.files.stdout.data
        total = sum(len(node.data) for node in files) + len(stdout)
        assert desk.files.used_bytes == total, f"wrong count of bytes after {step}"
        count = len(files) + bool(stdout)
        assert desk.files.used_files == count, f"wrong count of files after {step}"
        assert desk.files.used_bytes <= BYTES_MAX, f"too many bytes after {step}"
        assert count <= FILES_MAX, f"too many files after {step}"
    entries = [ManifestEntry(n, "0" * 64, len(d)) for n, d in desk.files.outputs()]
    assert len(make_manifest(entries)) == len(entries)
