"""checkpoint = "app": the program keeps its own state in /checkpoint, which outlives it."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.run import CheckpointError, SandboxProcess, run_sandboxed

from .conftest import Lab
from .guest import Desk, module_text
from .saved import LIMITS, again, continue_from, save_at, save_somewhere, wait_until_started

ROUNDS = 4_000


def output(job: SandboxJob, name: str) -> str:
    return (Path(job.output_dir) / name).read_text()


@pytest.fixture
def job(lab: Lab, build_c: Callable[[str], bytes]) -> SandboxJob:
    fields: dict[str, Any] = {"checkpoint": "app", "checkpoint_dir": str(lab.folder / "saved")}
    return lab.job(build_c("diary"), args=[str(ROUNDS)], limits=LIMITS, **fields)


@pytest.fixture
def whole(job: SandboxJob) -> Outcome:
    """Never interrupted, with nowhere to keep a checkpoint: the folder is there all the same."""
    plain = again(job, checkpoint_dir=None)
    outcome = run_sandboxed(plain, timeout=120)
    assert outcome.reason == "ok", outcome
    assert [entry.name for entry in outcome.outputs] == ["starts", "sum"]
    assert output(plain, "starts") == "1\n"
    return outcome


def test_it_goes_on_from_what_it_wrote(job: SandboxJob, whole: Outcome) -> None:
    """Killed at any moment. It writes its state in two halves; a half is never kept."""
    for seed in range(5):
        saved = save_somewhere(job, whole, random.Random(seed))
        rest = again(job, resume=saved.path, count=seed)
        outcome = run_sandboxed(rest, timeout=120)
        assert outcome.reason == "ok", outcome
        assert output(rest, "starts") in ("1\n", "2\n")  # 1: before it had written anything
        assert output(rest, "sum") == output(again(job, checkpoint_dir=None), "sum")
        # What it did again after the checkpoint counts again: ten rounds at most.
        assert whole.ops < outcome.ops < whole.ops * 1.01
        assert outcome.cpu_s > 0


def test_again_and_again(job: SandboxJob, whole: Outcome) -> None:
    resume = None
    for n in range(3):
        part = again(job, resume=resume, count=n)
        resume = save_at(part, whole.elapsed_s * 0.1, name=f"saved{n}", stop=True).path
    rest = again(job, resume=resume, count=9)
    assert run_sandboxed(rest, timeout=120).reason == "ok"
    assert output(rest, "starts") == "4\n"


def test_ops_of_all_lives_are_limited_together(job: SandboxJob, whole: Outcome) -> None:
    """Else a program could run for ever, a little in each life."""
    limits = msgspec.structs.replace(job.limits, max_ops=int(whole.ops * 0.9))
    short = again(job, limits=limits)
    saved = save_somewhere(short, whole, random.Random(1))
    assert continue_from(short, saved.path).reason == "out_of_ops"


def test_another_kind_of_checkpoint_is_refused(job: SandboxJob, whole: Outcome, lab: Lab) -> None:
    saved = save_somewhere(job, whole, random.Random(2))
    outcome = continue_from(job, saved.path, checkpoint="auto")
    assert outcome.reason == "bad_checkpoint"
    assert "another kind" in outcome.message


def test_a_program_that_never_closes_its_file_is_never_checkpointed(lab: Lab) -> None:
    """It waits for the end of the writing; the run goes on."""
    body = (
        "(if (call $path_open (i32.const 3) (i32.const 0) (i32.const 90) (i32.const 12)"
        " (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 80))"
        " (then unreachable))"
        "(loop $on (call $safepoint) (br $on))"
    )
    job = lab.job(
        module_text(body, data={90: "checkpoint/x"}),
        checkpoint="app",
        checkpoint_dir=str(lab.folder / "saved"),
        limits={"max_ops": 10**12},
    )
    with SandboxProcess.start(job) as process:
        wait_until_started(process)
        time.sleep(0.2)
        with pytest.raises(CheckpointError):
            process.checkpoint(timeout_s=0.3)
        assert process.wait(0) is None


def test_the_folder_is_like_out_and_no_part_of_the_outputs() -> None:
    desk = Desk(own_checkpoints=True, output_bytes=100, output_files=2)
    desk.create("checkpoint/state")
    assert desk.on_path("path_create_directory", "checkpoint/deep") == 0
    fd = desk.create("checkpoint/deep/more")
    desk.write(fd, b"x" * 90)
    assert desk.files.outputs() == []
    assert desk.files.used_bytes == 90, "the quota counts both folders"
    assert desk.on_path("path_remove_directory", "checkpoint") == 69  # read-only: it stays
    assert desk.on_path("path_unlink_file", "checkpoint/state") == 0


def test_there_is_no_such_folder_otherwise() -> None:
    assert Desk().open("checkpoint/state", how=1, write=True)[0] == 44
