"""A world as plain data, and back: what a checkpoint writes down of files, clock, random and log.

The fixed part of a world (arguments, inputs, limits) comes from the job and is made first; only
what the guest has changed since is restored. The data may be forged: nothing is believed that a
guest could not have brought about itself, and the quotas are counted anew.
"""

from collections import deque
from typing import Any, TypeVar

from . import abi
from .clock import LAST_NS
from .descriptor import OPEN_MAX, Descriptor
from .fault import WasiError
from .filesystem import FOLDERS_MAX, FileSystem
from .node import Node
from .snapshot_file import SnapshotError
from .world import World

NUMBER_MAX = (1 << 63) - 1
LISTING_MAX = 20_000

T = TypeVar("T")


def take(data: dict[str, Any], key: str, kind: type[T], low: int = 0, high: int = NUMBER_MAX) -> T:
    """``data[key]`` if it is of ``kind`` and, as a number, from ``low`` to ``high``."""
    value = data.get(key)
    # A bool is an int to Python, never here.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SnapshotError(f"{key} is missing or of the wrong kind")
    if isinstance(value, int) and not low <= value <= high:
        raise SnapshotError(f"{key} is out of its range")
    return value


# --- files


def changed_nodes(world: World) -> list[Node]:
    """Every node that the guest made, parents first, then unlinked ones that are still open."""
    found: list[Node] = []

    def walk(folder: Node) -> None:
        for name in sorted(folder.entries):
            found.append(folder.entries[name])
            walk(folder.entries[name])

    for folder in world.files.writable:
        walk(folder)
    known = {id(node) for node in found}
    for number in sorted(world.descriptors.table):
        node = world.descriptors.table[number].node
        unlinked = node is not None and node.parent is None and node.kind != "input"
        if node is None or not unlinked or node in (world.files.root, world.files.stdout):
            continue
        if id(node) not in known:
            known.add(id(node))
            found.append(node)
    return found


def describe_files(world: World) -> tuple[dict[str, Any], list[bytearray]]:
    """The tree and the contents of its files, in the order in which the tree names them."""
    nodes = changed_nodes(world)
    contents = [world.files.stdout.data]
    tree = []
    for node in nodes:
        is_file = node.kind == "file"
        parent = node.parent.inode if node.parent is not None else 0
        size = len(node.data) if is_file else 0
        tree.append([node.inode, is_file, parent, node.name if parent else "", size])
        if is_file:
            contents.append(node.data)
    state = {
        "next_inode": world.files.next_inode,
        "stdout_bytes": len(world.files.stdout.data),
        "tree": tree,
    }
    return state, contents


