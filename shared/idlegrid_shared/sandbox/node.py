"""What the virtual file system is made of: folders, read-only inputs and files in memory."""

from typing import Literal

from .names import fold_name

#: ``control``: what is written to it is a message to the sandbox, and is not kept.
Kind = Literal["folder", "input", "file", "control"]


class Node:
    """One folder or file. All of its state is plain, so that a checkpoint can write it down."""

    __slots__ = (
        "data",
        "entries",
        "folded",
        "inode",
        "kind",
        "name",
        "offset",
        "parent",
        "size",
        "source",
    )

    def __init__(self, inode: int, kind: Kind, name: str, parent: "Node | None") -> None:
        self.inode = inode
        self.kind: Kind = kind
        self.name = name
        #: The folder it lies in; None for the root, for streams and for an unlinked file.
        self.parent = parent
        #: Folders: name → node.
        self.entries: dict[str, Node] = {}
        #: Folders: folded name → name, to find names that differ only in case.
        self.folded: dict[str, str] = {}
        #: Files: the content.
        self.data = bytearray()
        #: Inputs: size in bytes, fixed when the run starts, the host file, and where in it they
        #: begin.
        self.size = 0
        self.source = ""
        self.offset = 0

    @property
    def is_folder(self) -> bool:
        """Whether it can hold other nodes."""
        return self.kind == "folder"

    @property
    def length(self) -> int:
        """The size in bytes; 0 for folders."""
        return self.size if self.kind == "input" else len(self.data)

    def attach(self, child: "Node", name: str) -> None:
        """Put ``child`` into this folder as ``name``."""
        child.name = name
        child.parent = self
        self.entries[name] = child
        self.folded[fold_name(name)] = name

    def detach(self, name: str) -> "Node":
        """Take the node called ``name`` out of this folder and return it."""
        child = self.entries.pop(name)
        del self.folded[fold_name(name)]
        child.parent = None
        return child

    def path(self) -> str:
        """The names from below the top folder down to here, joined by ``/``."""
        parts = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            parts.append(node.name)
            node = node.parent
        return "/".join(reversed(parts))

    def within(self, folder: "Node") -> bool:
        """Whether this node is ``folder`` or lies anywhere below it."""
        node: Node | None = self
        while node is not None:
            if node is folder:
                return True
            node = node.parent
        return False

    def tree(self) -> "list[Node]":
        """This node and all below it, each folder before what it holds, sorted by name."""
        found = []
        waiting = [self]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += [node.entries[name] for name in sorted(node.entries, reverse=True)]
        return found

    def files(self) -> "list[Node]":
        """All files and inputs from here down, sorted by name folder by folder."""
        return [node for node in self.tree() if not node.is_folder]
