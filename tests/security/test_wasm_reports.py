"""Programs that lie about themselves: progress, exit codes, names of outputs, words to people."""

from pathlib import Path

import pytest

from idlegrid_shared.sandbox.job import Progress
from idlegrid_shared.sandbox.run import run_sandboxed
from tests.sandbox.guest import module_text, write_bytes

from .arena import UNFIT, Arena, Hostile

OPEN = (
    "(call $path_open (i32.const 3) (i32.const 0) (i32.const 1000) (i32.const {size}) "
    "(i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 80))"
)


@pytest.mark.parametrize(
    "values",
    [
        ["nan"],
        ["nan:0x123456789abcd"],
        ["inf", "-inf"],
        ["-1", "-1e308"],
        ["2", "1e308", "100"],
        ["0.9", "0.1", "0.9", "0"],
        ["5e-324", "0x1p-1074"],
    ],
    ids=str,
)
def test_progress_stays_between_nothing_and_all(arena: Arena, values: list[str]) -> None:
    seen: list[Progress] = []
    body = "".join(f"(call $progress (f64.const {value}))" for value in values) * 50
    job = arena.lab.job(body)
    outcome = run_sandboxed(job, on_progress=seen.append)
    arena.check(job, outcome)
    assert outcome.reason == "ok"
    assert all(0.0 <= report.fraction <= 1.0 for report in seen)


def test_a_flood_of_progress_does_not_drown_the_parent(arena: Arena) -> None:
    """A million reports in a run become a few a second."""
    seen: list[Progress] = []
    body = "(loop $l (call $progress (f64.const 0.5)) (br $l))"
    job = arena.lab.job(body, limits={"max_ops": 10**18, "time_s": 1.0})
    outcome = run_sandboxed(job, on_progress=seen.append)
    arena.check(job, outcome)
    assert outcome.reason == "time_limit"
    assert 1 <= len(seen) <= 5 * (outcome.elapsed_s + 2)


@pytest.mark.parametrize("code", [1, 126, 127, 128, 134, 139, 255, 256, 65536, 2**31, 2**32 - 1])
def test_exit_codes_are_told_as_they_are(arena: Arena, code: int) -> None:
    """137 and the like mean something to a shell; here they are the program's own numbers."""
    signed = code - 2**32 if code >= 2**31 else code
    body = f"(call $proc_exit (i32.const {signed}))"
    outcome = arena.fight(Hostile("exit", body, "exit_code", f"exit code {code}"))
    assert outcome.exit_code == code


NAMES = [
    "CON", "con.txt", "PRN", "AUX.tar.gz", "NUL", "nul.csv", "COM1", "com9.x", "LPT1", "lpt9.txt",
    "a:b", "file::$DATA", "back\\slash", "..\\up", "*", "what?", "a<b", "a>b", 'a"b', "a|b",
    "dot.", "space ", "...", "tab\tname", "line\nname", "bell\x07", "del\x7f", "esc\x1b[2J",
    "stdout",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names_that_some_system_would_take_for_something_else(arena: Arena, name: str) -> None:
    """Refused on every system, so that a program fails everywhere or nowhere."""
    raw = f"out/{name}".encode()
    data = "".join(f"\\{byte:02x}" for byte in raw)
    made = f"(if (i32.eqz {OPEN.format(size=len(raw))}) (then unreachable))"
    outcome = arena.fight(Hostile(name, module_text(made, data={1000: data}), "ok"))
    assert outcome.outputs == ()


def test_two_names_for_one_file_on_half_of_the_systems(arena: Arena) -> None:
    """``Result`` and ``result``, ``é`` in one and in two parts: the second is refused."""
    pairs = [(b"out/Result", b"out/RESULT"), ("out/\u00e9".encode(), "out/e\u0301".encode())]
    for first, second in pairs:
        texts = ["".join(f"\\{byte:02x}" for byte in raw) for raw in (first, second)]
        makes = OPEN.format(size=len(first))
        other = OPEN.format(size=len(second)).replace("(i32.const 1000)", "(i32.const 1100)")
        body = f"(if {makes} (then unreachable))"
        body += f"(if (i32.ne {other} (i32.const 20)) (then unreachable))"
        outcome = arena.fight(
            Hostile("pair", module_text(body, data={1000: texts[0], 1100: texts[1]}), "ok")
        )
        assert len(outcome.outputs) == 1


@pytest.mark.parametrize(
    "said",
    [
        "\x1b[2J\x1b]0;owned\x07",
        "\x9b31m",
        "ok\r\x1b[1A\x1b[2Kall is well",
        "\u202egpj.exe",
        "\x00\x01\x02",
        "\udc80 half".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
    ids=repr,
)
def test_what_is_said_aside_commands_no_terminal(arena: Arena, said: str) -> None:
    raw = said.encode()
    data = "".join(f"\\{byte:02x}" for byte in raw)
    body = write_bytes("(i32.const 2)", 1000, len(raw)) + "unreachable"
    outcome = arena.fight(Hostile("said", module_text(body, data={1000: data}), "trap"))
    assert not UNFIT - {"\n", "\t"} & set(outcome.stderr)


def test_arguments_with_control_characters_reach_the_program_and_nobody_else(arena: Arena) -> None:
    """A scientist may mean them; they are no part of any command line or message of the host's."""
    arguments = ["\x1b[2J", "line\nbreak", "--option", "$(touch /tmp/x)", "; rm -rf ~", "\u202e"]
    body = """(drop (call $args_get (i32.const 2000) (i32.const 3000)))
      (drop (call $args_sizes_get (i32.const 100) (i32.const 104)))
      (i32.store (i32.const 0) (i32.const 3000))
      (i32.store (i32.const 4) (i32.load (i32.const 104)))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"""
    job = arena.lab.job(body, args=arguments)
    outcome = arena.run(job)
    assert outcome.reason == "ok"
    expected = b"".join(text.encode() + b"\0" for text in ["guest", *arguments])
    assert arena.lab.output(job, "stdout") == expected


def test_a_crash_after_writing_leaves_nothing(arena: Arena) -> None:
    """Half a result must not be taken for one, however it ends."""
    for end in ("unreachable", "(call $proc_exit (i32.const 9))", "(loop $l (br $l))"):
        job = arena.lab.job(write_bytes("(i32.const 1)", 100, 50) + end)
        outcome = arena.run(job)
        assert outcome.outputs == ()
        assert list(Path(job.output_dir).iterdir()) == []
