"""Reading a WebAssembly module far enough to judge it, strictly: what is odd is refused.

Source: the WebAssembly core specification 2.0, chapter "Binary Format", with tail calls.
"""

from collections.abc import Iterator

import msgspec

MAGIC = b"\0asm\1\0\0\0"
CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA = range(
    12
)
DATA_COUNT, TAG = 12, 13

EXTERNAL_FUNCTION, EXTERNAL_TABLE, EXTERNAL_MEMORY, EXTERNAL_GLOBAL, EXTERNAL_TAG = range(5)
I32, I64, F32, F64, V128, FUNCREF, EXTERNREF = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0x70, 0x6F
TYPE_NAMES = {I32: "i32", I64: "i64", F32: "f32", F64: "f64", V128: "v128"}

ITEMS_MAX = 1_000_000


class WasmError(ValueError):
    """The bytes are no module that this reader understands; the message says where and why."""


class Reader:
    """Reads numbers and names off a part of a module; never beyond its end."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = start
        self.end = len(data) if end is None else end

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self.end

    def error(self, text: str) -> WasmError:
        """An error at this place."""
        return WasmError(f"byte {self.at}: {text}")

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if size > self.end - self.at:
            raise self.error("the module ends in the middle of something")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        """The next byte."""
        if self.at >= self.end:
            raise self.error("the module ends in the middle of something")
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self, bits: int = 32) -> int:
        """An unsigned number in LEB128, of at most ``bits`` bits."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift >= bits:
                raise self.error("a number is too long")
        if value >> bits:
            raise self.error("a number is too large")
        return value

    def skip_signed(self, bits: int) -> None:
        """Pass over a signed number in LEB128."""
        for _ in range(0, bits, 7):
            if self.byte() < 0x80:
                return
        raise self.error("a number is too long")

    def count(self) -> int:
        """The length of a list; each member takes a byte at least."""
        value = self.unsigned()
        if value > min(ITEMS_MAX, self.end - self.at):
            raise self.error(f"a list of {value} members does not fit")
        return value

    def name(self) -> str:
        """A UTF-8 name."""
        try:
            return self.take(self.unsigned()).decode()
        except UnicodeDecodeError as error:
            raise self.error("a name is no text") from error


class Import(msgspec.Struct, frozen=True):
    """Something that the module wants from its host."""

    module: str
    name: str
    kind: int


class Export(msgspec.Struct, frozen=True):
    """Something that the module offers to its host."""

    name: str
    kind: int
    index: int


class Global(msgspec.Struct, frozen=True):
    """A global of the module's own, by its index among all globals."""

    index: int
    type: int
    mutable: bool


class WasmModule:
    """The sections of a module, and what matters of them."""

    def __init__(self, data: bytes) -> None:
        """Read a module; raises :class:`WasmError`."""
        self.data = data
        #: (number, start of the content, end) in the order of the file.
        self.sections = list(_sections(data))
        self.imports: list[Import] = []
        self.globals: list[Global] = []
        self.exports: list[Export] = []
        self.memories = 0
        self.memory_pages = 0
        self.has_start = self.has_tags = False
        for number, start, end in self.sections:
            reader = Reader(data, start, end)
            if number == IMPORT:
                self.imports = [_read_import(reader) for _ in range(reader.count())]
            elif number == MEMORY:
                self.memories = reader.count()
                for _ in range(self.memories):
                    self.memory_pages = _read_limits(reader)
            elif number == GLOBAL:
                self._read_globals(reader)
            elif number == EXPORT:
                self.exports = [_read_export(reader) for _ in range(reader.count())]
            else:
                self.has_start |= number == START
                self.has_tags |= number == TAG
                continue
            if not reader.done:
                raise reader.error(f"section {number} is longer than its content")

    def _read_globals(self, reader: Reader) -> None:
        first = sum(item.kind == EXTERNAL_GLOBAL for item in self.imports)
        for index in range(reader.count()):
            kind, mutable = reader.byte(), reader.byte()
            if mutable > 1:
                raise reader.error("a global is neither fixed nor mutable")
            skip_expression(reader)
            self.globals.append(Global(first + index, kind, bool(mutable)))

    def section(self, number: int) -> Reader | None:
        """A reader of the first section of that number."""
        for found, start, end in self.sections:
            if found == number:
                return Reader(self.data, start, end)
        return None


def _sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    if not data.startswith(MAGIC):
        raise WasmError("it is no WebAssembly module (core, version 1)")
    reader = Reader(data, len(MAGIC))
    seen: set[int] = set()
    while not reader.done:
        number = reader.byte()
        size = reader.unsigned()
        if number != CUSTOM and number in seen:
            raise reader.error(f"section {number} stands twice")
        seen.add(number)
        start = reader.at
        reader.take(size)
        yield number, start, reader.at


def _read_limits(reader: Reader) -> int:
    flags = reader.byte()
    if flags > 1:
        raise reader.error("a memory or table is shared, or of 64 bits")
    lowest = reader.unsigned()
    if flags & 1:
        reader.unsigned()
    return lowest


