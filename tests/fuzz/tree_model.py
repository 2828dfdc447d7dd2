"""The virtual file system once more, as simple as can be: a table from paths to contents.

Slow, and written from ``docs/wasi.md``, not from the code: where the two differ, one is wrong.
"""

import re
import unicodedata

Path = tuple[str, ...]
CREATE, FOLDER, EXCLUSIVE, TRUNCATE = 1, 2, 4, 8
ILLEGAL = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')
DEVICE = re.compile(r"(con|prn|aux|nul|com[1-9]|lpt[1-9])\s*", re.IGNORECASE)
OUT: Path = ("out",)


class Errno(Exception):  # noqa: N818
    """The answer is this errno of the specification."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def fold(name: str) -> str:
    """Names that fold to the same cannot lie beside each other."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Model:
    """None stands for a folder. What lies below ``in`` is read-only."""

    def __init__(self, inputs: dict[Path, bytes]) -> None:
        self.nodes: dict[Path, bytes | None] = {(): None, ("in",): None, OUT: None}
        for path, content in inputs.items():
            for end in range(2, len(path)):
                self.nodes[path[:end]] = None
            self.nodes[path] = content

    # --- asking

    def below(self, path: Path) -> list[Path]:
        """The path itself, if it is there, and all below it."""
        return [p for p in self.nodes if p[: len(path)] == path]

    def children(self, path: Path) -> list[str]:
        return sorted(
            (p[-1] for p in self.nodes if p and p[:-1] == path), key=lambda name: name.encode()
        )

    def resolve(self, raw: bytes) -> tuple[Path, str]:
        """The folder and the last name, which is empty where the path ends in a folder itself."""
        if len(raw) > 4096:
            raise Errno("NAMETOOLONG")
        if not raw:
            raise Errno("NOENT")
        if b"\0" in raw:
            raise Errno("INVAL")
        try:
            path = raw.decode()
        except UnicodeDecodeError:
            raise Errno("ILSEQ") from None
        if path.startswith("/"):
            raise Errno("PERM")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if any(len(part.encode()) > 255 for part in parts):
            raise Errno("NAMETOOLONG")
        here: Path = ()
        for index, part in enumerate(parts):
            if self.nodes[here] is not None:
                raise Errno("NOTDIR")
            if part == "..":
                if not here:
                    raise Errno("PERM")
                here = here[:-1]
            elif index == len(parts) - 1:
                self._check_last(path, here, part)
                return here, part
            elif (*here, part) not in self.nodes:
                raise Errno("NOENT")
            else:
                here = (*here, part)
        return here, ""

    def _check_last(self, path: str, here: Path, part: str) -> None:
        """A path that ends as a folder's must not name a file, nor by a dot what is not there."""
        if (*here, part) not in self.nodes:
            if path.endswith("/."):
                raise Errno("NOENT")
        elif path.endswith(("/", "/.")) and self.nodes[(*here, part)] is not None:
            raise Errno("NOTDIR")

    def check_place(self, folder: Path, name: str, moved: Path | None = None) -> None:
        """Whether a node may be made, or moved, there."""
        if folder[:1] != OUT:
            raise Errno("ROFS")
        if ILLEGAL.search(name) or name[-1] in " ." or DEVICE.fullmatch(name.split(".")[0]):
            raise Errno("INVAL")
        if folder == OUT and name == "stdout":
            raise Errno("PERM")
        for other in self.children(folder):
            if other != name and fold(other) == fold(name) and (*folder, other) != moved:
                raise Errno("EXIST")
        deepest = 0
        if moved is not None:
            own = len("/".join(moved).encode())
            deepest = max(len("/".join(p).encode()) for p in self.below(moved)) - own
        if len("/".join((*folder[1:], name)).encode()) + deepest > 255:
            raise Errno("NAMETOOLONG")

    # --- changing

    def open(self, raw: bytes, how: int, write: bool) -> Path:
        folder, name = self.resolve(raw)
        path = (*folder, name) if name else folder
        if path not in self.nodes:
            if not how & CREATE:
                raise Errno("NOENT")
            if how & FOLDER:
                raise Errno("INVAL")
            if raw.endswith(b"/"):
                raise Errno("ISDIR")
            self.check_place(folder, name)
            self.nodes[path] = b""
            return path
        if how & CREATE and how & EXCLUSIVE:
            raise Errno("EXIST")
        if self.nodes[path] is None:
            if write or how & (CREATE | TRUNCATE):
                raise Errno("ISDIR")
        elif how & FOLDER:
            raise Errno("NOTDIR")
        elif path[:1] != OUT and (write or how & TRUNCATE):
            raise Errno("ROFS")
        elif how & TRUNCATE:
            self.nodes[path] = b""
        return path

    def make_folder(self, raw: bytes) -> None:
        folder, name = self.resolve(raw)
        if not name or (*folder, name) in self.nodes:
            raise Errno("EXIST")
        self.check_place(folder, name)
        self.nodes[(*folder, name)] = None

    def remove_folder(self, raw: bytes) -> None:
        folder, name = self.resolve(raw)
        path = (*folder, name)
        if not name:
            raise Errno("INVAL")
        if path not in self.nodes:
            raise Errno("NOENT")
        if self.nodes[path] is not None:
            raise Errno("NOTDIR")
        if path == OUT or path[:1] != OUT:
            raise Errno("ROFS")
        if len(self.below(path)) > 1:
            raise Errno("NOTEMPTY")
        del self.nodes[path]

    def unlink(self, raw: bytes) -> None:
        folder, name = self.resolve(raw)
        path = (*folder, name)
        if not name:
            raise Errno("ISDIR")
        if path not in self.nodes:
            raise Errno("NOENT")
        if self.nodes[path] is None:
            raise Errno("ISDIR")
        if path[:1] != OUT:
            raise Errno("ROFS")
        del self.nodes[path]

    def rename(self, old_raw: bytes, new_raw: bytes) -> None:
        folder, name = self.resolve(old_raw)
        new_folder, new_name = self.resolve(new_raw)
        old, new = (*folder, name), (*new_folder, new_name)
        if not new_name:
            raise Errno("INVAL")
        is_file = name and self.nodes.get(old) is not None
        if is_file and new not in self.nodes and new_raw.endswith(b"/"):
            raise Errno("NOTDIR")
        if not name:
            raise Errno("INVAL")
        if old not in self.nodes:
            raise Errno("NOENT")
        if old == OUT or old[:1] != OUT:
            raise Errno("ROFS")
        self.check_place(new_folder, new_name, moved=old)
        if new_folder[: len(old)] == old:
            raise Errno("INVAL")
        if new == old:
            return
        if new in self.nodes:
            self._make_way(new, is_file=bool(is_file))
        for path in self.below(old):
            self.nodes[(*new, *path[len(old) :])] = self.nodes.pop(path)

    def _make_way(self, new: Path, *, is_file: bool) -> None:
        if self.nodes[new] is not None:
            if not is_file:
                raise Errno("NOTDIR")
        elif is_file:
            raise Errno("ISDIR")
        elif len(self.below(new)) > 1:
            raise Errno("NOTEMPTY")
        del self.nodes[new]
