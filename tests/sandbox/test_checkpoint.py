"""A run that was checkpointed and killed goes on elsewhere as if nothing had been."""

import random
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from idlegrid.instrument import instrument
from idlegrid_shared.sandbox.job import JobError, Outcome, SandboxJob
from idlegrid_shared.sandbox.run import CheckpointError, SandboxProcess, run_sandboxed

from .conftest import Lab
from .guest import assemble
from .saved import (
    LIMITS,
    again,
    continue_from,
    figures,
    save_at,
    save_somewhere,
    wait_until_started,
    wander_job,
)

# Calls nothing of the host but once at its start and once at its end.
LONELY = """
  (drop (call $sched_yield))
  (loop $on (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $on (i32.lt_u (local.get $i) (i32.const 4000000000))))
  (call $safepoint)
"""


@pytest.fixture
def job(lab: Lab, build_c: Callable[[str], bytes]) -> SandboxJob:
    return wander_job(lab, build_c)


@pytest.fixture
def whole(job: SandboxJob) -> Outcome:
    """The same work, never interrupted."""
    outcome = run_sandboxed(again(job, checkpoint_dir=None), timeout=120)
    assert outcome.reason == "ok", outcome
    return outcome


def test_a_killed_run_goes_on_in_a_new_process(job: SandboxJob, whole: Outcome) -> None:
    for seed in range(6):
        saved = save_somewhere(job, whole, random.Random(seed))
        assert 0 < saved.ops < whole.ops
        outcome = continue_from(job, saved.path, count=seed)
        assert figures(outcome) == figures(whole)
        assert outcome.elapsed_s > 0
        assert outcome.cpu_s > 0


def test_writing_a_checkpoint_changes_nothing_for_the_run_itself(
    lab: Lab, build_c: Callable[[str], bytes]
) -> None:
    job = wander_job(lab, build_c, rounds=1_000)
    whole = run_sandboxed(again(job, checkpoint_dir=None), timeout=240)
    with SandboxProcess.start(job) as process:
        wait_until_started(process)
        taken = 0
        while process.wait(0.02) is None:
            try:
                process.checkpoint(f"saved{taken}")
                taken += 1
            except CheckpointError:
                break
        outcome = process.wait(240)
    assert taken > 0
    assert outcome is not None
    assert figures(outcome) == figures(whole), outcome


