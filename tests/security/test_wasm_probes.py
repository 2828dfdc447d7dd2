"""Programs that look for what they may not know, or may not touch: the host, its time, its luck."""

from pathlib import Path

import pytest

from idlegrid_shared.sandbox.run import run_sandboxed
from idlegrid_shared.sandbox.wasi import WASI_FUNCTIONS
from tests.sandbox.guest import module_text, write_bytes

from .arena import Arena, Hostile

TYPES = {"i": "i32", "I": "i64"}


def report(calls: str) -> str:
    """Make calls that leave their answers from address 1000 on, and write 1,000 bytes of it out."""
    return module_text(calls + write_bytes("(i32.const 1)", 1000, 1000), data={900: "in"})


PROBES = {
    "the clocks": report(
        "".join(
            f"(drop (call $clock_time_get (i32.const {clock}) (i64.const 1) "
            f"(i32.const {1000 + 8 * turn})))"
            for turn, clock in enumerate([0, 1, 2, 3] * 5)
        )
    ),
    "the resolution of the clocks": report(
        "".join(
            f"(drop (call $clock_res_get (i32.const {clock}) (i32.const {1000 + 8 * clock})))"
            for clock in range(4)
        )
    ),
    "entropy": report("(drop (call $random_get (i32.const 1000) (i32.const 1000)))"),
    "times of files": report(
        "(drop (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 2) "
        "(i32.const 1000)))"
        "(drop (call $fd_filestat_get (i32.const 0) (i32.const 1064)))"
        "(drop (call $fd_filestat_get (i32.const 1) (i32.const 1128)))"
    ),
    "the order of folders": report(
        "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 2) "
        "(i32.const 2) (i64.const 16384) (i64.const 0) (i32.const 0) (i32.const 80)))"
        "(drop (call $fd_readdir (i32.load (i32.const 80)) (i32.const 1000) (i32.const 1000) "
        "(i64.const 0) (i32.const 84)))"
    ),
    "memory that nobody cleared": report(
        "(drop (memory.grow (i32.const 2))) (drop (call $sched_yield))"
        "(memory.copy (i32.const 1000) (i32.const 70000) (i32.const 1000))"
    ),
    "timing by counting": report(
        """(drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 1000)))
        (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 1008)))
          (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
        (i32.store (i32.const 1016) (local.get $i))"""
    ),
}


