"""Reading a checkpoint: no byte of it is believed before it is checked.

A checksum finds damage, not malice. Whoever forges a file with a right checksum can at worst make
the program compute something else: the program stays in its sandbox, with its own limits, and
every number here is held against them before it is used.
"""

import json
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from .asyncify import Asyncify, clear_memory
from .fault import HostFault, Refused, WasiError
from .filesystem import FileSystem
from .node import Node
from .snapshot import FILE, LOG, MEMORY, NOTES, PAGE_BYTES, STATE, STATE_BYTES_MAX, VERSION
from .snapshot_file import PieceReader, SnapshotError
from .world import World
from .world_state import Contents, restore_world, take

SECONDS_MAX = 1e10
CALL_ARGUMENTS_MAX = 16


class Snapshot:
    """An open checkpoint of the kind that was asked for, and of the same work."""

    def __init__(self, path: str, kind: str, identity: str, size_max: int) -> None:
        """Open it and read what it says of itself; raises :class:`SnapshotError`, HostFault."""
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: PTH123, SIM115 (closed by close)
        except OSError as error:
            raise HostFault(f"cannot read the checkpoint {path!r}: {error.strerror}") from error
        try:
            if os.fstat(self._file.fileno()).st_size > size_max:
                raise SnapshotError("it is larger than this program's can be")
            self._pieces = PieceReader(self._file).pieces()
            self.state = self._read_state()
            self._check_state(kind, identity)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_state(self) -> dict[str, Any]:
        text = bytearray()
        #: The first piece behind the state.
        self._next: tuple[int, int, bytes] | None = None
        for kind, key, data in self._pieces:
            if kind != STATE:
                self._next = (kind, key, data)
                break
            if key != len(text) or len(text) + len(data) > STATE_BYTES_MAX:
                raise SnapshotError("what it says of itself is out of order")
            text += data
        try:
            state = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SnapshotError("what it says of itself is no JSON") from error
        if not isinstance(state, dict):
            raise SnapshotError("what it says of itself is no object")
        return state

    def _check_state(self, kind: str, identity: str) -> None:
        state = self.state
        if take(state, "version", int) != VERSION:
            raise SnapshotError("it is of another version")
        if take(state, "kind", str) != kind:
            raise SnapshotError("it is of another kind")
        if take(state, "identity", str) != identity:
            raise SnapshotError("it belongs to other work")
        self.max_ops = take(state, "max_ops", int, 1)
        self.ops = take(state, "ops", int, 0, self.max_ops)
        self.times = (self._seconds("elapsed_s"), self._seconds("cpu_s"))

    def _seconds(self, key: str) -> float:
        value = self.state.get(key)
        # NaN fails the comparison.
        if not isinstance(value, float | int) or not 0 <= value <= SECONDS_MAX:
            raise SnapshotError(f"{key} is out of its range")
        return float(value)

    def _take_pieces(self, kind: int, size: int, fill: Callable[[bytes], object]) -> None:
        """Hand over all pieces of one kind, which must make up exactly ``size`` bytes."""
        done = 0
        while self._next is not None and self._next[0] == kind:
            _, key, data = self._next
            if key != done or done + len(data) > size:
                raise SnapshotError("its parts are out of order")
            fill(data)
            done += len(data)
            self._next = next(self._pieces, None)
        if done != size:
            raise SnapshotError("a part of it is missing")

    def _end(self) -> None:
        if self._next is not None:
            raise SnapshotError("it holds more than it says")

    # --- whole

    def restore(
        self, world: World, asyncify: Asyncify, memory_max: int, grow: Callable[[int], None]
    ) -> None:
        """Bring a fresh instance to where the program was, ready for ``start_rewind``.

        ``grow`` is called with the number of pages to add to the memory.
        """
        state = self.state
        size = take(state, "memory_bytes", int, world.memory.size(), memory_max)
        notes_bytes = take(state, "notes_bytes", int, 0, size)
        if size % PAGE_BYTES:
            raise SnapshotError("its memory has no whole pages")
        asyncify.call = _read_call(state.get("call"))
        asyncify.write_globals(take(state, "globals", dict))
        world_state = take(state, "world", dict)
        contents = restore_world(world, world_state)
        self._take_pieces(LOG, take(world_state, "log_bytes", int), world.log.tail.extend)
        notes = bytearray()
        self._take_pieces(NOTES, notes_bytes, notes.extend)
        asyncify.notes = bytes(notes)
        self._take_pieces(FILE, contents.size, contents.fill)
        if size > world.memory.size():
            grow((size - world.memory.size()) // PAGE_BYTES)
        clear_memory(world.memory)
        self._restore_memory(world, size)
        self._end()
        asyncify.fuel = self.max_ops - self.ops

    def _restore_memory(self, world: World, size: int) -> None:
        end = 0
        while self._next is not None and self._next[0] == MEMORY:
            _, start, data = self._next
            if start < end or start + len(data) > size:
                raise SnapshotError("its memory is out of order")
            world.memory.write(start, data)
            end = start + len(data)
            self._next = next(self._pieces, None)

    # --- files

    def restore_files(self, files: FileSystem, folder: Node) -> None:
        """Fill the program's own ``folder``."""
        tree = take(self.state, "tree", list)
        contents = Contents(files)
        for entry in tree:
            node = _make_node(files, folder, entry)
            if not node.is_folder:
                contents.expect(node, take({"size": entry[2]}, "size", int))
        self._take_pieces(FILE, contents.size, contents.fill)
        self._end()


def _make_node(files: FileSystem, folder: Node, entry: object) -> Node:
    if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[0], list):
        raise SnapshotError("a file is described wrongly")
    path = entry[0]
    names_are_plain = all(isinstance(name, str) and name and "/" not in name for name in path)
    if not path or not names_are_plain:
        raise SnapshotError("a file lies nowhere")
    for name in path[:-1]:
        found = folder.entries.get(name)
        if found is None or not found.is_folder:
            raise SnapshotError("a file lies nowhere")
        folder = found
    if path[-1] in folder.entries:
        raise SnapshotError("two files have the same name")
    is_file = take({"is_file": entry[1]}, "is_file", bool)
    make = files.create_file if is_file else files.create_folder
    try:
        return make(folder, path[-1])
    except (WasiError, Refused, UnicodeEncodeError) as error:
        raise SnapshotError(f"a file cannot be called {path[-1]!r} there") from error


def _read_call(call: object) -> tuple[str, list[Any]]:
    """The host call at which the program was left."""
    if not isinstance(call, list) or len(call) != 2 or not isinstance(call[0], str):
        raise SnapshotError("its place in the program is described wrongly")
    arguments = call[1]
    if not isinstance(arguments, list) or len(arguments) > CALL_ARGUMENTS_MAX:
        raise SnapshotError("its place in the program is described wrongly")
    return call[0], arguments
