"""The virtual file system: /in read-only from host files, /out in memory. No path reaches the OS.

Other read-only files may be mounted (see :mod:`.mounts`). A program that writes its own checkpoints
also has a folder /checkpoint, which is like /out but no part of the outputs.

Times are zero, inodes count up from 1 in a fixed order, listings are sorted, there are no links and
no devices. What the guest writes stays in memory, bounded by ``output_bytes``, until the run has
succeeded. Going over a quota ends the run: a program that ignores a failed write would otherwise
return a cut-off result that looks whole.
"""

from collections.abc import Sequence

from . import abi
from .fault import Refused, WasiError
from .inputs import InputReader, regular_size
from .names import NAME_BYTES_MAX, check_new_name, fold_name, split_path
from .node import Kind, Node

FOLDERS_MAX = 1_000
#: The captured standard output becomes this output file, so the guest may not make it itself.
STDOUT_NAME = "stdout"


class FileSystem:
    """The tree that one guest sees, and its quotas."""

    def __init__(
        self,
        output_bytes: int,
        output_files: int,
        inputs: dict[str, str],
        *,
        own_checkpoints: bool = False,
    ) -> None:
        """``inputs`` maps names below /in to host files; raises HostFault, or Refused.

        With ``own_checkpoints`` there is a folder /checkpoint; the quotas count it with /out.
        """
        self.output_bytes = output_bytes
        self.output_files = output_files
        self.used_bytes = 0
        self.used_files = 0
        self.used_folders = 0
        self.next_inode = 1
        self.reader = InputReader()
        self.root = self._make("folder", "", None)
        self.input = self._make("folder", "in", self.root)
        self.output = self._make("folder", "out", self.root)
        for name in sorted(inputs):
            self.add_read_only(self.input, name, inputs[name])
        self.stdin = self._make("input", "", None)
        self.stdout = self._make("file", "", None)
        self.checkpoint = self._make("folder", "checkpoint", self.root) if own_checkpoints else None
        #: Folders whose content the guest may change.
        self.writable = [self.output] if self.checkpoint is None else [self.output, self.checkpoint]

    def may_change(self, node: Node) -> bool:
        """Whether ``node`` lies where the guest may write, or is such a folder itself."""
        return any(node.within(folder) for folder in self.writable)

    def _make(self, kind: Kind, name: str, parent: Node | None) -> Node:
        node = Node(self.next_inode, kind, name, parent)
        self.next_inode += 1
        if parent is not None:
            parent.attach(node, name)
        return node

    def add_read_only(
        self, top: Node, name: str, source: str, offset: int = 0, size: int | None = None
    ) -> None:
        """Let ``size`` bytes of a host file, from ``offset``, be the file ``name`` below ``top``.

        Without a size it is the whole file. Raises ``HostFault``, or ``Refused("bad_input")`` for a
        name that is no plain relative path or that is taken.
        """
        try:
            parts, is_folder = split_path(name.encode("utf-8", "surrogatepass"))
        except WasiError:
            parts, is_folder = [], False
        if is_folder or ".." in parts or not parts:
            raise Refused("bad_input", f"the input name {name!r} is not a plain relative path")
        folder = self._folders(top, parts[:-1], name)
        if parts[-1] in folder.entries:
            raise Refused("bad_input", f"the input name {name!r} stands twice or is a folder")
        node = self._make("input", parts[-1], folder)
        node.source, node.offset = source, offset
        node.size = regular_size(source) if size is None else size

    def add_controls(self, folders: tuple[str, ...], names: tuple[str, ...]) -> None:
        """Make control files (see :mod:`.control`)."""
        folder = self._folders(self.root, folders, "/".join(folders))
        for name in names:
            self._make("control", name, folder)

    def _folders(self, top: Node, parts: Sequence[str], name: str) -> Node:
        folder = top
        for part in parts:
            folder = folder.entries.get(part) or self._make("folder", part, folder)
            if not folder.is_folder:
                raise Refused("bad_input", f"the input {name!r} lies inside another input")
        return folder

    def set_stdin(self, source: str) -> None:
        """Let the guest's standard input be the host file ``source``; raises HostFault."""
        self.stdin.source, self.stdin.size = source, regular_size(source)

    # --- finding

    def walk(self, start: Node, raw: bytes) -> tuple[Node, str, Node | None]:
        """Follow a guest path from ``start``: (folder, last name, node or None if it is new).

        The name is empty when the path ends at ``start`` itself or in ``..``. Raises ``WasiError``:
        NOT_PERMITTED when ``..`` would leave ``start``, else NO_ENTRY or NOT_FOLDER.
        """
        parts, must_be_folder = split_path(raw)
        if not start.is_folder:
            raise WasiError(abi.NOT_FOLDER)
        trail = [start]
        for position, part in enumerate(parts):
            here = trail[-1]
            if not here.is_folder:
                raise WasiError(abi.NOT_FOLDER)
            if part == "..":
                if len(trail) == 1:
                    raise WasiError(abi.NOT_PERMITTED)
                trail.pop()
                continue
            child = here.entries.get(part)
            if position == len(parts) - 1:
                if child is not None and must_be_folder and not child.is_folder:
                    raise WasiError(abi.NOT_FOLDER)
                if child is None and raw.endswith(b"/."):
                    raise WasiError(abi.NO_ENTRY)  # it means an entry inside what is not there
                return here, part, child
            if child is None:
                raise WasiError(abi.NO_ENTRY)
            trail.append(child)
        return trail[-1], "", trail[-1]

    def find(self, start: Node, raw: bytes) -> Node:
        """The existing node at a guest path; raises ``WasiError`` as :meth:`walk` does."""
        node = self.walk(start, raw)[2]
        if node is None:
            raise WasiError(abi.NO_ENTRY)
        return node

    def check_place(self, folder: Node, name: str, moved: Node | None = None) -> None:
        """Raise ``WasiError`` unless ``folder`` may get an entry ``name``."""
        if not self.may_change(folder):
            raise WasiError(abi.READ_ONLY)
        check_new_name(name)
        if folder is self.output and name == STDOUT_NAME:
            raise WasiError(abi.NOT_PERMITTED)
        known = folder.folded.get(fold_name(name))
        if known not in (None, name) and folder.entries[str(known)] is not moved:
            raise WasiError(abi.EXISTS)
        path = f"{folder.path().partition('/')[2]}/{name}".lstrip("/")
        # Folders count as well: a tree can otherwise be moved deeper and deeper, empty as it is.
        deepest = max(len(node.path().encode()) for node in moved.tree()) if moved else 0
        below = deepest - len(moved.path().encode()) if moved else 0
        if len(path.encode()) + below > NAME_BYTES_MAX:
            raise WasiError(abi.NAME_TOO_LONG)

    # --- changing

    def create_file(self, folder: Node, name: str) -> Node:
        """A new empty file; raises ``WasiError``, or ``Refused`` over the file limit."""
        self.check_place(folder, name)
        self._count_file()
        return self._make("file", name, folder)

    def create_folder(self, folder: Node, name: str) -> Node:
        """A new empty folder; raises ``WasiError``, or ``Refused`` over the folder limit."""
        self.check_place(folder, name)
        if self.used_folders >= FOLDERS_MAX:
            raise Refused("file_limit", f"the program made more than {FOLDERS_MAX} folders")
        self.used_folders += 1
        return self._make("folder", name, folder)

    def _count_file(self) -> None:
        if self.used_files >= self.output_files:
            raise Refused(
                "file_limit",
                f"the program wrote more files than its limit of {self.output_files}",
            )
        self.used_files += 1

    def _reserve(self, node: Node, length: int) -> None:
        """Account for ``node`` becoming ``length`` bytes; raises ``Refused`` over the quota."""
        used = self.used_bytes + length - len(node.data)
        if used > self.output_bytes:
            raise Refused(
                "output_limit",
                f"the program wrote more than its limit of {self.output_bytes} bytes",
            )
        if node is self.stdout and not node.data and length:
            self._count_file()
        self.used_bytes = used

    def read(self, node: Node, offset: int, size: int) -> bytes | memoryview:
        """Up to ``size`` bytes at ``offset``, fewer only at the end."""
        size = min(size, max(0, node.length - offset))
        if size == 0:
            return b""
        if node.kind == "input":
            return self.reader.read(node.source, node.offset + offset, size)
        return bytes(memoryview(node.data)[offset : offset + size])

    def write(self, node: Node, offset: int, data: memoryview) -> None:
        """Put ``data`` at ``offset``, zeros in any gap before it; raises ``Refused``."""
        if len(data) == 0:
            return
        end = offset + len(data)
        if end > len(node.data):
            self._reserve(node, end)
            if offset > len(node.data):
                node.data += bytes(offset - len(node.data))
        node.data[offset:end] = data

    def resize(self, node: Node, length: int) -> None:
        """Cut the file or fill it up with zeros; raises ``Refused`` over the quota."""
        self._reserve(node, length)
        if length < len(node.data):
            del node.data[length:]
        else:
            node.data += bytes(length - len(node.data))

    def remove_file(self, folder: Node, name: str) -> Node:
        """Unlink a file; its bytes count until :meth:`release`. Raises ``WasiError``."""
        node = folder.entries.get(name)
        if node is None:
            raise WasiError(abi.NO_ENTRY)
        if not self.may_change(node):
            raise WasiError(abi.READ_ONLY)
        if node.is_folder:
            raise WasiError(abi.IS_FOLDER)
        return folder.detach(name)

    def release(self, node: Node) -> None:
        """Give back the quota of an unlinked file that no descriptor holds any more."""
        self.used_bytes -= len(node.data)
        self.used_files -= 1
        node.data = bytearray()

    def remove_folder(self, folder: Node, name: str) -> None:
        """Remove an empty folder; raises ``WasiError``."""
        node = folder.entries.get(name)
        if node is None:
            raise WasiError(abi.NO_ENTRY if name else abi.INVALID)
        if not node.is_folder:
            raise WasiError(abi.NOT_FOLDER)
        if node in self.writable or not self.may_change(node):
            raise WasiError(abi.READ_ONLY)
        if node.entries:
            raise WasiError(abi.NOT_EMPTY)
        folder.detach(name)
        self.used_folders -= 1

    def rename(self, old: tuple[Node, str], new: tuple[Node, str]) -> Node | None:
        """Move a node within /out; returns the file that it replaced. Raises ``WasiError``."""
        node = old[0].entries.get(old[1])
        if node is None:
            raise WasiError(abi.NO_ENTRY if old[1] else abi.INVALID)
        if node in self.writable or not self.may_change(node):
            raise WasiError(abi.READ_ONLY)
        self.check_place(*new, moved=node)
        if new[0].within(node):
            raise WasiError(abi.INVALID)
        target = new[0].entries.get(new[1])
        if target is node:
            return None
        replaced = None
        if target is not None:
            if target.is_folder:
                if not node.is_folder:
                    raise WasiError(abi.IS_FOLDER)
                self.remove_folder(*new)
            elif node.is_folder:
                raise WasiError(abi.NOT_FOLDER)
            else:
                replaced = self.remove_file(*new)
        old[0].detach(old[1])
        new[0].attach(node, new[1])
        return replaced

    def outputs(self) -> list[tuple[str, bytearray]]:
        """(name, content) of every output file, sorted by name; stdout only if it is not empty."""
        found = [(f.path().partition("/")[2], f.data) for f in self.output.files()]
        if self.stdout.data:
            found.append((STDOUT_NAME, self.stdout.data))
        return sorted(found)
