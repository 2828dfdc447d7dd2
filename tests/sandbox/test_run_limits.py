"""Each limit of a run holds, and the outcome says which one it was."""

import pytest

from idlegrid_shared.sandbox.job import Outcome

from .conftest import Lab
from .guest import module_text, write_bytes

ENDLESS = "(loop $again (br $again))"
CREATE = (
    "(if (call $path_open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 6) (i32.const 1) "
    "(i64.const 66) (i64.const 0) (i32.const 0) (i32.const 80)) (then unreachable))"
)


def check_error(outcome: Outcome, reason: str) -> None:
    assert (outcome.status, outcome.reason) == ("error", reason), outcome.message
    assert outcome.outputs == ()


def test_an_endless_loop_runs_out_of_ops(lab: Lab) -> None:
    outcome = lab.run(ENDLESS, limits={"max_ops": 1_000_000})
    check_error(outcome, "out_of_ops")
    assert outcome.ops == 1_000_000


def test_the_limit_of_ops_is_the_line(lab: Lab) -> None:
    """The engine looks at the limit at each turn of a loop, so the line is sharp to one turn."""
    body = (
        "(local.set $i (i32.const 1000)) "
        "(loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
    )
    needed = lab.run(body).ops
    assert lab.run(body, limits={"max_ops": needed}).reason == "ok"
    assert lab.run(body, limits={"max_ops": needed - 20}).reason == "out_of_ops"


def test_a_loop_that_ops_would_allow_is_ended_by_time(lab: Lab) -> None:
    outcome = lab.run(ENDLESS, limits={"max_ops": 10**18, "time_s": 0.2})
    check_error(outcome, "time_limit")
    assert outcome.cpu_s >= 0.2


def test_allocating_without_end_is_a_memory_limit(lab: Lab) -> None:
    """As malloc does: grow page by page, and abort when the answer is -1."""
    outcome = lab.run(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))unreachable",
        limits={"memory_bytes": 20 * 65536},
    )
    check_error(outcome, "memory_limit")
    assert outcome.peak_memory_bytes == 20 * 65536


def test_a_program_may_live_with_a_refused_allocation(lab: Lab) -> None:
    body = "(if (i32.ne (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))"
    assert lab.run(body).reason == "ok"


def test_a_small_limit_of_output_leaves_room_for_the_modules_own_data(lab: Lab) -> None:
    """The engine keeps a module's data in a file: the limit on files stopped it from starting."""
    module = module_text(write_bytes("(i32.const 1)", 100, 10), data={100: "x" * 60_000})
    outcome = lab.run(module, limits={"output_bytes": 10})
    assert outcome.reason == "ok", outcome.message


def test_a_module_that_starts_too_large_is_refused(lab: Lab) -> None:
    check_error(lab.run(module_text("", pages="64")), "memory_limit")


def test_memory_up_to_the_limit_is_given(lab: Lab) -> None:
    outcome = lab.run(module_text("", pages="4"))
    assert outcome.reason == "ok"
    assert outcome.peak_memory_bytes == 4 * 65536


@pytest.mark.parametrize(("size", "reason"), [(5000, "ok"), (5001, "output_limit")])
def test_output_bytes_are_counted_to_the_byte(lab: Lab, size: int, reason: str) -> None:
    outcome = lab.run(write_bytes("(i32.const 1)", 100, size), limits={"output_bytes": 5000})
    assert outcome.reason == reason


def test_writing_without_end_stops_at_once(lab: Lab) -> None:
    """The program ignores errors; it is ended all the same, or a cut-off file would look whole."""
    body = f"(loop $more {write_bytes('(i32.const 1)', 100, 1000)} (br $more))"
    outcome = lab.run(body)
    check_error(outcome, "output_limit")
    assert outcome.ops < 100_000


def test_a_hole_in_a_file_counts_in_full(lab: Lab) -> None:
    """Seeking to 4 GB and writing a byte must not reserve 4 GB of the volunteer's memory."""
    body = (
        CREATE
        + "(if (call $fd_seek (i32.load (i32.const 80)) (i64.const 4000000000) (i32.const 0) "
        + "(i32.const 88)) (then unreachable))"
        + write_bytes("(i32.load (i32.const 80))", 100, 1)
    )
    check_error(lab.run(module_text(body, data={64: "out/aa"})), "output_limit")


@pytest.mark.parametrize(("limit", "reason"), [(3, "ok"), (2, "file_limit")])
def test_output_files_are_counted(lab: Lab, limit: int, reason: str) -> None:
    rename = "(i32.store8 (i32.const 69) (i32.add (i32.load8_u (i32.const 69)) (i32.const 1)))"
    text = module_text(f"{CREATE} {rename} {CREATE} {rename} {CREATE}", data={64: "out/aa"})
    assert lab.run(text, limits={"output_files": limit}).reason == reason


def test_standard_output_is_one_of_the_files(lab: Lab) -> None:
    outcome = lab.run(write_bytes("(i32.const 1)", 100, 1), limits={"output_files": 0})
    check_error(outcome, "file_limit")


def test_standard_error_keeps_its_end_and_says_what_was_cut(lab: Lab) -> None:
    noise = write_bytes("(i32.const 2)", 100, 10)
    end = write_bytes("(i32.const 2)", 64, 8)
    text = module_text(noise * 50 + end, data={64: "the end\\n", 100: ".........\\n"})
    outcome = lab.run(text, limits={"log_bytes": 28})
    assert outcome.reason == "ok"
    assert outcome.stderr == "[480 earlier bytes cut]\n" + ".........\n" * 2 + "the end\n"
