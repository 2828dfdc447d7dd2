"""The reader of checkpoints: bytes of any kind, and states forged with a right checksum.

A forged checkpoint may make a program compute something else. What it must not do is break the
reader, or leave a world in which a host call does anything but answer or refuse.
"""

import copy
import functools
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from idlegrid_shared.sandbox.fault import GuestExit, Refused
from idlegrid_shared.sandbox.filesystem import FileSystem
from idlegrid_shared.sandbox.snapshot import FILE, STATE
from idlegrid_shared.sandbox.snapshot_file import PieceReader, PieceWriter, SnapshotError
from idlegrid_shared.sandbox.snapshot_reader import Snapshot
from idlegrid_shared.sandbox.world_state import describe_world, restore_world
from tests.sandbox.guest import Desk

from .source import Source, Target

INPUT = Path(__file__)
#: What a number, a name or a list may be turned into.
VALUES: list[Any] = [
    0, 1, 2, 3, 4, 127, 128, -1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**80, 10**400, True, False,
    None, "", "a", "..", ".", "x/y", "\ud800", "NUL", "stdout", "n" * 300, "\x00", 0.5, 1e308,
    float("nan"), float("inf"), [], {}, [[]], [1, 2, 3, 4, 5], [None] * 6, "file", "folder",
]  # fmt: skip
FILES_STATE: dict[str, Any] = {
    "version": 1, "kind": "files", "identity": "id", "max_ops": 1000, "ops": 10, "elapsed_s": 1.0,
    "cpu_s": 1.0, "tree": [[["a"], True, 5], [["d"], False, 0], [["d", "b"], True, 2]],
}  # fmt: skip


def desk() -> Desk:
    return Desk({"a": INPUT}, output_bytes=10_000, output_files=10, own_checkpoints=True)


@functools.cache
def described() -> tuple[str, bytes]:
    """The state of a world with files, folders, a listing, an unlinked open file; the contents."""
    made = desk()
    made.write(made.create("out/x"), b"content")
    made.on_path("path_create_directory", "out/d")
    made.write(made.create("out/d/y"), b"more")
    made.open("in/a")
    folder = made.open("out", how=2)[1]
    made.call("fd_readdir", folder, 20_000, 100, 0, 700)
    made.write(made.create("out/gone"), b"unlinked")
    made.on_path("path_unlink_file", "out/gone")
    made.write(1, b"said")
    made.call("clock_time_get", 0, 0, 100)
    made.call("random_get", 100, 5000)
    state, contents = describe_world(made.world)
    made.files.reader.close()
    return json.dumps(state), b"".join(contents)


def forge(state: Any, source: Source) -> Any:
    """Change a few places of plain data, anywhere in it."""
    for _ in range(1 + source.number(4)):
        here = state
        while isinstance(here, dict | list) and here:
            keys = sorted(here) if isinstance(here, dict) else range(len(here))
            key = source.choice(list(keys))
            below = here[key]
            if isinstance(below, dict | list) and below and source.number(5):
                here = below
                continue
            how = source.number(8)
            if how == 0:
                del here[key]
            elif how == 1 and isinstance(here, list):
                here.append(copy.deepcopy(below))
            elif how == 2 and isinstance(below, int):
                here[key] = below + source.choice([-1, 1, 4, 256])
            else:
                here[key] = copy.deepcopy(source.choice(VALUES))
            break
    return state


def run(data: bytes) -> None:
    """Bytes as they are, a forged world, or a forged folder of a program's own."""
    source = Source(data)
    kind = source.number(3)
    if kind == 0:
        read_pieces(source.take(len(data)))
    elif kind == 1:
        restore(forge(json.loads(described()[0]), source))
    else:
        restore_files(forge(copy.deepcopy(FILES_STATE), source), source.take(20))


def read_pieces(raw: bytes) -> None:
    """What is read to the end can be written again, and read as the same."""
    try:
        pieces = list(PieceReader(io.BytesIO(raw)).pieces())
    except SnapshotError:
        return
    file = io.BytesIO()
    writer = PieceWriter(file)
    for kind, key, content in pieces:
        writer.add(kind, key, content)
    writer.close()
    assert list(PieceReader(io.BytesIO(file.getvalue())).pieces()) == pieces


