"""Modules that are none, that lie about themselves, or that are built to choke a compiler."""

import pytest

from .arena import Arena, Hostile
from .wasm_bytes import (
    CODE,
    CUSTOM,
    DATA,
    ELEMENT,
    EXPORT,
    FUNCTION,
    GLOBAL,
    HEAD,
    IMPORT,
    MEMORY,
    NO_PARAMETERS,
    START,
    TABLE,
    TYPE,
    body,
    many,
    number,
    program,
    section,
    text,
)

PLAIN = program()
TYPES = section(TYPE, many(1, NO_PARAMETERS))
HUGE = 0xFFFF_FFFF


#: One local group of 49,999 numbers; the specification's engines allow 50,000 locals.
MANY_LOCALS = number(1) + number(49_999) + b"\x7f"


def name_section(name: str) -> bytes:
    """A name section that calls the first function ``name``."""
    return section(CUSTOM, text("name") + section(1, number(1) + b"\0" + text(name)))


def bad(name: str, module: bytes, words: str = "not a valid module") -> Hostile:
    return Hostile(name, module, "bad_module", words)


MODULES = [
    bad("an empty file", b"", "no WebAssembly module"),
    bad("another magic number", b"\0asn" + PLAIN[4:], "no WebAssembly module"),
    bad("a program for Linux", b"\x7fELF" + bytes(60), "no WebAssembly module"),
    bad("text that would assemble", b'(module (func (export "_start")))', "no WebAssembly module"),
    bad("a version that nobody has", b"\0asm\2\0\0\0" + PLAIN[8:]),
    bad("a component", b"\0asm\x0d\0\1\0"),
    bad("nothing but the magic number", b"\0asm"),
    bad("cut off in the middle", PLAIN[: len(PLAIN) // 2]),
    bad("cut off before the last byte", PLAIN[:-1]),
    bad("rubbish after the end", PLAIN + b"\xde\xad\xbe\xef"),
    bad("a section longer than the file", HEAD + section(TYPE, b"\0", HUGE)),
    bad("a section shorter than its content", HEAD + section(TYPE, many(3, NO_PARAMETERS), 4)),
    bad("an unknown section", HEAD + section(99, b"abc")),
    bad("sections in the wrong order", HEAD + section(CODE, b"\0") + TYPES),
    bad("a section twice", HEAD + TYPES + TYPES),
    bad("functions without bodies", HEAD + TYPES + section(FUNCTION, many(1, b"\0"))),
    bad("bodies without functions", HEAD + TYPES + section(CODE, many(1, b"\2\0\x0b"))),
    bad("a function of an unknown type", HEAD + TYPES + section(FUNCTION, many(1, b"\x63"))),
    *[
        bad(f"4 billion entries told in section {kind}", HEAD + TYPES + section(kind, number(HUGE)))
        for kind in (IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, ELEMENT, CODE, DATA)
    ],
    bad("a number that never ends", HEAD + b"\1" + b"\x80" * 12),
    bad("1,000,001 functions", program(functions=1_000_001)),
    bad(
        "4 billion locals",
        program(code=number(1) + body(b"", number(1) + number(HUGE) + b"\x7f")),
    ),
    bad(
        "a million locals",
        program(code=number(1) + body(b"", number(1) + number(1_000_000) + b"\x7f")),
    ),
    bad("a body of 8 MB", program(code=number(1) + body(b"\1" * 8_000_000))),
    bad("a body that ends too early", program(code=number(1) + b"\3\0\x0b\x0b")),
    bad("a body that does not end", program(code=number(1) + b"\2\0\1")),
    bad("a jump out of the function", program(code=number(1) + body(b"\x0c\x63"))),
    bad("a table of 4 billion jumps", program(code=number(1) + body(b"\x41\0\x0e" + number(HUGE)))),
    bad("a stack that is empty", program(code=number(1) + body(b"\x1a"))),
    bad("a call of nobody", program(code=number(1) + body(b"\x10\x63"))),
    bad("a memory beyond 4 GiB", HEAD + section(MEMORY, number(1) + b"\0" + number(65_537))),
    bad("a memory that shrinks", HEAD + section(MEMORY, number(1) + b"\1\2\1")),
    bad("memory read without a memory", program(code=number(1) + body(b"\x41\0\x28\2\0\x1a"))),
    bad(
        "two exports of one name",
        HEAD
        + TYPES
        + section(FUNCTION, many(1, b"\0"))
        + section(EXPORT, many(2, text("_start") + b"\0\0"))
        + section(CODE, many(1, b"\2\0\x0b")),
    ),
    bad(
        "an export name that is no UTF-8",
        HEAD + section(EXPORT, number(1) + text(b"\xff") + b"\0\0"),
    ),
    bad("a start function that is not there", HEAD + TYPES + section(START, b"\x07")),
    bad("100,001 data segments", program(extra=section(DATA, many(100_001, b"\1\0")))),
    bad("a custom section without a name", PLAIN + section(CUSTOM, b"")),
]

#: Odd, and allowed by the specification: they run, or end by their own fault.
ODD = [
    Hostile(
        "50,000 locals",
        program(code=number(1) + body(b"", MANY_LOCALS)),
        "ok",
    ),
    Hostile(
        "5,000 nested blocks",
        program(code=number(1) + body(b"\2\x40" * 5000 + b"\x0b" * 5000)),
        "ok",
    ),
    Hostile(
        "a megabyte in a custom section", PLAIN + section(CUSTOM, text("x") + bytes(1 << 20)), "ok"
    ),
    Hostile(
        "60,000 jumps in a table",
        program(code=number(1) + body(b"\x41\0\x0e" + many(60_000, b"\0") + b"\0")),
        "ok",
    ),
    Hostile(
        "a function named by control characters",
        program(
            code=number(1) + body(b"\0"),
            extra=name_section("\x1b[2J\nroot#\u202e evil"),
        ),
        "trap",
        "unreachable",
    ),
    Hostile(
        "a function with an endless name",
        program(
            code=number(1) + body(b"\0"),
            extra=name_section("x" * 90_000),
        ),
        "trap",
        "unreachable",
    ),
]


@pytest.mark.parametrize("hostile", MODULES, ids=str)
def test_what_is_no_good_module_is_refused(arena: Arena, hostile: Hostile) -> None:
    outcome = arena.fight(hostile)
    assert outcome.ops == 0


@pytest.mark.parametrize("hostile", ODD, ids=str)
def test_what_is_odd_does_no_harm(arena: Arena, hostile: Hostile) -> None:
    arena.fight(hostile)
