"""Small wasm programs for the client's tests, written by hand."""

import wasmtime

from idlegrid.instrument import instrument

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

#: Computes for as long as it is told, with a safepoint every 100,000 turns; then writes a number.
PATIENT = """(module
 (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
 (import "idlegrid" "safepoint" (func $safepoint))
 (memory (export "memory") 100)
 (func (export "_start") (local $i i32) (local $j i32) (local $sum i64)
  (loop $on
   (call $safepoint)
   (local.set $j (i32.const 0))
   (loop $burn
    (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
     (i64.extend_i32_u (local.get $j))))
    (br_if $burn (i32.lt_u
     (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 100000))))
   (br_if $on (i32.lt_u
    (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {rounds}))))
  (i64.store (i32.const 64) (local.get $sum))
  (i32.store (i32.const 0) (i32.const 64))
  (i32.store (i32.const 4) (i32.const 8))
  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))
"""


def patient(rounds: int) -> bytes:
    """That program, ready to be checkpointed; a thousand rounds take about a tenth of a second."""
    return instrument(module(PATIENT.format(rounds=rounds)))


def module(text: str) -> bytes:
    """The binary of a program in wasm text."""
    return bytes(wasmtime.wat2wasm(text))
