"""Small guests for the tests: modules written as text, and calls into a world without an engine."""

import ctypes
import functools
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import wasmtime

from idlegrid_shared.sandbox.engine import make_engine
from idlegrid_shared.sandbox.filesystem import FileSystem
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.sandbox.wasi import OWN_FUNCTIONS, WASI_FUNCTIONS, guarded, link
from idlegrid_shared.sandbox.world import World

_TYPES = {"i": "i32", "I": "i64", "d": "f64"}
MEMORY_BYTES = 65536


def module_text(body: str, *, pages: str = "1", data: Mapping[int, str] | None = None) -> str:
    """A module whose ``_start`` is ``body``; each host function called in it is imported.

    A line ``;; functions`` in ``body`` ends ``_start``: what follows stands beside it.
    """
    imports = []
    for name in sorted(set(re.findall(r"call \$([a-z_]+)", body))):
        if name in WASI_FUNCTIONS:
            letters, module, result = WASI_FUNCTIONS[name][0], "wasi_snapshot_preview1", "i32"
        elif name in OWN_FUNCTIONS:
            letters, module, result = OWN_FUNCTIONS[name][0], "idlegrid", ""
        else:
            continue
        result = "" if name == "proc_exit" else result
        parameters = "".join(f" (param {_TYPES[letter]})" for letter in letters)
        returned = f" (result {result})" if result else ""
        imports.append(f'(import "{module}" "{name}" (func ${name}{parameters}{returned}))')
    texts = [f'(data (i32.const {at}) "{text}")' for at, text in (data or {}).items()]
    start, _, beside = body.partition(";; functions")
    lines = [*imports, f'(memory (export "memory") {pages})', *texts]
    lines.append(f'(func (export "_start") (local $i i32) (local $fd i32) {start})')
    return "(module\n" + "\n".join(lines) + beside + ")"


def assemble(text: str) -> bytes:
    """The binary module of a text module."""
    return bytes(wasmtime.wat2wasm(text))


#: Write ``size`` bytes at ``address`` to the descriptor ``fd``; uses the bytes 0 to 12.
def write_bytes(fd: str, address: int, size: int) -> str:
    return (
        f"(i32.store (i32.const 0) (i32.const {address}))"
        f"(i32.store (i32.const 4) (i32.const {size}))"
        f"(if (call $fd_write {fd} (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))"
    )


class Desk:
    """A world with 64 KiB of memory, called as a guest would call it, but from Python."""

    def __init__(
        self,
        inputs: Mapping[str, Path] | None = None,
        *,
        output_bytes: int = 10_000,
        output_files: int = 10,
        args: list[str] | None = None,
        env: dict[str, str] | None = None,
        seed: bytes = b"seed",
        own_checkpoints: bool = False,
    ) -> None:
        names = {name: str(path) for name, path in (inputs or {}).items()}
        self.files = FileSystem(output_bytes, output_files, names, own_checkpoints=own_checkpoints)
        self.world = World(
            self.files, args=args or ["program"], env=env or {}, seed=seed, log_bytes=100
        )
        self.buffer = (ctypes.c_ubyte * MEMORY_BYTES)()
        self.world.memory.attach(lambda: (ctypes.addressof(self.buffer), MEMORY_BYTES))

    def call(self, name: str, *arguments: int) -> int:
        """Call a WASI function; returns the errno."""
        letters, function = WASI_FUNCTIONS[name]
        return guarded(self.world, letters, function)(*arguments)

    def put(self, address: int, data: bytes) -> None:
        """Write into the guest's memory."""
        self.world.memory.write(address, data)

    def get(self, address: int, size: int) -> bytes:
        """Read the guest's memory."""
        return self.world.memory.read(address, size)

    def u32(self, address: int) -> int:
        """A 32-bit number in the guest's memory."""
        return self.world.memory.read_u32(address)

    def u64(self, address: int) -> int:
        """A 64-bit number in the guest's memory."""
        value: int = struct.unpack("<Q", self.get(address, 8))[0]
        return value

    def on_path(self, name: str, path: str | bytes, *after: int, fd: int = 3) -> int:
        """Call a function that takes (fd, path, length, …)."""
        raw = path.encode() if isinstance(path, str) else path
        self.put(1000, raw)
        return self.call(name, fd, 1000, len(raw), *after)

    def open(
        self, path: str | bytes, *, how: int = 0, write: bool = False, flags: int = 0, fd: int = 3
    ) -> tuple[int, int]:
        """path_open for reading, or also for writing: (errno, descriptor)."""
        raw = path.encode() if isinstance(path, str) else path
        self.put(1000, raw)
        rights = 1 << 1 | (1 << 6 if write else 0)
        errno = self.call("path_open", fd, 0, 1000, len(raw), how, rights, 0, flags, 900)
        return errno, self.u32(900)

    def create(self, path: str) -> int:
        """Open a new file for reading and writing; returns its descriptor."""
        errno, fd = self.open(path, how=1, write=True)
        assert errno == 0, f"creating {path} gave errno {errno}"
        return fd

    def write(self, fd: int, data: bytes) -> int:
        """fd_write of one buffer; returns the errno."""
        self.put(4000, data)
        self.put(800, struct.pack("<II", 4000, len(data)))
        return self.call("fd_write", fd, 800, 1, 808)

    def read(self, fd: int, size: int) -> bytes:
        """fd_read of one buffer; returns what was read."""
        self.put(800, struct.pack("<II", 4000, size))
        errno = self.call("fd_read", fd, 800, 1, 808)
        assert errno == 0, f"reading gave errno {errno}"
        return self.get(4000, self.u32(808))

    def names(self, fd: int) -> list[str]:
        """The names in an open folder, by one call of fd_readdir."""
        assert self.call("fd_readdir", fd, 20_000, 20_000, 0, 700) == 0
        data, found = self.get(20_000, self.u32(700)), []
        while data:
            size: int = struct.unpack_from("<I", data, 16)[0]
            found.append(data[24 : 24 + size].decode())
            data = data[24 + size :]
        return found


