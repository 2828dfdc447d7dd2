"""NPZ outputs: a ZIP of NPY files, each array by its own rule. Unpacking is bounded, too."""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from .array import check_elements, compare_elements
from .fault import UnreadableError
from .limits import ARRAY_BYTES_MAX, ARRAYS_MAX, MIB, short
from .rule import FileRule, Validator

#: What a broken archive makes the standard library raise, besides its own error.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Guarded(io.RawIOBase):
    """A file whose single reads are bounded: a directory of millions of members is not read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MIB:
            here = self.stream.tell()
            left = self.stream.seek(0, io.SEEK_END) - here
            self.stream.seek(here)
            if left > MIB and (size < 0 or size > MIB):
                raise UnreadableError("its directory is too big")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


class _Archive:
    """The arrays of an NPZ by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        infos = archive.infolist()
        if len(infos) > ARRAYS_MAX:
            raise UnreadableError(f"it has more than {ARRAYS_MAX} arrays")
        self.members = {info.filename.removesuffix(".npy"): info for info in infos}
        if len(self.members) != len(infos):
            raise UnreadableError("two of its arrays have the same name")
        if sum(info.file_size for info in infos) > ARRAY_BYTES_MAX:
            raise UnreadableError(f"its arrays take more than {ARRAY_BYTES_MAX} bytes")
        for info in infos:
            if info.compress_type not in _METHODS or info.flag_bits & 1:
                raise UnreadableError(f"{short(info.filename)} is packed in a way that is not read")

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._archive.open(self.members[name]))


@contextmanager
def _opened(stream: BinaryIO) -> Iterator[_Archive]:
    try:
        with zipfile.ZipFile(cast(Any, _Guarded(stream))) as archive:
            yield _Archive(archive)
    except _BROKEN as error:
        raise UnreadableError(f"it is no NPZ: {error or type(error).__name__}") from error


def check_arrays(
    validator: Validator, rule: FileRule, stream: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first breach of a check, in words, or nothing; raises :class:`UnreadableError`."""
    with _opened(stream) as archive:
        for name, own in rule.fields.items():
            if own.must_stand and name != "*" and name not in archive.members:
                return f"the array {name!r} is missing"
        for name in archive.members:
            with archive.open(name) as elements:
                breach = check_elements(rule.field(name), elements, beat)
            if breach:
                return f"{short(name)}: {breach}"
    return ""


def compare_archives(
    validator: Validator, rule: FileRule, a: BinaryIO, b: BinaryIO, beat: Callable[[], None]
) -> str:
    """The first difference, in words, or nothing; raises :class:`UnreadableError`."""
    with _opened(a) as one, _opened(b) as other:
        for name in sorted(one.members.keys() ^ other.members.keys()):
            if rule.field(name).compare != "ignore":
                return f"only one of them has {short(name)}"
        for name in one.members:
            own = rule.field(name)
            if own.compare == "ignore" or name not in other.members:
                continue
            with one.open(name) as x, other.open(name) as y:
                tolerance = validator.tolerance(rule, own)
                difference = compare_elements(own, tolerance, x, y, beat)
            if difference:
                return f"{short(name)}: {difference}"
    return ""
