"""The life of a worker: suspended, resumed, killed, orphaned; and what it may not have."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from idlegrid_shared.sandbox.job import Outcome, Progress
from idlegrid_shared.sandbox.launch import worker_command
from idlegrid_shared.sandbox.run import SandboxProcess, run_sandboxed

from .conftest import Lab
from .guest import write_bytes

LONG = {"max_ops": 10**18, "time_s": 60.0}
# Says that it has begun, then computes for ever.
BUSY = "(call $progress (f64.const 0.125)) (loop $again (br $again))"
PATIENCE_S = 30


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE_S} s for: {what}"
        time.sleep(0.01)


def start_busy(lab: Lab) -> SandboxProcess:
    process = SandboxProcess.start(lab.job(BUSY, limits=LONG))
    until(lambda: process.progress.fraction == 0.125, "the program has begun")
    return process


def ended(process: SandboxProcess) -> Outcome:
    outcome = process.wait(PATIENCE_S)
    assert outcome is not None, "the worker did not end"
    return outcome


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def test_a_worker_that_is_shot_is_reported(lab: Lab) -> None:
    """The system's out-of-memory killer, or a user with a task list."""
    with start_busy(lab) as process:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        outcome = ended(process)
    assert outcome.reason == "worker_died"
    assert "signal 9" in outcome.message
    assert outcome.ops > 0


def test_a_program_that_never_calls_the_host_is_known_to_have_started(lab: Lab) -> None:
    """The parent's watch over its time must begin without the program's help."""
    with SandboxProcess.start(lab.job("(loop $l (br $l))", limits=LONG)) as process:
        until(lambda: process.progress.started, "the program has begun")


def test_each_report_is_told_once(lab: Lab) -> None:
    with start_busy(lab) as process:
        news = process.poll()
        assert isinstance(news, Progress)
        assert (news.fraction, news.started) == (0.125, True)
        assert process.poll() is None
        process.kill()
        outcome = ended(process)
        assert process.poll() is outcome


def test_killing(lab: Lab) -> None:
    with start_busy(lab) as process:
        began = time.monotonic()
        process.kill("the volunteer is back")
        outcome = ended(process)
        assert time.monotonic() - began < 2
    assert (outcome.reason, outcome.message) == ("killed", "the volunteer is back")
    assert process.pid is not None
    assert not psutil.pid_exists(process.pid)


def test_leaving_the_block_ends_the_worker(lab: Lab) -> None:
    with start_busy(lab) as process:
        pid = process.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


def test_a_suspended_worker_uses_no_processor_time_and_goes_on_later(lab: Lab) -> None:
    with start_busy(lab) as process:
        assert process.pid is not None
        pid = process.pid
        process.suspend()
        assert process.suspended
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it stands still")
        before = cpu_s(pid)
        time.sleep(0.3)
        assert cpu_s(pid) == before
        process.resume()
        assert not process.suspended
        until(lambda: cpu_s(pid) > before, "it goes on")
        assert process.poll() is not None or process.progress.started


def test_a_suspended_worker_can_be_killed(lab: Lab) -> None:
    with start_busy(lab) as process:
        process.suspend()
        process.kill()
        assert ended(process).reason == "killed"


def test_time_suspended_is_not_time_used(lab: Lab) -> None:
    """A second asleep in the middle of the run appears in no figure."""
    body = """(call $progress (f64.const 0.125))
      (local.set $i (i32.const 400000000))
      (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"""
    job = lab.job(body, limits={"max_ops": 10**12, "time_s": 20.0})
    began_s = time.monotonic()
    with SandboxProcess.start(job) as process:
        until(lambda: process.progress.started, "the program has begun")
        process.suspend()
        time.sleep(1.0)
        process.resume()
        outcome = ended(process)
    whole_s = time.monotonic() - began_s
    assert outcome.reason == "ok"
    assert outcome.cpu_s <= outcome.elapsed_s + 0.05
    assert outcome.elapsed_s <= whole_s - 1.0


def test_the_parent_ends_a_worker_whose_own_watch_fails(lab: Lab) -> None:
    """Stopped from outside, the worker cannot notice that its time is over."""
    job = lab.job(BUSY, limits={"max_ops": 10**18, "time_s": 0.5})
    process = SandboxProcess(job, wall_factor=1.0, wall_grace_s=0.3)
    process.launch()
    with process:
        until(lambda: process.progress.started, "the program has begun")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        outcome = ended(process)
    assert outcome.reason == "time_limit"


