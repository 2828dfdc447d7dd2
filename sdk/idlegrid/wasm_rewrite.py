"""Letting the host reach a module's mutable globals: each gets an export of its own.

Nothing else of the module changes, and its other sections keep their bytes.
"""

from idlegrid_shared.sandbox.asyncify import GLOBAL_PREFIX

from .wasm_module import EXPORT, EXTERNAL_GLOBAL, Global, WasmError, WasmModule


def unsigned(value: int) -> bytes:
    """A number in LEB128."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def export_globals(data: bytes) -> bytes:
    """The module with every mutable global exported as :data:`GLOBAL_PREFIX` and its index.

    Raises :class:`WasmError` for what is no module, has no exports, or has such exports already.
    """
    module = WasmModule(data)
    if any(export.name.startswith(GLOBAL_PREFIX) for export in module.exports):
        raise WasmError("the module's globals are exported already")
    found = module.section(EXPORT)
    if found is None:
        raise WasmError("the module exports nothing")
    added = [item for item in module.globals if item.mutable]
    old_count = found.count()
    entries = data[found.at : found.end]
    content = unsigned(old_count + len(added)) + entries + b"".join(map(_entry, added))
    out = bytearray(data[:8])
    for number, start, end in module.sections:
        section = content if number == EXPORT else data[start:end]
        out += bytes((number,)) + unsigned(len(section)) + section
    return bytes(out)


def _entry(item: Global) -> bytes:
    name = f"{GLOBAL_PREFIX}{item.index}".encode()
    return unsigned(len(name)) + name + bytes((EXTERNAL_GLOBAL,)) + unsigned(item.index)