class Contents:
    """Takes the contents of files, one after the other, as they come out of a checkpoint."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._waiting: deque[tuple[Node, int]] = deque()
        #: Bytes that all contents together must have.
        self.size = 0

    def expect(self, node: Node, size: int) -> None:
        """``node`` will get ``size`` bytes; raises :class:`SnapshotError` over the quota."""
        if size > self._files.output_bytes - self._files.used_bytes:
            raise SnapshotError("it holds more output than the program may write")
        self._files.used_bytes += size
        self.size += size
        self._waiting.append((node, size))

    def fill(self, data: bytes) -> None:
        """Take the next part, which the caller has checked against ``size``."""
        view = memoryview(data)
        while len(view):
            node, size = self._waiting[0]
            part = view[: size - len(node.data)]
            node.data += part
            view = view[len(part) :]
            if len(node.data) == size:
                self._waiting.popleft()


class _TreeRestorer:
    """Puts a described tree into a fresh file system."""

    def __init__(self, files: FileSystem, state: dict[str, Any]) -> None:
        """Build the tree with its files still empty; raises :class:`SnapshotError`."""
        self._files = files
        self.nodes: dict[int, Node] = _fixed_nodes(files)
        self.contents = Contents(files)
        first = files.next_inode
        files.next_inode = take(state, "next_inode", int, first)
        stdout_bytes = take(state, "stdout_bytes", int)
        self.contents.expect(files.stdout, stdout_bytes)
        files.used_files += 1 if stdout_bytes else 0
        for entry in take(state, "tree", list):
            self._add(entry, first)
        if files.used_files > files.output_files or files.used_folders > FOLDERS_MAX:
            raise SnapshotError("it holds more files than the program may have")

    def _add(self, entry: object, first: int) -> None:
        if not isinstance(entry, list) or len(entry) != 5:
            raise SnapshotError("a file is described wrongly")
        fields = dict(zip(("inode", "is_file", "parent", "name", "size"), entry, strict=True))
        inode = take(fields, "inode", int, first, self._files.next_inode - 1)
        is_file = take(fields, "is_file", bool)
        if inode in self.nodes:
            raise SnapshotError("two files have the same number")
        node = Node(inode, "file" if is_file else "folder", "", None)
        if take(fields, "parent", int):
            self._attach(node, fields["parent"], take(fields, "name", str))
        self.nodes[inode] = node
        if is_file:
            self._files.used_files += 1
            self.contents.expect(node, take(fields, "size", int))

    def _attach(self, node: Node, parent: int, name: str) -> None:
        folder = self.nodes.get(parent)
        if folder is None or not folder.is_folder or not name or "/" in name:
            raise SnapshotError("a file lies nowhere")
        try:
            self._files.check_place(folder, name)
        except (WasiError, UnicodeEncodeError) as error:
            raise SnapshotError(f"a file cannot be called {name!r} there") from error
        if name in folder.entries:
            raise SnapshotError("two files have the same name")
        folder.attach(node, name)
        if node.is_folder:
            self._files.used_folders += 1


def _fixed_nodes(files: FileSystem) -> dict[int, Node]:
    """Every node of a fresh file system by its inode."""
    found: dict[int, Node] = {}
    waiting = [files.root, files.stdin, files.stdout]
    while waiting:
        node = waiting.pop()
        found[node.inode] = node
        waiting.extend(node.entries.values())
    return found


# --- open files


def describe_descriptors(world: World) -> list[dict[str, Any]]:
    """All open files, by number."""
    return [
        {
            "number": number,
            "inode": found.node.inode if found.node is not None else 0,
            "readable": found.readable,
            "writable": found.writable,
            "position": found.position,
            "flags": found.flags,
            "stream": found.stream,
            "preopened": found.preopened,
            "listing": [[name.decode(), inode, kind] for name, inode, kind in found.listing],
        }
        for number, found in sorted(world.descriptors.table.items())
    ]


def restore_descriptors(world: World, entries: list[Any], nodes: dict[int, Node]) -> None:
    """Open what was open; raises :class:`SnapshotError`."""
    if len(entries) > OPEN_MAX:
        raise SnapshotError("it holds more open files than a program may have")
    table: dict[int, Descriptor] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise SnapshotError("an open file is described wrongly")
        number = take(entry, "number", int, 0, OPEN_MAX - 1)
        if number in table:
            raise SnapshotError("two open files have the same number")
        table[number] = _open(world, entry, nodes)
    open_inodes = {found.node.inode for found in table.values() if found.node is not None}
    for inode, node in nodes.items():
        lost = node.parent is None and inode not in open_inodes
        if lost and node not in (world.files.root, world.files.stdin, world.files.stdout):
            raise SnapshotError("a file lies nowhere and is not open")
    world.descriptors.table = table


def _open(world: World, entry: dict[str, Any], nodes: dict[int, Node]) -> Descriptor:
    inode = take(entry, "inode", int)
    node = nodes.get(inode)
    if inode and node is None:
        raise SnapshotError("an open file does not exist")
    writable = take(entry, "writable", bool)
    if writable and node is not None and node.kind not in ("file", "control"):
        raise SnapshotError("an open file that cannot be written is open for writing")
    found = Descriptor(node, readable=take(entry, "readable", bool), writable=writable)
    found.position = take(entry, "position", int, 0, abi.SIZE_MAX)
    found.flags = take(entry, "flags", int, 0, abi.FLAGS_ALL)
    found.stream = take(entry, "stream", bool)
    found.preopened = take(entry, "preopened", bool)
    if found.preopened and node is not world.files.root:
        raise SnapshotError("a folder is open that no program can open")
    listing = take(entry, "listing", list)
    if len(listing) > LISTING_MAX:
        raise SnapshotError("the listing of a folder is too long")
    for line in listing:
        if not isinstance(line, list) or len(line) != 3:
            raise SnapshotError("the listing of a folder is wrong")
        fields = dict(zip(("name", "inode", "kind"), line, strict=True))
        name = take(fields, "name", str)
        try:
            raw = name.encode()
        except UnicodeEncodeError as error:
            raise SnapshotError("the listing of a folder is no text") from error
        found.listing.append((raw, take(fields, "inode", int), take(fields, "kind", int, 0, 255)))
    return found


# --- the rest


def describe_world(world: World) -> tuple[dict[str, Any], list[bytearray]]:
    """All of a world but its memory and its log, and the contents of its files."""
    files, contents = describe_files(world)
    state = {
        "files": files,
        "descriptors": describe_descriptors(world),
        "clock_ns": world.clock.elapsed_ns,
        "random_position": world.random.position,
        "log_total": world.log.total,
        "log_bytes": min(len(world.log.tail), world.log.limit),
        "progress": world.progress,
    }
    return state, contents


def restore_world(world: World, state: dict[str, Any]) -> Contents:
    """Bring a fresh world to a described state, but for the contents of its files and its log.

    Raises :class:`SnapshotError`.
    """
    restorer = _TreeRestorer(world.files, take(state, "files", dict))
    restore_descriptors(world, take(state, "descriptors", list), restorer.nodes)
    world.clock.elapsed_ns = take(state, "clock_ns", int, 0, LAST_NS)
    world.random.position = take(state, "random_position", int)
    world.log.total = take(state, "log_total", int)
    take(state, "log_bytes", int, 0, world.log.limit)
    progress = state.get("progress")
    if not isinstance(progress, float | int) or not 0 <= progress <= 1:
        raise SnapshotError("progress is out of its range")
    world.progress = float(progress)
    return restorer.contents
