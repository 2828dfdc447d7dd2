"""Native programs that try to get out, or to take more than they may: contained, and told so."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from idlegrid_shared.box.native.process import NativeProcess
from idlegrid_shared.box.native.wall import WALLS, Wall, missing

from .native_lab import WALL_S, compile_hostile, make_order, run_hostile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="native programs run on Linux only")

#: Misdeed → the reason and a word of the sentence that it must end with.
ENDS = {
    "memory": ("memory_limit", "memory"),
    "memory-shared": ("memory_limit", "memory"),
    "block": ("exit_code", "exit code 9"),  # a malloc that is refused is the program's to handle
    "stack": ("trap", "address"),
    "disk-one": ("output_limit", "wrote"),
    "disk-many": ("output_limit", "wrote"),
    "disk-names": ("file_limit", "files"),
    "disk-deleted": ("output_limit", "wrote"),
    "folders": ("file_limit", "folders"),
    "folders-deep": ("file_limit", "folders"),
    "threads": ("process_limit", "threads"),
    "stdout": ("output_limit", "wrote"),
    "spin": ("time_limit", "computing"),
    "sleep": ("time_limit", "ran for"),
    "stop": ("time_limit", "ran for"),
    "deaf": ("time_limit", "ran for"),
    "segv": ("trap", "address"),
    "abort": ("trap", ""),
    "divide": ("trap", "divided"),
    "kill-self": ("worker_died", "from outside"),
    "forge": ("exit_code", "exit code 9"),
    "bad-name": ("bad_output", "control character"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_hostile(tmp_path_factory.mktemp("hostile") / "hostile")


@pytest.fixture(params=WALLS)
def wall(request: pytest.FixtureRequest) -> Wall:
    found: Wall = request.param
    if found == "landlock" and "kernel" in missing(found):
        pytest.skip(missing(found))
    assert missing(found) == ""
    return found


def told(folder: Path) -> dict[str, str]:
    lines = (folder / "out" / "told").read_text().splitlines()
    assert lines[-1] == "end"
    return {line.split()[1]: line.split()[0] for line in lines[:-1]}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_no_door_opens(wall: Wall, hostile: Path, tmp_path: Path) -> None:
    canary = tmp_path / "outside" / "canary"
    canary.parent.mkdir()
    canary.write_text("canary")
    order = make_order(hostile, tmp_path / "run", "escapes", str(canary), str(os.getpid()))
    strays = (Path("/tmp/idlegrid-hostile"), Path("/hostile"))

    outcome = run_hostile(wall, order)

    assert outcome.status == "success", (outcome.message, outcome.stderr)
    doors = told(tmp_path / "run")
    assert doors.pop("own-input") == "open"  # or the rest would prove nothing
    assert len(doors) > 85
    assert [name for name, state in doors.items() if state != "shut"] == []
    assert canary.read_text() == "canary"
    assert names(canary.parent) == ["canary"]
    assert (tmp_path / "run" / "own").read_text() == "an input\n"
    assert [entry.name for entry in outcome.outputs] == ["told"]
    assert not any(stray.exists() for stray in strays)


@pytest.mark.parametrize("misdeed", ENDS)
def test_each_misdeed_ends_with_its_reason(
    wall: Wall, hostile: Path, tmp_path: Path, misdeed: str
) -> None:
    reason, word = ENDS[misdeed]

    # The processor is shared with other tests: what spins is ended by what it used.
    wall_s = 60.0 if misdeed == "spin" else WALL_S
    outcome = run_hostile(wall, make_order(hostile, tmp_path, misdeed), wall_s)

    assert outcome.status == "error"
    assert outcome.reason == reason, outcome.message
    assert word in outcome.message
    assert outcome.outputs == ()
    assert outcome.peak_memory_bytes < 600 * 1024**2
    assert names(tmp_path) == ["own"]  # nothing of the run is left on the disk


def test_an_exit_code_like_a_signal_is_an_exit_code_where_they_can_be_told_apart(
    wall: Wall, hostile: Path, tmp_path: Path
) -> None:
    outcome = run_hostile(wall, make_order(hostile, tmp_path, "exit", "7"))
    assert (outcome.reason, outcome.exit_code) == ("exit_code", 7)
    assert "exit code 7" in outcome.message


def test_only_the_end_of_a_flood_of_messages_is_kept(
    wall: Wall, hostile: Path, tmp_path: Path
) -> None:
    outcome = run_hostile(wall, make_order(hostile, tmp_path, "stderr"))
    assert outcome.status == "success"
    assert outcome.stderr.rstrip().endswith("line 199999 of the bomb")
    assert len(outcome.stderr) < 70_000


def test_it_sees_a_clean_environment_and_no_open_files(
    wall: Wall, hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_USER", "x")
    outcome = run_hostile(wall, make_order(hostile, tmp_path, "environment", "one", "two words"))
    assert outcome.status == "success", outcome.message
    lines = (tmp_path / "out" / "environment").read_text().splitlines()
    variables = {line.partition("=")[0] for line in lines if "=" in line}
    wanted = {"LANG", "IDLEGRID_IN", "IDLEGRID_OUT", "IDLEGRID_PROGRESS", "IDLEGRID_SEED"}
    assert variables - {"PWD"} == wanted
    assert "IDLEGRID_SEED=" + "07" * 32 in lines
    assert [line for line in lines if line.startswith("arg ")][1:] == [
        "arg environment",
        "arg one",
        "arg two words",
    ]
    assert "nice 19" in lines
    assert [line for line in lines if line.startswith("fd ")] == []


def test_outputs_come_whatever_their_modes(wall: Wall, hostile: Path, tmp_path: Path) -> None:
    outcome = run_hostile(wall, make_order(hostile, tmp_path, "closed"))
    assert outcome.status == "success", outcome.message
    assert [entry.name for entry in outcome.outputs] == ["closed/file", "shut"]
    assert (tmp_path / "out" / "shut").read_bytes() == b""


def test_a_dynamic_program_finds_its_libraries(wall: Wall, tmp_path: Path) -> None:
    dynamic = compile_hostile(tmp_path / "dynamic", static=False)
    outcome = run_hostile(wall, make_order(dynamic, tmp_path / "run", "closed"))
    assert outcome.status == "success", (outcome.message, outcome.stderr)


def test_a_file_that_is_no_program_is_named_so(wall: Wall, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho hello\n")
    outcome = run_hostile(wall, make_order(script, tmp_path / "run"))
    assert outcome.reason == "bad_module"
    assert "no 64-bit Linux executable" in outcome.message


def test_another_file_under_the_programs_name_is_not_run(
    wall: Wall, hostile: Path, tmp_path: Path
) -> None:
    order = make_order(hostile, tmp_path, "closed")
    other = tmp_path / "other"
    other.write_bytes(hostile.read_bytes() + b"more")
    order.places[order.program.module.sha256] = str(other)  # type: ignore[index]
    assert run_hostile(wall, order).reason == "bad_module"


def test_suspended_it_does_nothing_and_its_time_stands_still(
    wall: Wall, hostile: Path, tmp_path: Path
) -> None:
    with NativeProcess(make_order(hostile, tmp_path, "count"), wall) as process:
        process.launch()
        wait_until(lambda: process.progress.fraction > 0)
        process.suspend()
        assert process.suspended
        time.sleep(0.2)
        first, running_s = process.stage.fraction(), process._running_s()
        time.sleep(0.5)
        assert process.stage.fraction() == first
        assert process._running_s() == running_s
        process.resume()
        wait_until(lambda: process.progress.fraction > first)
        process.kill("enough")
        outcome = process.wait(20)
    assert outcome is not None
    assert (outcome.reason, outcome.message) == ("killed", "enough")
    assert outcome.elapsed_s > 0
    assert not (tmp_path / "out.stage").exists()


STRANGER = 1000
AS_STRANGER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.security.native_lab import make_order, run_hostile
run = Path({folder!r})
order = make_order(Path({program!r}), run, "escapes", {canary!r}, "1")
outcome = run_hostile({wall!r}, order)
print(outcome.message, outcome.stderr)
"""


