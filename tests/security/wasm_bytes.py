"""Modules put together byte by byte, as no compiler would write them.

Source of the format: the WebAssembly specification, "Binary Format".
"""

HEAD = b"\0asm\1\0\0\0"
TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA = range(1, 12)
DATA_COUNT, CUSTOM = 12, 0
NO_PARAMETERS = b"\x60\0\0"
EMPTY_BODY = b"\x02\0\x0b"  # two bytes: no locals, end


def number(value: int) -> bytes:
    """An unsigned number in LEB128."""
    out = bytearray()
    while True:
        part, value = value & 0x7F, value >> 7
        out.append(part | (0x80 if value else 0))
        if not value:
            return bytes(out)


def section(kind: int, content: bytes, size: int | None = None) -> bytes:
    """A section; ``size`` lets it lie about its length."""
    return bytes([kind]) + number(len(content) if size is None else size) + content


def many(count: int, item: bytes, told: int | None = None) -> bytes:
    """``count`` times ``item`` behind the count, or behind another that is told instead."""
    return number(count if told is None else told) + item * count


def text(name: str | bytes) -> bytes:
    """A name."""
    raw = name.encode() if isinstance(name, str) else name
    return number(len(raw)) + raw


def body(code: bytes, local_groups: bytes = b"\0") -> bytes:
    """A function body without its ``end``, behind its length."""
    whole = local_groups + code + b"\x0b"
    return number(len(whole)) + whole


def program(
    *, functions: int = 1, code: bytes | None = None, memory: bytes = b"", extra: bytes = b""
) -> bytes:
    """A module whose first function is ``_start``; ``extra`` sections stand at the end."""
    bodies = many(functions, EMPTY_BODY) if code is None else code
    return b"".join(
        [
            HEAD,
            section(TYPE, many(1, NO_PARAMETERS)),
            section(FUNCTION, many(functions, b"\0")),
            section(MEMORY, memory) if memory else b"",
            section(EXPORT, number(1) + text("_start") + b"\0\0"),
            section(CODE, bodies),
            extra,
        ]
    )
