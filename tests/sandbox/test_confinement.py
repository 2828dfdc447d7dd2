"""The moat behind the wall: what native code could do if it ever got out of the sandbox.

Each test runs the worker's own confinement in a fresh Python and then tries what must not work.
Where a kernel offers less, the function says so, and the test holds it to its word.
"""

import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from idlegrid_shared.sandbox.confine import filter_program
from idlegrid_shared.sandbox.landlock import landlock_version

LINUX = sys.platform == "linux"

START = """
import os, sys
from idlegrid_shared.sandbox.confine import confine_process, confine_run
from idlegrid_shared.sandbox.landlock import restrict_files, program_places
confine_process(0)
def attempt(action):
    try:
        action()
        print("done")
    except OSError as error:
        print(type(error).__name__)
"""


def confined(script: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", START + script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "action",
    [
        "socket.socket()",
        "socket.socketpair()",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'])",
    ],
)
def test_no_network_and_no_other_programs(action: str) -> None:
    script = f"import socket, subprocess\nattempt(lambda: {action})"
    filtered = LINUX and platform.machine() in ("x86_64", "aarch64")
    assert confined(script) == (["PermissionError"] if filtered else ["done"])


def test_only_the_jobs_files_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("hush")
    (tmp_path / "input").write_text("data")
    (tmp_path / "out").mkdir()
    script = """
place = sys.argv[1]
print(restrict_files([*program_places(), place + "/input"], [place + "/out"]))
attempt(lambda: open(place + "/input").close())
attempt(lambda: open(place + "/out/new", "w").close())
attempt(lambda: open(place + "/input", "a").close())
attempt(lambda: open(place + "/private").close())
attempt(lambda: open("/etc/passwd").close())
attempt(lambda: os.listdir(place))
attempt(lambda: open(place + "/elsewhere", "w").close())
import unicodedata, base64  # what Python may still have to load
"""
    answers = confined(script, str(tmp_path))
    if landlock_version():
        assert answers == ["True", "done", "done"] + ["PermissionError"] * 5
    else:
        assert answers[0] == "False"


def test_no_large_files_and_no_core_dumps(tmp_path: Path) -> None:
    script = """
import resource
confine_run(8192)
print(resource.getrlimit(resource.RLIMIT_CORE)[1], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
def write():
    with open(sys.argv[1] + "/large", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
attempt(write)
"""
    assert confined(script, str(tmp_path)) == ["0", "64", "OSError"]
    assert (tmp_path / "large").stat().st_size == 8192


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_decides_by_the_number_of_the_call(machine: str) -> None:
    """The program is run here step by step, as the kernel would."""
    architecture = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}[machine]
    read, socket = {"x86_64": (0, 41), "aarch64": (63, 198)}[machine]
    program = filter_program(machine)
    assert program is not None
    allow, refuse = 0x7FFF_0000, 0x0005_0001
    assert decide(program, architecture, read) == allow
    assert decide(program, architecture, socket) == refuse
    assert decide(program, architecture, 442) == refuse
    assert decide(program, architecture ^ 1, read) == refuse
    assert decide(program, architecture, 0x4000_0000 + read) == refuse


def decide(program: bytes, architecture: int, call: int) -> int:
    """Run a filter of loads, jumps and returns; see linux/bpf_common.h."""
    steps = list(struct.iter_unpack("<HBBI", program))
    at, loaded = 0, 0
    while True:
        code, when_true, when_false, value = steps[at]
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            loaded = {0: call, 4: architecture}[value]
        else:
            holds = loaded == value if code == 0x15 else loaded >= value
            at += when_true if holds else when_false


def test_unknown_machines_get_no_filter() -> None:
    assert filter_program("riscv64") is None
