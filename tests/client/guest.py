"""Small wasm programs for the client's tests, written by hand."""

import wasmtime

_HEAD = """(module
 (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
 (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
 (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
 (memory (export "memory") 1)
 (data (i32.const 64) "hello from the box: ")
"""

#: Writes 20 bytes of text and 8 random bytes of the unit's seed to standard output.
HELLO = (
    _HEAD
    + """
 (func (export "_start")
  (drop (call $random (i32.const 84) (i32.const 8)))
  (i32.store (i32.const 0) (i32.const 64))
  (i32.store (i32.const 4) (i32.const 28))
  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))
"""
)

#: Writes 131,072 bytes, too many for a report, so they must be uploaded.
LARGE = (
    _HEAD
    + """
 (func (export "_start") (local $n i32)
  (i32.store (i32.const 0) (i32.const 1024))
  (i32.store (i32.const 4) (i32.const 8192))
  (loop $more
   (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
   (local.set $n (i32.add (local.get $n) (i32.const 1)))
   (br_if $more (i32.lt_u (local.get $n) (i32.const 16))))))
"""
)

TRAP = _HEAD + ' (func (export "_start") unreachable))'
FOREVER = _HEAD + ' (func (export "_start") (loop $more (br $more))))'
EXIT_3 = _HEAD + ' (func (export "_start") (call $exit (i32.const 3))))'


def module(text: str) -> bytes:
    """The binary of a program in wasm text."""
    return bytes(wasmtime.wat2wasm(text))
