"""How much of an output a validator looks at. What is bigger is unreadable, the same everywhere."""

from collections.abc import Iterator
from typing import BinaryIO

from .fault import UnreadableError

MIB = 1024**2
#: A parsed JSON document takes some twenty times its size in memory.
JSON_BYTES_MAX = 8 * MIB
TEXT_BYTES_MAX = 64 * MIB
ARRAY_BYTES_MAX = 256 * MIB  # of an NPZ: after unpacking, all arrays together
LINE_BYTES_MAX = MIB
CHUNK_BYTES = MIB
NUMBER_CHARS_MAX = 64
ARRAYS_MAX = 1_000
DIMENSIONS_MAX = 32
NOTE_CHARS_MAX = 300
BEAT_EVERY = 10_000  # rows or values between two signs of life


def no_beat() -> None:
    """Nobody waits for a sign of life."""


def read_whole(stream: BinaryIO, limit: int) -> bytes:
    """All of a stream, if it is no longer than ``limit``; raises :class:`UnreadableError`."""
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise UnreadableError(f"it has more than {limit} bytes, which is more than is looked at")
    return data


def text_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a text without their ends; raises :class:`UnreadableError`."""
    left = TEXT_BYTES_MAX
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        left -= len(line)
        if len(line) > LINE_BYTES_MAX:
            raise UnreadableError(f"line {number} has more than {LINE_BYTES_MAX} bytes")
        if left < 0:
            raise UnreadableError(f"it has more than {TEXT_BYTES_MAX} bytes")
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UnreadableError(f"line {number} is no UTF-8 text") from error


def short(value: object) -> str:
    """A value of a stranger's, as a note may tell it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
