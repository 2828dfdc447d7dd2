"""Replicas of a work unit must agree to the byte and to the op, wherever they run."""

from pathlib import Path

import msgspec

from idlegrid_shared.sandbox.run import run_sandboxed

from .conftest import Lab
from .guest import write_bytes

# Draws 32 random bytes, looks at the clock twice, lists /in, writes all of it to standard output.
CURIOUS = """
  (drop (call $random_get (i32.const 100) (i32.const 32)))
  (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 132)))
  (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 140)))
  (i32.store8 (i32.const 90) (i32.const 105)) (i32.store8 (i32.const 91) (i32.const 110))
  (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 90) (i32.const 2) (i32.const 2)
    (i64.const 16386) (i64.const 0) (i32.const 0) (i32.const 80)) (then unreachable))
  (drop (call $fd_readdir (i32.load (i32.const 80)) (i32.const 200) (i32.const 400) (i64.const 0)
    (i32.const 84)))
""" + write_bytes("(i32.const 1)", 80, 600)


def make_inputs(folder: Path, names: list[str]) -> dict[str, str]:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return {name: str(folder / name) for name in names}


def test_two_runs_give_the_same_bytes_and_ops(lab: Lab, tmp_path: Path) -> None:
    """Two volunteers hold the inputs in other folders, made in another order, at another time."""
    here = make_inputs(tmp_path / "here", ["a", "b", "c"])
    there = make_inputs(tmp_path / "elsewhere", ["c", "a", "b"])
    first = lab.run(CURIOUS, inputs=here)
    second = lab.run(CURIOUS, inputs=there, cache_dir=None)
    assert first.reason == "ok", first.message
    assert first.outputs == second.outputs
    assert first.ops == second.ops > 0


def test_the_seed_of_the_work_unit_decides_the_random_bytes(lab: Lab) -> None:
    one = lab.run(CURIOUS, seed=b"unit 1")
    other = lab.run(CURIOUS, seed=b"unit 2")
    assert one.reason == other.reason == "ok"
    assert one.outputs != other.outputs


def test_optimisation_changes_neither_bytes_nor_ops(lab: Lab) -> None:
    fast = lab.job(CURIOUS)
    slow = msgspec.structs.replace(fast.profile, opt_level="none")
    first, second = lab.run(CURIOUS), lab.run(CURIOUS, profile=slow)
    assert (first.outputs, first.ops) == (second.outputs, second.ops)


def test_the_interpreter_gives_the_same_bytes_and_ops(lab: Lab) -> None:
    """Pulley is another way to run a module; twice, as the second time comes from the cache."""
    machine = lab.run(CURIOUS)
    for _ in range(2):
        interpreted = lab.run(CURIOUS, executor="pulley")
        assert interpreted.reason == "ok", interpreted.message
        assert (interpreted.outputs, interpreted.ops) == (machine.outputs, machine.ops)


def test_the_host_clock_is_never_seen(lab: Lab) -> None:
    """Realtime begins in 2020 and moves a millisecond with each look."""
    job = lab.job(CURIOUS)
    assert run_sandboxed(job).reason == "ok"
    data = lab.output(job, "stdout")
    realtime = int.from_bytes(data[52:60], "little")
    monotonic = int.from_bytes(data[60:68], "little")
    assert realtime == 1_577_836_800_000_000_000
    assert monotonic == 1_000_000