def test_no_door_opens_for_an_ordinary_user(wall: Wall, hostile: Path) -> None:
    """The other tests run as whoever runs them; root has another way through the same walls."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        canary = folder / "canary"
        canary.write_text("canary")
        program = Path(shutil.copy(hostile, folder / "hostile"))
        command = []
        if os.geteuid() == 0:
            os.chown(canary, STRANGER, STRANGER)  # what is its own is not open to it either
            ids = (f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups")
            command = ["setpriv", *ids]
        python, root = reachable_python(folder)
        (folder / "run").mkdir(mode=0o777)
        (folder / "run").chmod(0o777)
        text = AS_STRANGER.format(
            root=root,
            folder=str(folder / "run"),
            program=str(program),
            canary=str(canary),
            wall=wall,
        )
        done = subprocess.run(
            [*command, python, "-c", text], capture_output=True, text=True, timeout=100, cwd="/"
        )
        assert "the program ended normally" in done.stdout, done.stdout + done.stderr
        doors = told(folder / "run")
    assert doors.pop("own-input") == "open"
    assert [name for name, state in doors.items() if state != "shut"] == []


def reachable_python(folder: Path) -> tuple[str, str]:
    """An interpreter that any user may start, with our packages; and the root of the sources."""
    root = Path(__file__).parents[2]
    packages = sysconfig.get_path("purelib")
    # The first start still has the rights of whoever gives them up; the second has not.
    twice = (
        "import subprocess, sys; subprocess.run([sys.executable, '-E', '-c', "
        "'import msgspec, idlegrid_shared.documents'], check=True)"
    )
    for number, found in enumerate((sys.executable, "/usr/bin/python3")):
        target = folder / f"python-{number}"
        made = subprocess.run(
            [found, "-m", "venv", "--without-pip", str(target)], capture_output=True, check=False
        )
        if made.returncode:
            continue
        place = next(target.glob("lib/python*/site-packages"))
        (place / "own.pth").write_text(f"{root / 'shared'}\n{packages}\n")
        probe = [str(target / "bin" / "python"), "-c", twice]
        if os.geteuid() == 0:
            probe = ["setpriv", f"--reuid={STRANGER}", "--clear-groups", *probe]
        if subprocess.run(probe, capture_output=True, cwd="/", check=False).returncode == 0:
            return str(target / "bin" / "python"), str(root)
    pytest.skip("there is no interpreter here that another user may start")


AGENT = """
import sys, time
from pathlib import Path
from idlegrid_shared.box.native.process import NativeProcess
sys.path.insert(0, {root!r})
from tests.security.native_lab import make_order
order = make_order(Path({program!r}), Path({folder!r}), "deaf", time_s=500.0)
process = NativeProcess(order, {wall!r})
process.launch()
print(process.pid, flush=True)
time.sleep(100)
"""


def test_nothing_outlives_an_agent_that_is_killed(
    wall: Wall, hostile: Path, tmp_path: Path
) -> None:
    root = str(Path(__file__).parents[2])
    text = AGENT.format(root=root, program=str(hostile), folder=str(tmp_path), wall=wall)
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        box = psutil.Process(pid)
        wanted = 3 if wall == "bubblewrap" else 1  # bubblewrap, the first inside, the program
        wait_until(lambda: len(box.children(recursive=True)) == wanted - 1)
        if wall == "landlock":
            wait_until(lambda: Path(psutil.Process(pid).exe()).name == "program")
        family = [box, *box.children(recursive=True)]
        agent.send_signal(signal.SIGKILL)
        agent.wait()
    wait_until(lambda: not any(is_alive(process) for process in family))


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.02)
