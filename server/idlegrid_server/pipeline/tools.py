"""What the pipeline works with: the store, the files, a clock, a place for temporary files."""

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from idlegrid_server.domain.canary import CANARY_FROM
from idlegrid_server.files import ContentStore
from idlegrid_server.project import Project
from idlegrid_server.store.command import AddFile, FileIn, Store
from idlegrid_server.store.sql.file import FILE_BY_HASH
from idlegrid_shared.wire import INLINE_BYTES_MAX

from .standing import Fleets

UNITS_MAX = 5_000_000
LEASE_US = 60 * 1_000_000


class MissingFile(LookupError):  # noqa: N818 - what is the case is its name
    """A file that the database names is not there."""


class Files(Protocol):
    """The content-addressed folder: bytes by their SHA-256. What small files are, the row says."""

    def path(self, sha256: bytes) -> Path:
        """Where a file's bytes lie, or would."""
        ...

    def store(self, source: Path, sha256: bytes) -> None:
        """Copy ``source`` in and make it durable; a file that is there stays as it is."""
        ...


@dataclass(frozen=True)
class Tools:
    """The surroundings of a pass or job. ``clock`` gives µs UTC."""

    store: Store
    files: Files
    clock: Callable[[], int]
    work: Path = field(default_factory=Path)  # temporary folders are made here
    worker: str = "compute"
    lease_us: int = LEASE_US
    units_max: int = UNITS_MAX
    canary_from: int = CANARY_FROM  # units that a batch has at least for canaries to go first
    fleets: Fleets = field(default_factory=Fleets)

    @contextmanager
    def open_file(self, sha256: bytes) -> Iterator[BinaryIO]:
        """The content of a stored file; raises :class:`MissingFile`."""
        with self.store.reading() as db:
            row = db.fetch_one(FILE_BY_HASH, sha256=sha256)
        if row is None:
            raise MissingFile(f"file {sha256.hex()} is not stored")
        if row.data is not None:
            yield io.BytesIO(row.data)
            return
        with contextlib.ExitStack() as stack:
            try:
                content = stack.enter_context(self.files.path(sha256).open("rb"))
            except FileNotFoundError as error:
                raise MissingFile(
                    f"file {sha256.hex()} is named by the database, but not in the folder of files"
                ) from error
            yield content

    def place_file(self, sha256: bytes, folder: Path) -> Path:
        """A path with a stored file's content: in the folder of files, or copied to ``folder``.

        Raises :class:`MissingFile`.
        """
        path = self.files.path(sha256)
        if path.exists():
            return path
        copy = folder / sha256.hex()
        if not copy.exists():
            with self.open_file(sha256) as content:
                copy.write_bytes(content.read())
        return copy

    def keep_bytes(self, data: bytes) -> FileIn:
        """Make ``data`` durable, as content of its row if it is small enough, and name it."""
        digest = hashlib.sha256(data).digest()
        if len(data) <= INLINE_BYTES_MAX:
            return FileIn(digest, len(data), data)
        with tempfile.NamedTemporaryFile(dir=self.work) as copy:
            copy.write(data)
            copy.flush()
            return self.keep_file(Path(copy.name), digest, len(data))

    def keep_file(self, source: Path, sha256: bytes, size: int) -> FileIn:
        """Make ``source`` durable, as content of its row if it is small enough, and name it."""
        if size <= INLINE_BYTES_MAX:
            return FileIn(sha256, size, source.read_bytes())
        self.files.store(source, sha256)
        self.store.execute(AddFile(now=self.clock(), sha256=sha256, size=size))
        return FileIn(sha256, size)


def make_tools(project: Project, store: Store, clock: Callable[[], int], worker: str) -> Tools:
    """The tools of a process of ``project``'s server; ``worker`` is who its leases belong to."""
    work = project.layout.run / "work"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Tools(
        store=store,
        files=ContentStore(project.layout.files),
        clock=clock,
        work=work,
        worker=worker,
        lease_us=round(project.config.passes.lease_s * 1e6),
        units_max=project.config.limits.batch_units,
        canary_from=project.config.dispatch.canary_from,
    )
