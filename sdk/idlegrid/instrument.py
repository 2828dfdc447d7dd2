"""Making a module that can be checkpointed at any host call, without its author's help.

Once, when it is built: Binaryen's Asyncify teaches its functions to leave and to come back, and
its mutable globals are exported, so that a host can save them. What cannot work is refused here,
with the reason, rather than on a volunteer's machine.
"""

from idlegrid_shared.sandbox.asyncify import BLOCK_ADDRESS, CONTROLS, NO_RETURN

from .binaryen import find_binaryen, run_asyncify
from .fault import BuildError
from .wasm_module import (
    DATA_DROP,
    EXCEPTIONS,
    EXTERNAL_FUNCTION,
    I32,
    I64,
    TABLE_CHANGES,
    TAIL_CALLS,
    TYPE_NAMES,
    WasmError,
    WasmModule,
    used_instructions,
)
from .wasm_rewrite import export_globals

#: Changes whenever the same module would be instrumented into other bytes.
METHOD = "asyncify-1"
PAGE_BYTES = 65536
#: The notes on the way out of a program lie in its own memory, beside nothing else of ours.
MEMORY_BYTES_MIN = 4 * 1024**2
INSTEAD = 'use checkpoint = "app" and let it write its own files, or "none"'


def instrument(data: bytes) -> bytes:
    """The module, ready for ``checkpoint = "auto"``; the same bytes give the same bytes.

    Raises :class:`BuildError` with the reason where that cannot work.
    """
    try:
        module = WasmModule(data)
        reason = why_not(module)
    except WasmError as error:
        raise BuildError(f'checkpoint = "auto" cannot read the module: {error}') from error
    if reason:
        raise BuildError(f'checkpoint = "auto" cannot work here: {reason}; {INSTEAD}')
    result = run_asyncify(find_binaryen(), data, ",".join(safepoints(module)))
    try:
        return export_globals(result)
    except WasmError as error:
        raise BuildError(f'checkpoint = "auto" cannot read the result: {error}') from error


def instrument_method() -> str:
    """What the bytes depend on besides the module; raises :class:`BuildError` without Binaryen."""
    return f"{METHOD} {find_binaryen().version}"


def safepoints(module: WasmModule) -> list[str]:
    """The host calls at which the program can be left, as Asyncify wants them named."""
    return [
        f"{item.module}.{item.name}"
        for item in module.imports
        if item.kind == EXTERNAL_FUNCTION and item.name not in NO_RETURN
    ]


def why_not(module: WasmModule) -> str:
    """Why a module cannot be checkpointed; empty if nothing speaks against it."""
    if any(export.name in CONTROLS for export in module.exports):
        return "the module was instrumented already"
    if any(item.kind != EXTERNAL_FUNCTION for item in module.imports):
        return "it imports memories, tables or globals, which no checkpoint can save"
    if not safepoints(module):
        return (
            "it calls nothing of the host, so there is no place to stop at; "
            "call idlegrid_safepoint() in its long loops"
        )
    if module.memories != 1 or not any(export.name == "memory" for export in module.exports):
        return "it must have one memory, exported as memory"
    if module.memory_pages * PAGE_BYTES < MEMORY_BYTES_MIN + BLOCK_ADDRESS:
        return (
            f"it starts with {module.memory_pages * PAGE_BYTES} bytes of memory, and "
            f"{MEMORY_BYTES_MIN} are needed; link it with a larger stack (-Wl,-z,stack-size=…)"
        )
    if module.has_start:
        return "it has a start function, which would run again at every continuation"
    for item in module.globals:
        if item.mutable and item.type not in (I32, I64):
            kind = TYPE_NAMES.get(item.type, "reference")
            return f"it has a mutable global of type {kind}, which no checkpoint can save exactly"
    return _why_not_instructions(module)


def _why_not_instructions(module: WasmModule) -> str:
    used = used_instructions(module)
    if module.has_tags or used & EXCEPTIONS:
        return "it uses WebAssembly exceptions; compile it with -fno-exceptions"
    if used & TAIL_CALLS:
        return "it uses tail calls; compile it without -mtail-call"
    if used & TABLE_CHANGES:
        return "it changes its table of functions while it runs, which no checkpoint can save"
    if DATA_DROP in used:
        return "it drops parts of its data while it runs, which no checkpoint can save"
    return ""
