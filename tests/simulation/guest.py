"""The wasm program of the simulation: it writes one line, whatever it is given."""

import wasmtime

#: Only ever run on the server, as a combine step; what tasks compute is `behaviour`'s.
COMBINE = """(module
 (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
 (memory (export "memory") 1)
 (data (i32.const 64) "combined\\n")
 (func (export "_start")
  (i32.store (i32.const 0) (i32.const 64))
  (i32.store (i32.const 4) (i32.const 9))
  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))
"""


def module(text: str) -> bytes:
    """The binary of a program in wasm text."""
    return bytes(wasmtime.wat2wasm(text))