def _read_import(reader: Reader) -> Import:
    module, name, kind = reader.name(), reader.name(), reader.byte()
    if kind == EXTERNAL_FUNCTION:
        reader.unsigned()
    elif kind == EXTERNAL_TABLE:
        reader.byte()
        _read_limits(reader)
    elif kind == EXTERNAL_MEMORY:
        _read_limits(reader)
    elif kind == EXTERNAL_GLOBAL:
        reader.take(2)
    elif kind == EXTERNAL_TAG:
        reader.byte()
        reader.unsigned()
    else:
        raise reader.error(f"an import of unknown kind {kind}")
    return Import(module, name, kind)


def _read_export(reader: Reader) -> Export:
    name, kind, index = reader.name(), reader.byte(), reader.unsigned()
    if kind > EXTERNAL_TAG:
        raise reader.error(f"an export of unknown kind {kind}")
    return Export(name, kind, index)


def skip_expression(reader: Reader) -> None:
    """Pass over a constant expression with its end."""
    while (operation := read_instruction(reader)) != 0x0B:
        if operation not in _CONSTANT:
            raise reader.error(f"instruction {operation:#x} in a constant")


# --- instructions: (a prefix shifted by 16 bits) | number

TRY, CATCH, THROW, RETHROW, THROW_REF, DELEGATE, CATCH_ALL, TRY_TABLE = (
    0x06, 0x07, 0x08, 0x09, 0x0A, 0x18, 0x19, 0x1F,
)  # fmt: skip
EXCEPTIONS = frozenset((TRY, CATCH, THROW, RETHROW, THROW_REF, DELEGATE, CATCH_ALL, TRY_TABLE))
TAIL_CALLS = frozenset((0x12, 0x13))
#: table.set, table.init, elem.drop, table.copy, table.grow, table.fill
TABLE_CHANGES = frozenset((0x26, *(0xFC0000 | number for number in (12, 13, 14, 15, 17))))
DATA_DROP = 0xFC0009

_CONSTANT = frozenset((0x41, 0x42, 0x43, 0x44, 0x23, 0xD0, 0xD2, 0xFD000C, *range(0x6A, 0x6D),
                       *range(0x7C, 0x7F)))  # fmt: skip
#: How many unsigned numbers follow an instruction; those not named stand alone.
_NUMBERS = {
    THROW: 1, RETHROW: 1, CATCH: 1, DELEGATE: 1, 0x0C: 1, 0x0D: 1, 0x10: 1, 0x11: 2, 0x12: 1,
    0x13: 2, **dict.fromkeys(range(0x20, 0x27), 1), 0x3F: 1, 0x40: 1, 0xD2: 1,
}  # fmt: skip
_NUMBERS_FC = {8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}
#: How many bits the signed number after an instruction has at most; how many bytes a constant.
_SIGNED_BITS = {0x02: 33, 0x03: 33, 0x04: 33, TRY: 33, 0x41: 32, 0x42: 64, 0xD0: 33}
_FIXED_BYTES = {0x43: 4, 0x44: 8}
_LAST_PLAIN = 0xC4


def read_instruction(reader: Reader) -> int:
    """Pass over one instruction with what belongs to it; returns its number."""
    operation = reader.byte()
    if operation in (0xFC, 0xFD):
        number = reader.unsigned()
        if operation == 0xFC:
            _skip_numbers(reader, _NUMBERS_FC.get(number, 0) if number <= 17 else -1)
        else:
            _skip_vector(reader, number)
        return operation << 16 | number
    if operation in _SIGNED_BITS:
        reader.skip_signed(_SIGNED_BITS[operation])
    elif operation in _FIXED_BYTES:
        reader.take(_FIXED_BYTES[operation])
    elif operation == TRY_TABLE:
        reader.skip_signed(33)
        for _ in range(reader.count()):
            _skip_numbers(reader, 1 if reader.byte() >= 2 else 2)
    elif operation == 0x0E:
        _skip_numbers(reader, reader.count() + 1)
    elif operation == 0x1C:
        reader.take(reader.count())
    elif 0x28 <= operation <= 0x3E:
        _skip_address(reader)
    elif operation > _LAST_PLAIN and operation not in (0xD1, 0xD2):
        raise reader.error(f"unknown instruction {operation:#x}")
    else:
        _skip_numbers(reader, _NUMBERS.get(operation, 0))
    return operation


def _skip_numbers(reader: Reader, count: int) -> None:
    if count < 0:
        raise reader.error("unknown instruction")
    for _ in range(count):
        reader.unsigned()


def _skip_address(reader: Reader) -> None:
    align = reader.unsigned()
    if align & 0x40:
        reader.unsigned()
    reader.unsigned(64)


def _skip_vector(reader: Reader, number: int) -> None:
    if number in (12, 13):
        reader.take(16)
    elif number <= 11 or number in (92, 93):
        _skip_address(reader)
    elif 84 <= number <= 91:
        _skip_address(reader)
        reader.byte()
    elif 21 <= number <= 34:
        reader.byte()
    elif number > 0x113:
        raise reader.error(f"unknown vector instruction {number:#x}")


def used_instructions(module: WasmModule) -> set[int]:
    """Every kind of instruction in the module's functions; raises :class:`WasmError`."""
    used: set[int] = set()
    code = module.section(CODE)
    for _ in range(code.count() if code is not None else 0):
        if code is None:
            break
        size = code.unsigned()
        end = code.at + size
        if end > code.end:
            raise code.error("a function is longer than its section")
        body = Reader(code.data, code.at, end)
        for _ in range(body.count()):
            body.unsigned()
            body.byte()
        while not body.done:
            used.add(read_instruction(body))
        code.at = end
    return used
