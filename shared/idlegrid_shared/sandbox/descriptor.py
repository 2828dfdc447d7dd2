"""The guest's open files."""

from . import abi
from .fault import WasiError
from .filesystem import FileSystem
from .node import Node

OPEN_MAX = 128
STDIN, STDOUT, STDERR, ROOT = 0, 1, 2, 3


class Descriptor:
    """One open file or folder; a plain record, so that a checkpoint can write it down."""

    __slots__ = (
        "flags",
        "listing",
        "node",
        "position",
        "preopened",
        "readable",
        "stream",
        "writable",
    )

    def __init__(self, node: Node | None, *, readable: bool, writable: bool) -> None:
        #: None only for standard error, which is a log and no file.
        self.node = node
        self.readable = readable
        self.writable = writable
        #: Bytes from the start of the file.
        self.position = 0
        self.flags = 0
        #: Streams (0, 1, 2) cannot seek.
        self.stream = False
        self.preopened = False
        #: The folder as it was when the guest began to list it: (name, inode, file type).
        self.listing: list[tuple[bytes, int, int]] = []


class Descriptors:
    """The table from numbers to open files. 0 to 2 are the streams, 3 is the folder ``/``."""

    def __init__(self, files: FileSystem) -> None:
        self.files = files
        stdin = Descriptor(files.stdin, readable=True, writable=False)
        stdout = Descriptor(files.stdout, readable=False, writable=True)
        stderr = Descriptor(None, readable=False, writable=True)
        root = Descriptor(files.root, readable=True, writable=False)
        stdin.stream = stdout.stream = stderr.stream = True
        stdout.flags = stderr.flags = abi.FLAG_APPEND
        root.preopened = True
        self.table: dict[int, Descriptor] = {
            STDIN: stdin,
            STDOUT: stdout,
            STDERR: stderr,
            ROOT: root,
        }

    def get(self, number: int) -> Descriptor:
        """The open descriptor; raises ``WasiError(BAD_FD)``."""
        found = self.table.get(number)
        if found is None:
            raise WasiError(abi.BAD_FD)
        return found

    def file(self, number: int) -> tuple[Descriptor, Node]:
        """The descriptor and its file; raises BAD_FD for the log, IS_FOLDER for folders."""
        found = self.get(number)
        if found.node is None:
            raise WasiError(abi.BAD_FD)
        if found.node.is_folder:
            raise WasiError(abi.IS_FOLDER)
        return found, found.node

    def folder(self, number: int) -> Node:
        """The folder behind a descriptor; raises BAD_FD or NOT_FOLDER."""
        node = self.get(number).node
        if node is None or not node.is_folder:
            raise WasiError(abi.NOT_FOLDER)
        return node

    def room(self) -> None:
        """Raise ``WasiError(TOO_MANY_OPEN)`` when no further file may be opened."""
        if len(self.table) >= OPEN_MAX:
            raise WasiError(abi.TOO_MANY_OPEN)

    def add(self, descriptor: Descriptor) -> int:
        """Enter an open file under the lowest free number."""
        self.room()
        number = next(n for n in range(OPEN_MAX) if n not in self.table)
        self.table[number] = descriptor
        return number

    def close(self, number: int) -> None:
        """Forget a descriptor; an unlinked file that was open only here gives back its quota."""
        self.get(number)
        node = self.table.pop(number).node
        if node is not None:
            self.drop(node)

    def renumber(self, old: int, new: int) -> None:
        """Move ``old`` onto the open ``new``, which is closed first; raises BAD_FD."""
        moved = self.get(old)
        self.get(new)
        if old == new:
            return
        del self.table[old]
        self.close(new)
        self.table[new] = moved

    def drop(self, node: Node) -> None:
        """Release an unlinked file unless it is still open somewhere."""
        is_unlinked = node.kind == "file" and node.parent is None and node is not self.files.stdout
        if is_unlinked and not any(d.node is node for d in self.table.values()):
            self.files.release(node)
