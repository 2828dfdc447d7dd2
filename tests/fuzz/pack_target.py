"""The reader of packed folders: what it takes is what the writer would have written."""

import io
import struct

from idlegrid_shared.sandbox.pack import PackError, read_index, write_pack

from .source import Source, Target

NAMES = ["a", "a/b", "b", "..", "c\u00e9", "n" * 255, "x/../y", "", "\x7f", "z.py"]
GOOD = write_pack({"a": b"", "b/c.py": b"print()", "d": bytes(100)})


def run(data: bytes) -> None:
    """Bytes as they are, a good pack with a few bytes changed, or a pack that is made."""
    source = Source(data)
    kind = source.number(3)
    if kind == 0:
        read(source.take(len(data)))
    elif kind == 1:
        forged = bytearray(GOOD)
        while source:
            forged[source.number(len(forged))] = source.number(256)
        read(bytes(forged))
    else:
        files = {}
        while source and len(files) < 20:
            files[source.choice(NAMES)] = source.take(source.number(40))
        make(files)


def make(files: dict[str, bytes]) -> None:
    """What can be made can be read, with the same contents."""
    try:
        raw = write_pack(files)
    except PackError:
        return
    index = read_index(io.BytesIO(raw))
    assert {name: raw[at : at + size] for name, at, size in index} == files


def read(raw: bytes) -> None:
    """What is read is canonical but for the checksums, which nobody needs."""
    try:
        index = read_index(io.BytesIO(raw))
    except PackError:
        return
    assert index == sorted(index, key=lambda member: member[0].encode())
    end = 0
    for name, at, size in index:
        assert ".." not in name.split("/")
        assert not name.startswith("/")
        assert end <= at
        assert at + size <= len(raw) - struct.calcsize("<4sHHHHIIH")
        end = at + size
    rebuilt = write_pack({name: raw[at : at + size] for name, at, size in index})
    assert len(rebuilt) == len(raw)


TARGET = Target("pack", run, [b"\0" + GOOD, b"\1\7\0\0\0\5", b"\2\0\3abc\1\2de"])