@pytest.mark.parametrize("name", PROBES)
def test_two_hosts_look_the_same(
    arena: Arena, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts with other variables, folders, times and input files see the same bytes and ops."""
    seen = []
    for host in ("first", "second"):
        monkeypatch.setenv("USER", host)
        monkeypatch.setenv("IDLEGRID_TOKEN", host)
        folder = arena.lab.folder / host
        folder.mkdir()
        inputs = {}
        for letter in "ab" if host == "first" else "ba":
            (folder / letter).write_text("same")
            inputs[letter] = str(folder / letter)
        outcome = arena.run(arena.lab.job(PROBES[name], inputs=inputs))
        assert outcome.reason == "ok", outcome.message
        seen.append((outcome.outputs, outcome.ops))
    assert seen[0] == seen[1]


def test_nothing_of_the_hosts_environment_is_there(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDLEGRID_SECRET", "hush")
    count = (
        "(drop (call $environ_sizes_get (i32.const 1000) (i32.const 1004)))"
        "(call $proc_exit (i32.load (i32.const 1000)))"
    )
    arena.fight(Hostile("environment", count, "ok"))


SOCKETS = [name for name in WASI_FUNCTIONS if name.startswith("sock_")]


@pytest.mark.parametrize("name", SOCKETS)
def test_no_descriptor_is_a_socket(arena: Arena, name: str) -> None:
    """All numbers up to 1,000 are tried; a success would be counted into the exit code."""
    zeros = " ".join("(i32.const 0)" for _ in WASI_FUNCTIONS[name][0][1:])
    body = f"""(local.set $fd (i32.const 0))
      (loop $l
        (if (i32.eqz (call ${name} (local.get $fd) {zeros}))
          (then (local.set $i (i32.add (local.get $i) (i32.const 1)))))
        (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $fd) (i32.const 1000))))
      (call $proc_exit (local.get $i))"""
    arena.fight(Hostile(name, body, "ok"))


IMPORTS = {
    "a shell": '(import "env" "system" (func (param i32) (result i32)))',
    "a socket of an extension": (
        '(import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))'
    ),
    "a thread": '(import "wasi" "thread-spawn" (func (param i32) (result i32)))',
    "an older WASI": '(import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32)))',
    "a newer WASI": '(import "wasi:cli/environment@0.2.0" "get-environment" (func (param i32)))',
    "a memory of the host": '(import "env" "memory" (memory 1))',
    "a table of the host": '(import "env" "table" (table 1 funcref))',
    "a global of the host": '(import "env" "secret" (global i32))',
    "a known function of a wrong type": (
        '(import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))'
    ),
    "a known name as a memory": '(import "wasi_snapshot_preview1" "fd_write" (memory 1))',
    "JavaScript": '(import "./glue.js" "eval" (func (param i32 i32)))',
    "a name with control characters": '(import "\\1b[2J\\0a" "\\e2\\80\\aeevil" (func))',
    "an endless name": f'(import "env" "{"x" * 50_000}" (func))',
    "nothing at all": '(import "" "" (func))',
}


@pytest.mark.parametrize("name", IMPORTS)
def test_what_is_not_offered_cannot_be_imported(arena: Arena, name: str) -> None:
    module = f'(module {IMPORTS[name]} (func (export "_start")))'
    outcome = arena.fight(Hostile(name, module, "bad_import", "import"))
    assert outcome.ops == 0


def all_wild(name: str) -> str:
    """Call one function with every combination of a few wild numbers, then end well."""
    letters = WASI_FUNCTIONS[name][0]
    wild = ["-1", "0", "65535", "65536", "2147483648"]
    calls = []
    for turn in range(len(wild) * max(1, len(letters))):
        arguments = " ".join(
            f"({TYPES[letter]}.const {wild[(turn // (index + 1) + index) % len(wild)]})"
            for index, letter in enumerate(letters)
        )
        calls.append(f"(drop (call ${name} {arguments}))")
    return "".join(calls)


#: These end the run when a wild number asks for more than the quota.
GREEDY = ["fd_allocate", "fd_filestat_set_size"]


def test_wild_numbers_get_an_answer_and_nothing_else(arena: Arena) -> None:
    names = sorted(set(WASI_FUNCTIONS) - {"proc_exit", *GREEDY})
    body = "".join(all_wild(name) for name in names)
    assert body.count("call $") > 500
    arena.fight(Hostile("wild", body, "ok", limits={"max_ops": 10**9}))


@pytest.mark.parametrize("name", GREEDY)
def test_wild_sizes_are_refused(arena: Arena, name: str) -> None:
    opened = (
        "(if (call $path_open (i32.const 3) (i32.const 0) (i32.const 900) (i32.const 5) "
        "(i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 80)) "
        "(then unreachable))"
    )
    calls = all_wild(name).replace("(i32.const 0)", "(i32.const 4)")
    module = module_text(opened + calls, data={900: "out/x"})
    arena.fight(Hostile(name, module, "output_limit", limits={"output_bytes": 10_000}))


def test_a_program_does_not_find_the_bytes_of_the_one_before(arena: Arena) -> None:
    """One fills its memory with a mark and leaves; the next looks through all of its own memory."""
    fill = "(memory.fill (i32.const 0) (i32.const 77) (i32.const 65536))"
    look = """(loop $l
        (if (i32.eq (i32.load8_u (local.get $i)) (i32.const 77)) (then unreachable))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 65536))))"""
    assert run_sandboxed(arena.lab.job(fill)).reason == "ok"
    arena.fight(Hostile("look", look, "ok"))
