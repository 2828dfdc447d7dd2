"""Splitting a guest's path, against a slow and simple reading of the same rules."""

from idlegrid_shared.sandbox import abi
from idlegrid_shared.sandbox.fault import WasiError
from idlegrid_shared.sandbox.names import split_path

from .source import Source, Target

PIECES = [b"a", b"..", b".", b"", b"in", b"out", b"\0", b"\xff", b"\xc0\xae", b"\xed\xa0\x80",
          "\u00e9".encode(), b"n" * 255, b"n" * 256, b" ", b"\\", b"C:"]  # fmt: skip


def expected(raw: bytes) -> tuple[list[str], bool] | int:
    """The parts and whether it must be a folder, or the errno."""
    if len(raw) > 4096:
        return abi.NAME_TOO_LONG
    if raw == b"":
        return abi.NO_ENTRY
    if 0 in raw:
        return abi.INVALID
    try:
        path = str(raw, "utf-8", "strict")
    except ValueError:
        return abi.ILLEGAL_BYTES
    if path[0] == "/":
        return abi.NOT_PERMITTED
    parts: list[str] = []
    for part in path.split("/"):
        if part and part != ".":
            if len(bytes(part, "utf-8")) > 255:
                return abi.NAME_TOO_LONG
            parts.append(part)
    return parts, path.split("/")[-1] in ("", ".", "..")


def run(data: bytes) -> None:
    """Half of all bytes are the path, the others put it together from pieces."""
    source = Source(data)
    if source.number(2):
        raw = source.take(len(data))
    else:
        pieces = []
        while source and len(pieces) < 60:
            pieces.append(source.choice(PIECES))
        raw = b"/".join(pieces)
    try:
        answer: tuple[list[str], bool] | int = split_path(raw)
    except WasiError as error:
        answer = error.code
    assert answer == expected(raw), f"{raw!r}: {answer}"


TARGET = Target("path", run, [b"\1in/../out/x", b"\1out//./a/", b"\0\4\1\5\3", b"\1\xff", b"\1/"])
