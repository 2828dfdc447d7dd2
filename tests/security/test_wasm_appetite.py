"""Programs that want everything: memory, disk, files, time, output, stack, tables."""

import psutil
import pytest

from idlegrid_shared.sandbox.run import SandboxProcess
from tests.sandbox.guest import module_text, write_bytes

from .arena import Arena, Hostile
from .wasm_bytes import DATA, number, program, section

MIB = 1 << 20
#: The beginning of a data section: one active segment, for address 0.
SEGMENT = b"\1\0\x41\0\x0b"
TIB = "(i64.const 1099511627776)"
LONG = {"max_ops": 10**18, "time_s": 0.5}
FILL = """
  (loop $more
    (br_if $more (i32.ne (memory.grow (i32.const {step})) (i32.const -1))))
  {then}"""
OPEN = (
    "(call $path_open (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 6) (i32.const 1) "
    "(i64.const 66) (i64.const 0) (i32.const 0) (i32.const 80))"
)
#: The two letters at the end of the path are counted up, so that each turn has a new name.
NEXT_NAME = """
  (i32.store8 (i32.const 904) (i32.add (i32.const 97) (i32.rem_u (local.get $i) (i32.const 26))))
  (i32.store8 (i32.const 905) (i32.add (i32.const 97) (i32.div_u (local.get $i) (i32.const 26))))
  (local.set $i (i32.add (local.get $i) (i32.const 1)))"""
FD = "(i32.load (i32.const 80))"
CHAIN = "(call $f (i32.add (local.get $n) (i32.const 1)))"


def forever(body: str) -> str:
    """``body`` without end."""
    return f"(loop $again {body} (br $again))"


def with_path(body: str) -> str:
    return module_text(body, data={900: "out/aa"})


def in_start(body: str, beside: str = "") -> str:
    """A module whose start function, which runs before ``_start``, is ``body``."""
    return (
        '(module (memory (export "memory") 1) '
        f'(func $first {body}) (start $first) (func (export "_start")) {beside})'
    )


