"""Packed folders: many small read-only files in one, which the guest sees as a folder.

A pack is a ZIP archive in the one canonical form that :func:`write_pack` makes: nothing compressed,
sorted by name, no times, no comments, no room between the members. So equal contents have equal
bytes, any unzip program can read it, and its reader here is small enough to be trusted with a
stranger's file. Source of the structures: PKWARE's APPNOTE, 4.3.7 (local), 4.3.12 (central) and
4.3.16 (end).
"""

import struct
import zlib
from collections.abc import Mapping
from typing import BinaryIO

from .fault import WasiError
from .names import split_path

MEMBERS_MAX = 5_000
NAME_BYTES_MAX = 255
PACK_BYTES_MAX = 256 * 1024**2

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_VERSION, _MADE_BY, _UTF8, _STORED = 10, 3 << 8 | 20, 1 << 11, 0
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01, the first that the format knows
_MODE = 0o100644 << 16


class PackError(ValueError):
    """A pack that cannot be made or believed; the message says why."""


def check_member(name: str) -> str:
    """``name`` if it is a plain relative path below the pack's folder; raises PackError."""
    try:
        parts, is_folder = split_path(name.encode())
    except (WasiError, UnicodeEncodeError):
        parts, is_folder = [], True
    plain = not is_folder and ".." not in parts and "/".join(parts) == name
    if not plain or "\\" in name or len(name.encode()) > NAME_BYTES_MAX:
        raise PackError(
            f"{name[:80]!r} is no plain relative path of at most {NAME_BYTES_MAX} bytes"
        )
    return name


def write_pack(files: Mapping[str, bytes]) -> bytes:
    """The pack of ``files`` by name; raises :class:`PackError`."""
    if not 1 <= len(files) <= MEMBERS_MAX:
        raise PackError(f"a pack holds 1 to {MEMBERS_MAX} files, not {len(files)}")
    body, central = bytearray(), bytearray()
    for name in sorted(files, key=lambda n: n.encode("utf-8", "replace")):
        data, raw = files[name], check_member(name).encode()
        facts = (_UTF8, _STORED, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(raw), 0)
        central += _CENTRAL.pack(b"PK\1\2", _MADE_BY, _VERSION, *facts, 0, 0, 0, _MODE, len(body))
        central += raw
        body += _LOCAL.pack(b"PK\3\4", _VERSION, *facts) + raw + data
        if len(body) > PACK_BYTES_MAX:
            raise PackError(f"the files have more than {PACK_BYTES_MAX} bytes together")
    end = _END.pack(b"PK\5\6", 0, 0, len(files), len(files), len(central), len(body), 0)
    return bytes(body + central + end)


def read_index(file: BinaryIO) -> list[tuple[str, int, int]]:
    """(name, offset of its bytes, their number) of every member, sorted by name.

    Raises :class:`PackError` for anything that :func:`write_pack` would not have written, but does
    not read the contents: their hash is the pack's. Raises ``OSError``.
    """
    size = file.seek(0, 2)
    if not _END.size < size <= PACK_BYTES_MAX + MEMBERS_MAX * 512:
        raise PackError(f"a file of {size} bytes is no pack")
    file.seek(size - _END.size)
    mark, disk, start_disk, here, count, central_size, central_at, comment = _END.unpack(
        file.read(_END.size)
    )
    if mark != b"PK\5\6" or (disk, start_disk, comment) != (0, 0, 0) or here != count:
        raise PackError("it does not end as a pack does")
    if not 1 <= count <= MEMBERS_MAX or central_at + central_size + _END.size != size:
        raise PackError("the list of its members is not where it says")
    file.seek(central_at)
    central = file.read(central_size)
    members: list[tuple[str, int, int]] = []
    at = position = 0
    last = b""
    for _ in range(count):
        name, length, used = _member(central, position, at, last, file)
        raw = name.encode()
        members.append((name, at + _LOCAL.size + len(raw), length))
        at += _LOCAL.size + len(raw) + length
        position += used
        last = raw
    if position != central_size or at != central_at:
        raise PackError("there are bytes in it that belong to no member")
    return members


def _member(
    central: bytes, position: int, at: int, last: bytes, file: BinaryIO
) -> tuple[str, int, int]:
    """The member described at ``position``: its name, its bytes, the length of its description."""
    head = central[position : position + _CENTRAL.size]
    if len(head) < _CENTRAL.size:
        raise PackError("the list of its members is cut off")
    mark, made_by, version, *facts = _CENTRAL.unpack(head)
    flags, method, time, date, crc, packed, length, name_length, *rest = facts
    raw = central[position + _CENTRAL.size : position + _CENTRAL.size + name_length]
    fixed = (mark, made_by, version, flags, method, time, date, packed, rest)
    wanted = (
        b"PK\1\2", _MADE_BY, _VERSION, _UTF8, _STORED, _TIME, _DATE, length, [0, 0, 0, 0, _MODE, at]
    )  # fmt: skip
    if fixed != wanted or len(raw) != name_length or raw <= last:
        raise PackError("a member is not in canonical form (sorted, stored, without times)")
    try:
        name = check_member(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PackError("the name of a member is not UTF-8") from error
    local = _LOCAL.pack(
        b"PK\3\4", _VERSION, _UTF8, _STORED, _TIME, _DATE, crc, length, length, name_length, 0
    )
    file.seek(at)
    if file.read(_LOCAL.size + name_length) != local + raw:
        raise PackError(f"the member {name!r} is described in two ways")
    return name, length, _CENTRAL.size + name_length
