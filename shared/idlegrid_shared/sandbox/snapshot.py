"""Writing a checkpoint: everything that a run is at one of its host calls, in one file.

Two kinds. A *whole* one holds the program's memory, globals, files, clock, random position and
log. One of *files* holds only the folder /checkpoint, in which a program keeps its own state.
The format is that of :mod:`.snapshot_file`; :mod:`.snapshot_reader` reads it.
"""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

from .asyncify import Asyncify
from .engine import engine_version
from .fault import HostFault
from .memory import GuestMemory
from .node import Node
from .snapshot_file import PIECE_BYTES, PieceWriter
from .world import World
from .world_state import describe_world

VERSION = 1
#: Kinds of pieces, in the order in which they stand in the file.
STATE, LOG, NOTES, FILE, MEMORY = 1, 2, 3, 4, 5
STATE_BYTES_MAX = 32 * 1024 * 1024
PAGE_BYTES = 65536

Fill = Callable[[PieceWriter], None]


def describe_run(
    kind: str, identity: str, job: dict[str, Any], ops: int, times: tuple[float, float]
) -> dict[str, Any]:
    """What both kinds say first: whose work it is, and what it took so far."""
    return {
        "version": VERSION,
        "kind": kind,
        "identity": identity,
        "module": job["module_sha256"],
        "profile": job["profile"],
        "wasmtime": engine_version(),
        "max_ops": job["limits"]["max_ops"],
        "ops": ops,
        "elapsed_s": times[0],
        "cpu_s": times[1],
    }


def whole_snapshot(head: dict[str, Any], world: World, asyncify: Asyncify) -> Fill:
    """The filling of a file for a program that was unwound."""
    world_state, contents = describe_world(world)
    name, arguments = asyncify.call
    state = head | {
        "call": [name, arguments],
        "globals": asyncify.read_globals(),
        "memory_bytes": world.memory.size(),
        "notes_bytes": len(asyncify.notes),
        "world": world_state,
    }
    text = _encode(state)

    def fill(writer: PieceWriter) -> None:
        writer.add(STATE, 0, text)
        writer.add(LOG, 0, bytes(world.log.tail[-world.log.limit :]))
        writer.add(NOTES, 0, asyncify.notes)
        _add_contents(writer, contents)
        _add_memory(writer, world.memory)

    return fill


def files_snapshot(head: dict[str, Any], folder: Node) -> Fill:
    """The filling of a file for the content of a program's own folder."""
    tree: list[list[Any]] = []
    contents: list[bytearray] = []

    def walk(here: Node, path: list[str]) -> None:
        for name in sorted(here.entries):
            node = here.entries[name]
            tree.append([[*path, name], not node.is_folder, len(node.data)])
            if node.is_folder:
                walk(node, [*path, name])
            else:
                contents.append(node.data)

    walk(folder, [])
    text = _encode(head | {"tree": tree})

    def fill(writer: PieceWriter) -> None:
        writer.add(STATE, 0, text)
        _add_contents(writer, contents)

    return fill


def _encode(state: dict[str, Any]) -> bytes:
    text = json.dumps(state, separators=(",", ":")).encode()
    if len(text) > STATE_BYTES_MAX:
        raise HostFault("the program has too many files for a checkpoint")
    return text


def _add_contents(writer: PieceWriter, contents: list[bytearray]) -> None:
    key = 0
    for data in contents:
        writer.add(FILE, key, data)
        key += len(data)


def _add_memory(writer: PieceWriter, memory: GuestMemory) -> None:
    """Every page that is not all zeros, neighbours together."""
    zeros = bytes(PAGE_BYTES)
    size = memory.size()
    start = 0
    for at in range(0, size + 1, PAGE_BYTES):
        used = at < size and bytes(memory.span(at, PAGE_BYTES)) != zeros
        if at > start and (not used or at - start == PIECE_BYTES):
            writer.add(MEMORY, start, memory.span(start, at - start))
            start = at
        if not used:
            start = at + PAGE_BYTES


def write_snapshot(folder: str, name: str, fill: Fill) -> tuple[int, str]:
    """Write a file into ``folder``, durably and at once or not at all; (bytes, SHA-256).

    Raises :class:`HostFault`.
    """
    temporary = os.path.join(folder, f".{name}.part")  # noqa: PTH118 (pathlib costs start time)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            writer = PieceWriter(file)
            fill(writer)
            digest = writer.close()
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(folder, name))  # noqa: PTH105, PTH118
        _sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise HostFault(f"the checkpoint could not be written: {error}") from error
    return writer.size, digest


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
