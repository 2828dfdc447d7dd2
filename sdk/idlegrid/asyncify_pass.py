"""Binaryen's Asyncify over one module, in a process of its own: it aborts on what it cannot do.

Run as ``python -P -m idlegrid.asyncify_pass LIBRARY INPUT OUTPUT IMPORTS``; what it says is the
reason when it ends with anything but 0. It uses the C interface of ``libbinaryen`` (binaryen-c.h,
version 116), of which the declarations below are all that is needed.
"""

import ctypes
import sys
from pathlib import Path

#: What compilers emit for wasm32-wasi today; never exceptions, threads or several memories.
FEATURES = (
    "MutableGlobals",
    "SignExt",
    "NontrappingFPToInt",
    "SIMD128",
    "BulkMemory",
    "Multivalue",
    "ReferenceTypes",
    "ExtendedConst",
)
OPTIMIZE_LEVEL = 3
SHRINK_LEVEL = 0
#: The pass itself, then what tidies up the many local variables that it leaves behind.
PASSES = ("asyncify",)


class _Written(ctypes.Structure):
    _fields_ = (
        ("binary", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("source_map", ctypes.c_void_p),
    )


def run_passes(library: str, data: bytes, imports: str, passes: tuple[str, ...] = PASSES) -> bytes:
    """The module after the passes; raises ``ValueError`` for an invalid one, or ends the process.

    ``imports`` are the functions at which a program can be left, as ``module.name,…``.
    """
    lib = ctypes.CDLL(library)
    lib.BinaryenModuleRead.restype = ctypes.c_void_p
    lib.BinaryenModuleRead.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
    lib.BinaryenModuleSetFeatures.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    lib.BinaryenModuleValidate.argtypes = (ctypes.c_void_p,)
    lib.BinaryenModuleValidate.restype = ctypes.c_bool
    lib.BinaryenSetPassArgument.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    lib.BinaryenModuleRunPasses.argtypes = (
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_char_p),
        ctypes.c_uint32,
    )
    lib.BinaryenModuleAllocateAndWrite.restype = _Written
    lib.BinaryenModuleAllocateAndWrite.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    module = lib.BinaryenModuleRead(data, len(data))
    features = 0
    for name in FEATURES:
        features |= getattr(lib, f"BinaryenFeature{name}")()
    lib.BinaryenModuleSetFeatures(module, features)
    if not lib.BinaryenModuleValidate(module):
        raise ValueError("the module is not valid, or uses features that it cannot have here")
    lib.BinaryenSetOptimizeLevel(OPTIMIZE_LEVEL)
    lib.BinaryenSetShrinkLevel(SHRINK_LEVEL)
    lib.BinaryenSetPassArgument(b"asyncify-imports", imports.encode())
    names = (ctypes.c_char_p * len(passes))(*(name.encode() for name in passes))
    lib.BinaryenModuleRunPasses(module, names, len(passes))
    if not lib.BinaryenModuleValidate(module):
        raise ValueError("the module is not valid any more after its instrumentation")
    written = lib.BinaryenModuleAllocateAndWrite(module, None)
    return ctypes.string_at(written.binary, written.size)


def main(arguments: list[str]) -> int:
    """Read, run, write."""
    library, source, target, imports = arguments
    try:
        result = run_passes(library, Path(source).read_bytes(), imports)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Path(target).write_bytes(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