HOSTILE = [
    # memory
    Hostile(
        "memory page by page",
        FILL.format(step=1, then="unreachable"),
        "memory_limit",
        "memory",
        {"memory_bytes": 64 * MIB},
    ),
    Hostile(
        "memory in one gulp, then a crash",
        "(drop (memory.grow (i32.const 65535))) unreachable",
        "trap",
        "unreachable",
    ),
    Hostile("4 GiB from the start", module_text("", pages="65536"), "memory_limit", "memory"),
    Hostile("a hidden memory", '(module (memory 60000) (func (export "_start")))', "memory_limit"),
    Hostile(
        "writing through all of the memory again and again",
        forever("(memory.fill (i32.const 0) (i32.const 7) (i32.const 65536))"),
        "out_of_ops",
        "limit of ops",
    ),
    Hostile(
        "a data segment larger than the memory",
        program(memory=b"\1\0\1", extra=section(DATA, SEGMENT + number(MIB) + bytes(MIB))),
        "trap",
        "out of bounds",
    ),
    Hostile(
        "a data segment behind the memory",
        '(module (memory (export "memory") 1) (data (i32.const 65530) "too much of it")'
        '(func (export "_start")))',
        "trap",
        "out of bounds",
    ),
    # tables
    Hostile(
        "a table of 4 billion entries",
        '(module (table 4294967295 funcref) (func (export "_start")))',
        "bad_module",
    ),
    Hostile(
        "a hundred tables",
        "(module " + "(table 10 funcref)" * 100 + '(func (export "_start")))',
        "bad_module",
    ),
    Hostile(
        "a table that grows for ever",
        '(module (table $t 1 funcref) (func (export "_start") (loop $l (br_if $l (i32.ne '
        "(table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)))) unreachable))",
        "trap",
    ),
    Hostile(
        "a call through a table into nothing",
        '(module (type $t (func)) (table 4 funcref) (func (export "_start") '
        "(call_indirect (type $t) (i32.const 3))))",
        "trap",
    ),
    # time
    Hostile("an endless loop", forever(""), "out_of_ops", "limit of ops"),
    Hostile("an endless loop that ops would allow", forever(""), "time_limit", "0.5 s", LONG),
    Hostile(
        "an endless loop of host calls",
        forever("(drop (call $sched_yield))"),
        "time_limit",
        "0.5 s",
        LONG,
    ),
    Hostile(
        "an endless loop of dear host calls",
        forever("(drop (call $random_get (i32.const 0) (i32.const 65536)))"),
        "time_limit",
        "0.5 s",
        LONG,
    ),
    Hostile(
        "sleeping for ever",
        """(i64.store (i32.const 1024) (i64.const -1)) (i32.store (i32.const 1016) (i32.const 1))"""
        + forever(
            "(drop (call $poll_oneoff (i32.const 1000) (i32.const 2000) (i32.const 1) "
            "(i32.const 80))) (drop (call $clock_time_get (i32.const 0) (i64.const 0) "
            "(i32.const 88)))"
        ),
        "time_limit",
        "0.5 s",
        LONG,
    ),
    Hostile("a start function that loops", in_start(forever("")), "out_of_ops", "limit of ops"),
    Hostile("a start function that crashes", in_start("unreachable"), "trap", "unreachable"),
    Hostile(
        "a start function that loops by time", in_start(forever("")), "time_limit", "0.5 s", LONG
    ),
    # stack
    Hostile(
        "recursion",
        f"(call $f (i32.const 0)) ;; functions (func $f (param $n i32) {CHAIN} "
        "(drop (i32.load (i32.const 0))))",
        "stack_overflow",
        "too deeply",
    ),
    Hostile(
        "recursion in a start function",
        in_start(
            "(call $f (i32.const 0))",
            f"(func $f (param $n i32) {CHAIN} (drop (i32.load (i32.const 0))))",
        ),
        "stack_overflow",
        "too deeply",
    ),
    Hostile(
        "tail calls for ever",
        "(call $f (i32.const 0)) ;; functions "
        "(func $f (param $n i32) (return_call $f (local.get $n)))",
        "out_of_ops",
    ),
    # disk
    Hostile(
        "endless standard output",
        forever(write_bytes("(i32.const 1)", 100, 10_000)),
        "output_limit",
        "100000 bytes",
    ),
    Hostile(
        "endless standard error",
        forever(write_bytes("(i32.const 2)", 100, 60_000)),
        "out_of_ops",
        limits={"max_ops": 200_000},
    ),
    Hostile(
        "a file of a terabyte",
        with_path(f"(drop {OPEN}) (drop (call $fd_filestat_set_size {FD} {TIB}))"),
        "output_limit",
        "100000 bytes",
    ),
    Hostile(
        "a terabyte allocated",
        with_path(f"(drop {OPEN}) (drop (call $fd_allocate {FD} (i64.const 0) {TIB}))"),
        "output_limit",
    ),
    Hostile(
        "a byte behind a terabyte of nothing",
        with_path(
            f"(drop {OPEN}) (drop (call $fd_seek {FD} {TIB} (i32.const 0) "
            f"(i32.const 88)))" + write_bytes(FD, 100, 1)
        ),
        "output_limit",
    ),
    Hostile(
        "files that are unlinked but kept open",
        with_path(
            forever(
                OPEN.join(["(drop ", ")"])
                + write_bytes(FD, 100, 9_000)
                + "(drop (call $path_unlink_file (i32.const 3) (i32.const 900) (i32.const 6)))"
            )
        ),
        "file_limit",
        "limit of 5",
    ),
    Hostile("files without end", with_path(forever(f"{NEXT_NAME} (drop {OPEN})")), "file_limit"),
    Hostile(
        "folders without end",
        with_path(
            forever(
                f"{NEXT_NAME} (drop (call $path_create_directory (i32.const 3) (i32.const 900) "
                "(i32.const 6)))"
            )
        ),
        "file_limit",
        "1000 folders",
    ),
    Hostile(
        "opening one file again and again",
        with_path(f"(drop {OPEN})" + forever(f"(drop {OPEN})")),
        "out_of_ops",
        limits={"max_ops": 200_000},
    ),
    Hostile(
        "a thousand buffers that are all of the memory",
        """(loop $l
          (i32.store offset=4 (i32.mul (i32.const 8) (local.get $i)) (i32.const 60000))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $i) (i32.const 1024))))
        (if (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1024) (i32.const 9000))
          (then unreachable))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 9000)))""",
        "output_limit",
    ),
    Hostile(
        "more buffers than any system takes",
        "(if (i32.ne (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 80)) "
        "(i32.const 21)) (then unreachable))",
        "ok",
    ),
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_the_limits_hold(arena: Arena, hostile: Hostile) -> None:
    arena.fight(hostile)


def test_what_a_greedy_program_costs_the_host_is_bounded(arena: Arena) -> None:
    """It fills its memory, all tables, the log and its output: the worker stays near its limits."""
    tables = " ".join(f"(table $t{n} 1 funcref)" for n in range(4))
    grow = " ".join(
        f"(drop (table.grow $t{n} (ref.null func) (i32.const 999999)))" for n in range(4)
    )
    fill = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 67108864))"
    module = (
        '(module (import "idlegrid" "progress" (func $progress (param f64))) '
        f'{tables} (memory (export "memory") 1024) (func (export "_start") '
        f"{grow} {fill} (call $progress (f64.const 0.5)) (loop $l (br $l))))"
    )
    limits = {"memory_bytes": 64 * MIB, "max_ops": 10**18, "time_s": 60.0}
    with SandboxProcess.start(arena.lab.job(module, limits=limits)) as process:
        for _ in range(600):
            if process.progress.fraction == 0.5 or process.wait(0.05) is not None:
                break
        assert process.progress.fraction == 0.5, process.poll()
        assert process.pid is not None
        used = psutil.Process(process.pid).memory_info().rss
    assert used < 64 * MIB + 32 * MIB + 100 * MIB, f"{used / MIB:.0f} MiB"