def test_the_callers_patience_ends_a_run(lab: Lab) -> None:
    outcome = run_sandboxed(lab.job(BUSY, limits=LONG), timeout=0.3)
    assert outcome.reason == "killed"
    assert "0.3 s" in outcome.message


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_worker_dies_with_its_parent(lab: Lab, tmp_path: Path, how: signal.Signals) -> None:
    """A crashed client must not leave a program computing for nobody."""
    job = tmp_path / "job.json"
    job.write_bytes(msgspec.json.encode(lab.job(BUSY, limits=LONG)))
    script = (
        "import sys, time, msgspec\n"
        "from idlegrid_shared.sandbox.job import SandboxJob\n"
        "from idlegrid_shared.sandbox.run import SandboxProcess\n"
        "job = msgspec.json.decode(open(sys.argv[1], 'rb').read(), type=SandboxJob)\n"
        "process = SandboxProcess.start(job)\n"
        "while not process.progress.started: time.sleep(0.01)\n"
        "print(process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(how)
        parent.wait(PATIENCE_S)
    until(
        lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE,
        "the worker is gone",
    )


def test_the_worker_sees_no_secrets(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the variables nor the open files of the client reach it."""
    monkeypatch.setenv("IDLEGRID_TOKEN", "hush")
    monkeypatch.setenv("https_proxy", "http://user:password@proxy")
    secret = lab.folder / "secret"
    with secret.open("w") as file:
        os.set_inheritable(file.fileno(), True)
        with start_busy(lab) as process:
            worker = psutil.Process(process.pid)
            assert set(worker.environ()) <= {"LANG", "RUST_BACKTRACE", "LC_CTYPE"}
            assert str(secret) not in [opened.path for opened in worker.open_files()]
            assert worker.cwd() == process.job.output_dir


def test_the_worker_is_confined(lab: Lab) -> None:
    """Checked where Linux shows it: no new privileges, a filter, no core files, first to go."""
    with start_busy(lab) as process:
        place = Path(f"/proc/{process.pid}")
        if sys.platform == "linux":
            status = dict(
                line.split(":\t", 1) for line in (place / "status").read_text().splitlines()
            )
            assert status["NoNewPrivs"] == "1"
            assert status["Seccomp"] == "2"
            assert (place / "oom_score_adj").read_text() == "900\n"
            limits = (place / "limits").read_text()
            assert "Max core file size        0                    0" in limits
            assert "Max processes             0                    0" in limits


def test_a_worker_without_a_job_just_ends() -> None:
    done = subprocess.run(worker_command(), input=b"", capture_output=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_worker_fed_nonsense_does_not_hang() -> None:
    done = subprocess.run(
        worker_command(), input=b"{nonsense\n", capture_output=True, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert b"outcome" not in done.stdout


def test_modules_in_the_output_folder_are_never_imported(lab: Lab) -> None:
    """The worker starts there, and an earlier run may have left a ``json.py``."""
    job = lab.job("")
    Path(job.output_dir).mkdir()
    for name in ("json", "wasmtime", "idlegrid_shared"):
        (Path(job.output_dir) / f"{name}.py").write_text("raise SystemExit(9)")
    assert run_sandboxed(job).reason == "ok"


def test_an_output_that_cannot_be_written_is_the_hosts_fault(lab: Lab) -> None:
    job = lab.job(write_bytes("(i32.const 1)", 100, 5))
    (Path(job.output_dir) / "stdout").mkdir(parents=True)
    outcome = run_sandboxed(job)
    assert outcome.reason == "host_error"
    assert outcome.outputs == ()


def test_workers_that_share_a_cache_do_not_disturb_each_other(lab: Lab) -> None:
    """A client starts a task for each core at once, and all find the cache empty."""
    job = msgspec.structs.replace(lab.job(""), cache_dir=str(lab.folder / "fresh"))
    jobs = [msgspec.structs.replace(job, output_dir=f"{job.output_dir}-{n}") for n in range(4)]
    started = [SandboxProcess.start(job) for job in jobs]
    assert [ended(process).reason for process in started] == ["ok"] * 4
    left = sorted(path.suffix for path in (lab.folder / "fresh").iterdir())
    assert left == ["", ".code", ".cwasm"]
    assert run_sandboxed(job).reason == "ok"


def test_an_output_folder_that_cannot_be_made_is_the_hosts_fault(lab: Lab) -> None:
    job = lab.job("")
    Path(job.output_dir).write_text("a file in its place")
    outcome = run_sandboxed(job)
    assert outcome.reason == "host_error"


def test_host_paths_that_are_no_text_are_told(lab: Lab) -> None:
    """A folder on a volunteer's disk may bear bytes that are no UTF-8."""
    job = msgspec.structs.replace(lab.job(""), module=f"{lab.folder}/\udcff")
    outcome = run_sandboxed(job)
    assert outcome.reason == "host_error"
    assert outcome.message


def test_workers_started_from_a_short_lived_thread_live_on(lab: Lab) -> None:
    """Linux would end a child together with the thread that made it."""
    made: list[SandboxProcess] = []
    thread = threading.Thread(target=lambda: made.append(start_busy(lab)))
    thread.start()
    thread.join()
    with made[0] as process:
        time.sleep(0.2)
        assert process.wait(0.1) is None
        assert process.pid is not None
        assert psutil.pid_exists(process.pid)
