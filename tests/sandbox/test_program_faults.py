"""What a program can do wrong while it runs: the outcome tells it apart."""

from pathlib import Path

import pytest

from idlegrid_shared.sandbox.job import Progress
from idlegrid_shared.sandbox.run import run_sandboxed

from .conftest import Lab
from .guest import module_text, write_bytes

DEEP = """(call $down (i32.const 0)) ;; functions
  (func $down (param i32)
    (call $down (i32.add (local.get 0) (i32.const 1))) (drop (i32.load (i32.const 0))))"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("unreachable", "unreachable"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "division by zero"),
        ("(drop (i32.load (i32.const 10000000)))", "memory out of bounds"),
        ("(drop (i32.trunc_f64_s (f64.const nan)))", "conversion"),
    ],
)
def test_traps_are_errors_of_the_program(lab: Lab, body: str, words: str) -> None:
    outcome = lab.run(body)
    assert (outcome.status, outcome.reason) == ("error", "trap")
    assert words in outcome.message


def test_endless_recursion_is_a_stack_overflow(lab: Lab) -> None:
    assert lab.run(DEEP).reason == "stack_overflow"


def test_the_depth_of_recursion_is_the_same_every_time(lab: Lab) -> None:
    assert lab.run(DEEP).ops == lab.run(DEEP, cache_dir=None).ops


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [(0, "success", "ok"), (7, "error", "exit_code"), (-1, "error", "exit_code")],
)
def test_exit_codes(lab: Lab, code: int, status: str, reason: str) -> None:
    outcome = lab.run(f"(call $proc_exit (i32.const {code})) unreachable")
    assert (outcome.status, outcome.reason) == (status, reason)
    assert outcome.exit_code == code % 2**32


def test_a_failed_program_leaves_no_output(lab: Lab) -> None:
    """It wrote a file and then failed: half a result must not be taken for one."""
    job = lab.job(write_bytes("(i32.const 1)", 100, 10) + "(call $proc_exit (i32.const 1))")
    assert run_sandboxed(job).outputs == ()
    assert list(Path(job.output_dir).iterdir()) == []


def test_progress_is_passed_on(lab: Lab) -> None:
    seen: list[Progress] = []
    body = "".join(f"(call $progress (f64.const {value}))" for value in ("0.25", "0.5", "nan"))
    assert run_sandboxed(lab.job(body), on_progress=seen.append).reason == "ok"
    assert seen[-1].fraction == 0.5
    assert seen[-1].started
    assert seen[-1].ops > 0


def test_a_write_leaves_the_program_by_an_output_file(lab: Lab) -> None:
    job = lab.job(module_text(write_bytes("(i32.const 1)", 64, 6), data={64: "hello\\n"}))
    outcome = run_sandboxed(job)
    assert [(e.name, e.bytes) for e in outcome.outputs] == [("stdout", 6)]
    assert lab.output(job, "stdout") == b"hello\n"
