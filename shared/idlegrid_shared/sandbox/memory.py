"""The guest's linear memory, seen through bounds checks. No pointer is used unchecked."""

import ctypes
import struct
from collections.abc import Callable

from . import abi
from .fault import bad_address

VECTORS_MAX = 1024

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_VECTOR = struct.Struct("<II")

Locate = Callable[[], tuple[int, int]]


class GuestMemory:
    """Checked access to one wasm memory.

    The view is cached. It stays right because the memory never moves (the engine reserves 4 GiB)
    and never shrinks; only an access beyond the cached end looks up the size again. Every method
    raises ``WasiError(FAULT)`` when the bytes meant do not all lie inside the memory.
    """

    def __init__(self, locate: Locate | None = None) -> None:
        """``locate`` returns (host address, size in bytes); without it there is no memory yet."""
        self._locate = locate
        self._view = memoryview(bytearray())

    def attach(self, locate: Locate) -> None:
        """Use the memory that ``locate`` describes from now on."""
        self._locate = locate
        self._view = memoryview(bytearray())

    def size(self) -> int:
        """The memory's size in bytes now, which is also its peak."""
        return self._locate()[1] if self._locate else 0

    def span(self, address: int, size: int) -> memoryview:
        """The writable bytes ``address .. address + size``."""
        end = address + size
        if end > len(self._view):
            self._refresh()
            if end > len(self._view):
                raise bad_address()
        return self._view[address:end]

    def _refresh(self) -> None:
        if self._locate is None:
            return
        address, size = self._locate()
        if size:
            # Only the range that wasmtime itself reports as this memory is ever mapped here.
            self._view = memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")

    def read(self, address: int, size: int) -> bytes:
        """A copy of ``size`` bytes at ``address``."""
        return bytes(self.span(address, size))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Put ``data`` at ``address``."""
        self.span(address, len(data))[:] = data

    def read_u32(self, address: int) -> int:
        """The little-endian 32-bit number at ``address``."""
        value: int = _U32.unpack(self.span(address, 4))[0]
        return value

    def write_u16(self, address: int, value: int) -> None:
        """Write a little-endian 16-bit number."""
        self.span(address, 2)[:] = _U16.pack(value)

    def write_u32(self, address: int, value: int) -> None:
        """Write a little-endian 32-bit number."""
        self.span(address, 4)[:] = _U32.pack(value)

    def write_u64(self, address: int, value: int) -> None:
        """Write a little-endian 64-bit number."""
        self.span(address, 8)[:] = _U64.pack(value)

    def vectors(self, address: int, count: int) -> list[memoryview]:
        """The buffers of an iovec array, all checked before any is used.

        More than ``VECTORS_MAX`` buffers, or more than 4 GiB in total, are a fault as well.
        """
        if count > VECTORS_MAX:
            raise bad_address()
        table = self.span(address, count * abi.IOVEC_BYTES)
        spans = [self.span(base, size) for base, size in _VECTOR.iter_unpack(table)]
        if sum(map(len, spans)) > 0xFFFFFFFF:
            raise bad_address()
        return spans