def test_an_order_that_comes_too_late_does_not_cost_the_result(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is gone already, and the order stays in the pipe's buffer."""
    orders: list[CheckpointError] = []

    def order_late(ended: subprocess.Popen[bytes]) -> None:
        ended.wait(30)
        try:
            process.checkpoint(timeout_s=0)
        except CheckpointError as error:
            orders.append(error)

    monkeypatch.setattr(SandboxProcess, "_await_exit", staticmethod(order_late))
    saved = str(lab.folder / "saved")
    process = SandboxProcess(lab.job("(nop)", checkpoint="app", checkpoint_dir=saved))
    process.launch()
    outcome = process.wait(60)
    assert outcome is not None
    assert [str(error) for error in orders] == ["the program has just ended"]
    assert outcome.reason == "ok", outcome


def test_an_order_waits_while_the_run_is_suspended(lab: Lab) -> None:
    """What has no time cannot be late: the time of the suspension does not count."""
    job = lab.job(
        LONELY.replace("(drop (call $sched_yield))", "").replace("4000000000", "1000000000"),
        checkpoint="app",
        checkpoint_dir=str(lab.folder / "saved"),
        limits={"max_ops": 10**12},
    )
    with SandboxProcess.start(job) as process, ThreadPoolExecutor(1) as pool:
        wait_until_started(process)
        waiting = pool.submit(process.checkpoint, timeout_s=4)
        time.sleep(0.1)
        process.suspend()
        time.sleep(5)
        assert not waiting.done()
        process.resume()
        assert waiting.result(30).ops > 0


def test_a_chain_of_interruptions(job: SandboxJob, whole: Outcome) -> None:
    """A volunteer's computer that is switched off again and again still gets its work done."""
    resume: str | None = None
    ops = 0
    for step in range(4):
        part = again(job, resume=resume, count=step)
        try:
            saved = save_at(part, whole.elapsed_s * 0.15, name=f"saved{step}", stop=step % 2 == 0)
        except CheckpointError:
            break  # it was faster than the test
        assert saved.ops > ops
        ops, resume = saved.ops, saved.path
    assert resume is not None
    assert figures(continue_from(job, resume)) == figures(whole)


def test_elsewhere_may_be_another_executor(job: SandboxJob, whole: Outcome) -> None:
    saved = save_somewhere(job, whole, random.Random(3))
    outcome = continue_from(job, saved.path, executor="pulley")
    assert figures(outcome) == figures(whole)


def test_every_optimisation_level_continues_its_own(lab: Lab, job: SandboxJob) -> None:
    profile = msgspec.structs.replace(job.profile, opt_level="none")
    slow = again(job, profile=profile)
    whole = run_sandboxed(again(slow, checkpoint_dir=None, count=1), timeout=120)
    saved = save_somewhere(slow, whole, random.Random(1))
    assert figures(continue_from(slow, saved.path)) == figures(whole)


def test_a_deep_stack_is_saved_whole(lab: Lab, build_c: Callable[[str], bytes]) -> None:
    job = wander_job(lab, build_c, rounds=30, depth=2500)
    whole = run_sandboxed(again(job, checkpoint_dir=None), timeout=120)
    assert whole.reason == "ok", whole
    saved = save_somewhere(job, whole, random.Random(2))
    assert figures(continue_from(job, saved.path)) == figures(whole)


def test_times_add_up(job: SandboxJob, whole: Outcome) -> None:
    saved = save_somewhere(job, whole, random.Random(4))
    rest = continue_from(job, saved.path)
    assert rest.cpu_s > 0.5 * whole.cpu_s


def test_a_stopped_run_says_so(job: SandboxJob, whole: Outcome) -> None:
    with SandboxProcess.start(job) as process:
        wait_until_started(process)
        saved = process.checkpoint("saved", stop=True)
        outcome = process.wait(30)
    assert outcome is not None
    assert (outcome.reason, outcome.message) == ("killed", "the run was stopped at a checkpoint")
    assert saved.bytes == Path(saved.path).stat().st_size
    assert [path.name for path in Path(saved.path).parent.iterdir()] == ["saved"]


def test_a_program_that_never_calls_the_host(lab: Lab) -> None:
    """The order is taken back, and the program is not disturbed."""
    # Without the call at its start: an order that comes early would be carried out there.
    job = lab.job(
        LONELY.replace("(drop (call $sched_yield))", ""),
        checkpoint="app",
        checkpoint_dir=str(lab.folder / "saved"),
        limits={"max_ops": 10**12},
    )
    with SandboxProcess.start(job) as process:
        wait_until_started(process)
        with pytest.raises(CheckpointError, match=r"made no host call in 0\.2 s"):
            process.checkpoint(timeout_s=0.2)
        process.suspend()
        with pytest.raises(CheckpointError, match="suspended"):
            process.checkpoint(timeout_s=0.2)
        process.resume()


def test_a_run_without_a_folder_or_at_its_end(lab: Lab, job: SandboxJob) -> None:
    with (
        SandboxProcess.start(again(job, checkpoint_dir=None)) as process,
        pytest.raises(CheckpointError, match="without a folder"),
    ):
        process.checkpoint()
    with SandboxProcess.start(again(job, count=1)) as process:
        process.kill()
        assert process.wait(30) is not None
        with pytest.raises(CheckpointError, match="not running"):
            process.checkpoint()


def test_only_the_same_work_is_continued(job: SandboxJob, whole: Outcome) -> None:
    saved = save_at(job, 0.0)
    words = Path(job.inputs["words"])
    for fields in (
        {"seed": b"another"},
        {"args": ["200", "21"]},
        {"env": {"A": "b"}},
        {"work": "other inputs"},
        {"limits": msgspec.structs.replace(job.limits, max_ops=10**11)},
    ):
        outcome = continue_from(job, saved.path, **fields)
        assert outcome.reason == "bad_checkpoint", fields
        assert "it belongs to other work" in outcome.message
    words.write_text(words.read_text() + "!")
    assert continue_from(job, saved.path).reason == "bad_checkpoint"


def test_a_module_that_was_not_instrumented(lab: Lab) -> None:
    outcome = lab.run("(call $safepoint)", checkpoint="auto", checkpoint_dir=str(lab.folder / "c"))
    assert outcome.reason == "bad_module"
    assert "not instrumented" in outcome.message


def test_a_missing_checkpoint_is_the_hosts_fault(job: SandboxJob) -> None:
    assert continue_from(job, "nowhere").reason == "host_error"


def test_a_disk_that_refuses_leaves_the_run_alone(job: SandboxJob, whole: Outcome) -> None:
    folder = Path(str(job.checkpoint_dir))
    with SandboxProcess.start(job) as process:
        wait_until_started(process)
        (folder / "saved").mkdir()  # where the file would go
        with pytest.raises(CheckpointError, match="could not be written"):
            process.checkpoint("saved")
        outcome = process.wait(60)
    assert outcome is not None
    assert figures(outcome) == figures(whole)


def test_names_that_leave_the_folder_are_refused(job: SandboxJob) -> None:
    """The parent is ours; a slip there must not write elsewhere."""
    for name in ("../saved", "", ".hidden", "a/b"):
        with SandboxProcess.start(again(job, count=len(name))) as process:
            wait_until_started(process)
            with pytest.raises(CheckpointError):
                process.checkpoint(name)


def test_a_job_without_checkpoints_takes_none(lab: Lab) -> None:
    with pytest.raises(JobError, match="neither keeps nor takes"):
        lab.job("nop", resume="somewhere")


def test_gaps_between_host_calls_are_measured(lab: Lab) -> None:
    body = LONELY.replace("4000000000", "10000000")
    outcome = lab.run(body, measure_gaps=True, limits={"max_ops": 10**10})
    assert outcome.reason == "ok"
    assert outcome.ops * 0.99 < outcome.gap_ops < outcome.ops
    assert 0 < outcome.gap_s < 10
    assert lab.run(body, limits={"max_ops": 10**10}).gap_ops == 0


# Started elsewhere than at _start: what _initialize did must not be done again.
REACTOR = """
(module
  (import "idlegrid" "safepoint" (func $safepoint))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 100)
  (func (export "_initialize")
    (call $safepoint)
    (i32.store (i32.const 100) (i32.add (i32.load (i32.const 100)) (i32.const 1))))
  (func (export "main") (result i32) (local $i i32) (local $j i32)
    (loop $on
      (call $safepoint)
      (local.set $j (i32.const 0))
      (loop $burn (br_if $burn (i32.lt_u
        (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 100000))))
      (br_if $on (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
    (i32.add (i32.load (i32.const 100)) (i32.const 10))))
"""


def test_a_module_without_start_goes_on_behind_its_initialisation(lab: Lab) -> None:
    job = lab.job(
        instrument(assemble(REACTOR)),
        start="main",
        checkpoint="auto",
        checkpoint_dir=str(lab.folder / "saved"),
        limits=LIMITS,
    )
    whole = run_sandboxed(again(job, checkpoint_dir=None), timeout=60)
    assert (whole.reason, whole.exit_code) == ("exit_code", 11)
    saved = save_somewhere(job, whole, random.Random(5))
    assert figures(continue_from(job, saved.path)) == figures(whole)