def switchboard_text() -> str:
    """A module that imports all WASI functions and exports, for each, one that calls it."""
    imports, exports = [], []
    for name, (letters, _) in sorted(WASI_FUNCTIONS.items()):
        parameters = "".join(f" (param {_TYPES[letter]})" for letter in letters)
        result = "" if name == "proc_exit" else " (result i32)"
        passed = " ".join(f"(local.get {index})" for index in range(len(letters)))
        imports.append(
            f'(import "wasi_snapshot_preview1" "{name}" (func ${name}{parameters}{result}))'
        )
        exports.append(f'(func (export "{name}"){parameters}{result} (call ${name} {passed}))')
    return "(module\n" + "\n".join([*imports, '(memory (export "memory") 1)', *exports]) + ")"


@functools.cache
def switchboard() -> tuple[wasmtime.Engine, wasmtime.Module]:
    """The engine of the standard profile, and the switchboard compiled with it."""
    engine = make_engine(msgspec.structs.asdict(current_profile()))
    return engine, wasmtime.Module(engine, switchboard_text())


class GuestDesk(Desk):
    """A desk whose calls are made by wasm code, through the engine and its real imports."""

    def __init__(self, inputs: Mapping[str, Path] | None = None, **settings: Any) -> None:
        super().__init__(inputs, **settings)
        engine, module = switchboard()
        self.store = wasmtime.Store(engine)
        self.store.set_fuel(1_000_000)
        linker = wasmtime.Linker(engine)
        link(linker, module.imports, self.world)
        self.exports = linker.instantiate(self.store, module).exports(self.store)
        memory = self.exports["memory"]
        assert isinstance(memory, wasmtime.Memory)

        def locate() -> tuple[int, int]:
            pointer = ctypes.cast(memory.data_ptr(self.store), ctypes.c_void_p).value
            return pointer or 0, memory.data_len(self.store)

        self.world.memory.attach(locate)

    def call(self, name: str, *arguments: int) -> int:
        """Let the guest call a WASI function; returns the errno that it got."""
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        letters = WASI_FUNCTIONS[name][0]
        bits = [64 if letter == "I" else 32 for letter in letters]
        # wasmtime takes signed numbers
        signed = [
            (a + (1 << size - 1)) % (1 << size) - (1 << size - 1)
            for a, size in zip(arguments, bits, strict=True)
        ]
        errno: int = function(self.store, *signed)
        return errno
