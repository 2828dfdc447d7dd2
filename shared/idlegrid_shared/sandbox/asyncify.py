"""Leaving a running program at a host call and entering it again there, by Binaryen's Asyncify.

An instrumented module (see ``idlegrid.instrument``) can *unwind*: every function on the call stack
notes where it was and returns, until ``_start`` returns to us. To *rewind* is to call ``_start``
again, which finds the way back to the same host call by these notes. In between lies nothing but
the module's memory and its globals, which a snapshot can hold.

The notes need a place. A block of the main memory serves: what it held is set aside before the
unwinding and put back right after, as no code of the program itself runs in between. So the
program's world is the same whether it was interrupted or not: no second memory, no grown one.

The fuel of the way out and back is not the program's: it is set to what it was at the host call.
"""

import struct
from collections.abc import Mapping
from typing import Any, Literal

import wasmtime

from .fault import HostFault, Refused
from .memory import GuestMemory

GLOBAL_PREFIX = "__idlegrid_global_"
CONTROLS = (
    "asyncify_start_unwind",
    "asyncify_stop_unwind",
    "asyncify_start_rewind",
    "asyncify_stop_rewind",
)
#: Where the notes lie: not at 0, which programs take for no address at all.
BLOCK_ADDRESS = 1024
#: The notes of a call are about as large as its frame on the native stack.
BLOCK_PER_STACK = 4
#: More than any way out or back can take.
TRAVEL_FUEL = 1 << 40
#: Host calls that never return: they are no place to stop at.
NO_RETURN = frozenset(("proc_exit",))

_CONTROL = struct.Struct("<II")

State = Literal["running", "unwinding", "rewinding"]


class Asyncify:
    """The controls of one instrumented instance."""

    def __init__(
        self,
        exports: Mapping[str, Any],
        store: wasmtime.Store,
        memory: GuestMemory,
        stack_bytes: int,
    ) -> None:
        """Raises ``Refused("bad_module")`` if the module was not instrumented."""
        self._store = store
        self._memory = memory
        self._block_bytes = BLOCK_PER_STACK * stack_bytes
        self._controls: dict[str, wasmtime.Func] = {}
        for name in CONTROLS:
            control = exports.get(name)
            if not isinstance(control, wasmtime.Func):
                raise Refused(
                    "bad_module",
                    "the module cannot be checkpointed: it was not instrumented for it; "
                    'build it with checkpoint = "auto"',
                )
            self._controls[name] = control
        self._globals: dict[str, wasmtime.Global] = {}
        for name in sorted(exports):
            found = exports[name]
            if name.startswith(GLOBAL_PREFIX) and isinstance(found, wasmtime.Global):
                self._globals[name] = found
        self.state: State = "running"
        #: The host call at which the program stands: its name and its arguments.
        self.call: tuple[str, list[Any]] = ("", [])
        #: Fuel left at that call.
        self.fuel = 0
        #: What the program's own memory holds where the notes were, and the notes.
        self.aside = b""
        self.notes = b""

    # --- out

    def start_unwind(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Begin to leave; call it inside a host call, which then returns without an effect."""
        self.call = (name, list(arguments))
        self.fuel = self._store.get_fuel()
        size = min(self._block_bytes, self._memory.size() - BLOCK_ADDRESS)
        self.aside = self._memory.read(BLOCK_ADDRESS, size)
        self._write_control(BLOCK_ADDRESS + _CONTROL.size, BLOCK_ADDRESS + size)
        self._control("asyncify_start_unwind", BLOCK_ADDRESS)
        self.state = "unwinding"

    def stop_unwind(self) -> None:
        """The program has returned: take the notes and put its memory right."""
        self._control("asyncify_stop_unwind")
        end = self._memory.read_u32(BLOCK_ADDRESS)
        if not BLOCK_ADDRESS + _CONTROL.size <= end <= BLOCK_ADDRESS + len(self.aside):
            raise HostFault("the program lost its place while it was being checkpointed")
        start = BLOCK_ADDRESS + _CONTROL.size
        self.notes = self._memory.read(start, end - start)
        self._memory.write(BLOCK_ADDRESS, self.aside)
        self.state = "running"

    # --- back

    def start_rewind(self) -> None:
        """Prepare the way back; ``_start`` is to be called next.

        Raises ``Refused("bad_checkpoint")`` when the memory is too small for the notes.
        """
        size = _CONTROL.size + len(self.notes)
        if BLOCK_ADDRESS + size > self._memory.size():
            raise Refused("bad_checkpoint", "the checkpoint does not fit into its memory")
        self.aside = self._memory.read(BLOCK_ADDRESS, size)
        end = BLOCK_ADDRESS + size
        self._memory.write(BLOCK_ADDRESS + _CONTROL.size, self.notes)
        self._write_control(end, end)
        self._control("asyncify_start_rewind", BLOCK_ADDRESS)
        self.state = "rewinding"

    def arrive(self, name: str, arguments: tuple[Any, ...]) -> None:
        """The way back has ended in a host call, which must be the one that was left.

        Raises ``Refused("bad_checkpoint")`` if it is another.
        """
        if self.state != "rewinding" or (name, list(arguments)) != self.call:
            raise Refused("bad_checkpoint", "the checkpoint leads to another place in the program")
        self._control("asyncify_stop_rewind")
        self._memory.write(BLOCK_ADDRESS, self.aside)
        self._store.set_fuel(self.fuel)
        self.aside = self.notes = b""
        self.state = "running"

    # --- globals

    def read_globals(self) -> dict[str, int]:
        """Every mutable global by name; all are whole numbers, as instrumenting made sure."""
        return {name: int(found.value(self._store)) for name, found in self._globals.items()}

    def write_globals(self, values: dict[str, Any]) -> None:
        """Set every mutable global; raises ``Refused("bad_checkpoint")`` if they do not fit."""
        if set(values) != set(self._globals):
            raise Refused("bad_checkpoint", "the checkpoint holds other globals than the module")
        for name, value in values.items():
            found = self._globals[name]
            bits = 32 if found.type(self._store).content == wasmtime.ValType.i32() else 64
            fits = type(value) is int and -(1 << bits - 1) <= value < 1 << bits - 1
            if not fits:
                raise Refused("bad_checkpoint", f"the global {name} cannot hold its value")
            kind = wasmtime.Val.i32 if bits == 32 else wasmtime.Val.i64
            found.set_value(self._store, kind(value))

    # --- inside

    def _write_control(self, at: int, end: int) -> None:
        self._memory.write(BLOCK_ADDRESS, _CONTROL.pack(at, end))

    def _control(self, name: str, *arguments: int) -> None:
        # The fuel of the controls and of the way is ours.
        self._store.set_fuel(TRAVEL_FUEL)
        self._controls[name](self._store, *arguments)


def clear_memory(memory: GuestMemory) -> None:
    """Fill the whole memory with zeros, without touching pages that are zero already."""
    page = 65536
    zeros = bytes(page)
    for start in range(0, memory.size(), page):
        span = memory.span(start, page)
        if bytes(span) != zeros:
            span[:] = zeros