def restore(state: Any) -> None:
    """A world that was restored keeps its promises."""
    fresh = desk()
    content = described()[1]
    try:
        contents = restore_world(fresh.world, state)
        assert contents.size <= fresh.files.output_bytes
        contents.fill(content[: contents.size].ljust(contents.size, b"."))
        check(fresh)
        use(fresh)
    except SnapshotError:
        return
    finally:
        fresh.files.reader.close()


def check(made: Desk) -> None:
    """The quota counts what is held, and every open file is one that the tree or nobody holds."""
    held = {node.inode: node for node in made.files.root.tree() if node.kind == "file"}
    for found in made.world.descriptors.table.values():
        if found.node is not None and found.node.kind == "file":
            held[found.node.inode] = found.node
    held.pop(made.files.stdout.inode, None)
    total = sum(len(node.data) for node in held.values()) + len(made.files.stdout.data)
    assert made.files.used_bytes == total <= made.files.output_bytes
    assert made.files.used_files <= made.files.output_files
    assert 0.0 <= made.world.progress <= 1.0
    made.files.outputs()


def use(made: Desk) -> None:
    """Host calls on everything that is open answer, or refuse, and do nothing else."""
    made.put(800, (4000).to_bytes(4, "little") + (3).to_bytes(4, "little"))
    try:
        for clock in range(4):
            made.call("clock_time_get", clock, 0, 100)
        made.call("random_get", 100, 100)
        for fd in list(made.world.descriptors.table):
            for name in ("fd_fdstat_get", "fd_filestat_get", "fd_tell", "fd_prestat_get"):
                made.call(name, fd, 900)
            made.call("fd_read", fd, 800, 1, 900)
            made.call("fd_readdir", fd, 5000, 300, 0, 900)
            made.call("fd_readdir", fd, 5000, 300, 1, 900)
            made.call("fd_seek", fd, 0, 1, 900)
            made.open("out/new", how=1, write=True, fd=fd)
            made.call("fd_write", fd, 800, 1, 900)
        for fd in list(made.world.descriptors.table):
            made.call("fd_close", fd)
        made.world.log.text()
        describe_world(made.world)
    except (Refused, GuestExit):
        return


def restore_files(state: Any, content: bytes) -> None:
    """The folder in which a program keeps its own checkpoints, out of a sealed file."""
    file = io.BytesIO()
    writer = PieceWriter(file)
    try:
        writer.add(STATE, 0, json.dumps(state).encode())
    except (ValueError, TypeError):
        return
    writer.add(FILE, 0, content)
    writer.close()
    number, path = tempfile.mkstemp()
    try:
        with os.fdopen(number, "wb") as out:
            out.write(file.getvalue())
        files = FileSystem(10_000, 10, {}, own_checkpoints=True)
        assert files.checkpoint is not None
        try:
            snapshot = Snapshot(path, "files", "id", 1 << 20)
        except SnapshotError:
            return
        try:
            snapshot.restore_files(files, files.checkpoint)
        except SnapshotError:
            return
        finally:
            snapshot.close()
        assert files.used_bytes == sum(len(node.data) for node in files.checkpoint.files())
        assert files.used_files == len(files.checkpoint.files()) <= 10
    finally:
        Path(path).unlink()


def sealed(pieces: list[tuple[int, int, bytes]]) -> bytes:
    file = io.BytesIO()
    writer = PieceWriter(file)
    for kind, key, content in pieces:
        writer.add(kind, key, content)
    writer.close()
    return file.getvalue()


SEEDS = [
    b"\0" + sealed([(1, 0, b"state"), (4, 0, bytes(2000)), (5, 65536, b"memory")]),
    b"\1\0\0\0\0\1\2\3",
    b"\2\0\1\2\3content of the files",
]
TARGET = Target("checkpoint", run, SEEDS)
