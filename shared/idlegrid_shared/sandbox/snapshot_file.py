"""The file of a checkpoint: a row of checked pieces behind a mark, a SHA-256 of all at its end.

The mark ``IDLGCKP1`` names the version. Each piece is its kind (1 byte), its key (8), its size (4),
its size as stored (4), little-endian, and the stored bytes: packed by zlib, or plain where that
would not be smaller. The last piece has kind 0, counts the others in its key and holds the SHA-256
of everything before it. Nothing follows it.

A reader asks for memory only after it has checked a size, and no size is above :data:`PIECE_BYTES`.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

MARK = b"IDLGCKP1"
PIECE_BYTES = 1 << 20
END = 0

_HEAD = struct.Struct("<BQII")
_DIGEST_BYTES = 32
#: Fast, as a program stands still meanwhile; memory full of numbers hardly packs any better.
_LEVEL = 1
#: After a piece that did not shrink by a tenth, so many are stored plain without trying.
_PLAIN_RUN = 15


class SnapshotError(Exception):
    """A checkpoint that cannot be used; the message says why."""


class PieceWriter:
    """Writes pieces to a file that is open for writing; :meth:`close` seals it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inner = hashlib.sha256()
        self._count = 0
        self._plain = 0
        #: Bytes written so far.
        self.size = 0
        self._put(MARK)

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._inner.update(data)
        self.size += len(data)

    def add(self, kind: int, key: int, data: bytes | bytearray | memoryview) -> None:
        """Append ``data`` in pieces; the key of each is ``key`` plus its offset in the data."""
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            self._add(kind, key + start, view[start : start + PIECE_BYTES])

    def _add(self, kind: int, key: int, piece: memoryview) -> None:
        stored: bytes | memoryview = piece
        if self._plain > 0:
            self._plain -= 1
        else:
            packed = zlib.compress(piece, _LEVEL)
            if len(packed) * 10 < len(piece) * 9:
                stored = packed
            else:
                self._plain = _PLAIN_RUN
        self._put(_HEAD.pack(kind, key, len(piece), len(stored)))
        self._put(stored)
        self._count += 1

    def close(self) -> str:
        """Seal the file; returns the SHA-256 (hex) of all its bytes. The file stays open."""
        digest = self._inner.digest()
        self._put(_HEAD.pack(END, self._count, _DIGEST_BYTES, _DIGEST_BYTES))
        self._put(digest)
        return self._inner.hexdigest()


class PieceReader:
    """Reads pieces; everything that is not as written raises :class:`SnapshotError`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inner = hashlib.sha256()
        if self._take(len(MARK)) != MARK:
            raise SnapshotError("it is no checkpoint, or of another version")

    def _take(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise SnapshotError("it ends too early")
        self._inner.update(data)
        return data

    def pieces(self) -> Iterator[tuple[int, int, bytes]]:
        """(kind, key, content) of every piece; ends only if the seal holds and nothing follows."""
        count = 0
        while True:
            digest = self._inner.digest()
            kind, key, size, stored = _HEAD.unpack(self._take(_HEAD.size))
            if kind == END:
                if (key, size, stored) != (count, _DIGEST_BYTES, _DIGEST_BYTES):
                    raise SnapshotError("its end is wrong")
                if self._take(_DIGEST_BYTES) != digest:
                    raise SnapshotError("its checksum is wrong")
                if self._file.read(1):
                    raise SnapshotError("something follows its end")
                return
            if not 0 < stored <= size <= PIECE_BYTES:
                raise SnapshotError("a piece has a size that cannot be")
            data = self._take(stored)
            yield kind, key, data if stored == size else _unpack(data, size)
            count += 1


def _unpack(data: bytes, size: int) -> bytes:
    opener = zlib.decompressobj()
    try:
        content = opener.decompress(data, size + 1)  # one more, to see the end of the stream
    except zlib.error as error:
        raise SnapshotError("a piece cannot be unpacked") from error
    if len(content) != size or not opener.eof or opener.unused_data or opener.unconsumed_tail:
        raise SnapshotError("a piece has another size than it says")
    return content
