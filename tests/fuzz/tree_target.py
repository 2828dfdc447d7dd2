"""Files and folders by random calls, step by step against the model of :mod:`.tree_model`."""

import random
from pathlib import Path as HostPath

from idlegrid_shared.manifest import ManifestEntry, make_manifest
from tests.sandbox.guest import Desk
from tests.sandbox.wasi_case import ERRNO

from .source import Source, Target
from .tree_model import OUT, Errno, Model, Path

# fmt: off
PARTS = [
    b"a", b"a", b"b", b"b", b"c", b"A", b"..", b".", b"", "\u00e9".encode(), "e\u0301".encode(),
    b"deep", b"n" * 120, b"n" * 250, b"nul", b"x:y", b"stdout", b"\xff", b"a.",
    "\u0130".encode(), "\u00df".encode(), b"ss",
]
# fmt: on
TOPS = [b"out", b"out", b"out", b"out", b"in", b"", b".", b"..", b"out/a", b"out/b"]
#: All sets of flags, and those more often that make files.
HOWS = [1, 1, 1, 1, 9, 9, 5, 0, *range(16)]
CONTENT = b"0123456789"
STEPS_MAX = 60
STRUCTURE = {("in", "a"): CONTENT, ("in", "deep", "b"): CONTENT}


class Play:
    """A desk and a model that take the same steps."""

    def __init__(self, inputs: dict[str, HostPath]) -> None:
        self.desk = Desk(inputs, output_bytes=1 << 20, output_files=10_000)
        self.model = Model(dict(STRUCTURE))

    def step(self, source: Source) -> None:
        """One call on both; the answers must be the same, and then the whole trees."""
        name = source.choice(["open", "open", "mkdir", "rmdir", "unlink", "rename", "rename"])
        raw = draw_path(source, self.model)
        answer, expected = getattr(self, name)(raw, source)
        assert answer == expected, f"{name} {raw!r}: errno {answer}, not {expected}"
        self.compare()

    def open(self, raw: bytes, source: Source) -> tuple[int, int]:
        how, write, append = source.choice(HOWS), bool(source.number(2)), source.number(2)
        answer, fd = self.desk.open(raw, how=how, write=write, flags=append)
        try:
            path = self.model.open(raw, how, write)
        except Errno as error:
            return answer, ERRNO[error.name]
        old = self.model.nodes[path]
        if answer == 0 and write and old is not None:
            data = source.take(source.number(30))
            assert self.desk.write(fd, data) == 0
            self.model.nodes[path] = old + data if append else data + old[len(data) :]
        if answer == 0:
            assert self.desk.call("fd_close", fd) == 0
        return answer, 0

    def mkdir(self, raw: bytes, source: Source) -> tuple[int, int]:
        return self.desk.on_path("path_create_directory", raw), self.ask("make_folder", raw)

    def rmdir(self, raw: bytes, source: Source) -> tuple[int, int]:
        return self.desk.on_path("path_remove_directory", raw), self.ask("remove_folder", raw)

    def unlink(self, raw: bytes, source: Source) -> tuple[int, int]:
        return self.desk.on_path("path_unlink_file", raw), self.ask("unlink", raw)

    def rename(self, raw: bytes, source: Source) -> tuple[int, int]:
        new = draw_path(source, self.model)
        self.desk.put(30_000, new)
        answer = self.desk.on_path("path_rename", raw, 3, 30_000, len(new))
        return answer, self.ask("rename", raw, new)

    def ask(self, method: str, *arguments: bytes) -> int:
        """The model's errno."""
        try:
            getattr(self.model, method)(*arguments)
        except Errno as error:
            return ERRNO[error.name]
        return 0

    def compare(self) -> None:
        """Both trees hold the same, the quota counts it exactly, listings are sorted."""
        found: dict[Path, bytes | None] = {}
        for node in self.desk.files.root.tree():
            path = tuple(node.path().split("/")) if node.parent else ()
            content = CONTENT if node.kind == "input" else bytes(node.data)
            found[path] = None if node.is_folder else content
        assert found == self.model.nodes
        files = [(p, c) for p, c in found.items() if p[:1] == OUT and c is not None]
        assert self.desk.files.used_bytes == sum(len(content) for _, content in files)
        assert self.desk.files.used_files == len(files)
        folders = [p for p, c in found.items() if len(p) > 1 and p[:1] == OUT and c is None]
        assert self.desk.files.used_folders == len(folders)

    def finish(self) -> None:
        """What is left can be listed, and named in a manifest."""
        for path, content in self.model.nodes.items():
            if content is None and len(path) < 4:
                errno, fd = self.desk.open("/".join(path) or ".", how=2)
                assert errno == 0
                if sum(len(name) for name in self.model.children(path)) < 10_000:
                    assert self.desk.names(fd)[2:] == self.model.children(path)
                self.desk.call("fd_close", fd)
        outputs = self.desk.files.outputs()
        entries = [ManifestEntry(name, "0" * 64, len(data)) for name, data in outputs]
        assert list(make_manifest(entries)) == sorted(entries, key=lambda entry: entry.name)
        self.desk.files.reader.close()


def draw_path(source: Source, model: Model) -> bytes:
    """A path from pieces, or one below /out that is there, with a piece more or not."""
    if source.number(2):
        parts = ["/".join(source.choice(sorted(model.below(OUT)))).encode()]
        parts += [source.choice(PARTS) for _ in range(source.number(3))]
    else:
        parts = [source.choice(TOPS), *(source.choice(PARTS) for _ in range(source.number(4)))]
    if source.number(8) == 7:
        parts.append(source.choice([b"", b".", b".."]))
    return b"/".join(parts)


#: The content of an input is never read here, only its size is asked for: any file will do.
INPUT = HostPath(__file__)


def run(data: bytes) -> None:
    """Up to sixty steps."""
    play = Play({"a": INPUT, "deep/b": INPUT})
    source = Source(data)
    for _ in range(STEPS_MAX):
        if not source:
            break
        play.step(source)
    play.finish()


SEEDS = [random.Random(number).randbytes(700) for number in range(4)]
TARGET = Target("tree", run, SEEDS)
