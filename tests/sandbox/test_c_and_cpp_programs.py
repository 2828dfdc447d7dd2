"""Ordinary C and C++ programs do in the sandbox what they do on a POSIX system.

Each is built twice from one source, by gcc for this machine and for wasm, and what both print must
be equal to the byte: the system itself says what to expect of files and folders.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.run import run_sandboxed

from .compiler import compiled, source_of
from .conftest import Lab

ROOM = {"memory_bytes": 64 * 1024**2, "max_ops": 10**9, "output_files": 100}
TEXT = "It was the best of times, it was the worst of times; it was the age of wisdom.\n"


def run(
    lab: Lab, module: bytes, *arguments: str, **fields: object
) -> tuple[Outcome, dict[str, bytes]]:
    """Run to a good end; returns the outcome and the content of all output files."""
    job = lab.job(module, args=list(arguments), limits=ROOM, **fields)
    outcome = run_sandboxed(job, timeout=120)
    assert outcome.reason == "ok", f"{outcome.message}\n{outcome.stderr}"
    return outcome, {entry.name: lab.output(job, entry.name) for entry in outcome.outputs}


def run_natively(name: str, *arguments: str) -> bytes:
    command = [str(compiled(source_of(name), "native")), *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("name", ["files", "folders"])
def test_files_and_folders_are_those_of_posix(
    lab: Lab, build_c: Callable[[str], bytes], tmp_path: Path, name: str
) -> None:
    (tmp_path / "native").mkdir()
    expected = run_natively(name, str(tmp_path / "native"))
    _, outputs = run(lab, build_c(name), "/out")
    assert outputs.pop("stdout").decode() == expected.decode()
    left = (tmp_path / "native").rglob("*")
    on_disk = {str(p.relative_to(tmp_path / "native")): p.read_bytes() for p in left if p.is_file()}
    assert outputs == on_disk


def test_a_cpp_program_gives_the_bytes_of_the_native_one(
    lab: Lab, build_c: Callable[[str], bytes], tmp_path: Path
) -> None:
    (tmp_path / "text").write_text(TEXT * 100)
    (tmp_path / "native").mkdir()
    expected = run_natively("words", str(tmp_path / "text"), str(tmp_path / "native"))
    inputs = {"text": str(tmp_path / "text")}
    _, outputs = run(lab, build_c("words"), "/in/text", "/out", inputs=inputs)
    assert outputs["stdout"] == expected
    assert outputs["counts.csv"] == (tmp_path / "native" / "counts.csv").read_bytes()
    assert outputs["counts.csv"].startswith(b"it,300\nof,300\nthe,300\nwas,300\n")


WORLD = """\
[--one][two words][]
ALPHA=1
BETA=
year 2020 day 0
a look takes 1000000
resolution 1000000
nanosleep 0
slept 3251000000
slept 2500000
since the start 3
unknown clock 1
poll 2 in 1 out 1
entropy 0
"""


def test_time_chance_and_surroundings_are_the_same_on_every_host(
    lab: Lab, build_c: Callable[[str], bytes]
) -> None:
    """Written down in full: it may not change with the host, the day or our release."""
    fields = {"env": {"BETA": "", "ALPHA": "1"}}
    outcome, outputs = run(lab, build_c("world"), "--one", "two words", "", **fields)
    text = outputs["stdout"].decode()
    assert text.startswith(WORLD)
    assert text[len(WORLD) :] == (
        "mixed 760c30e5\ntoo much entropy -1\nrand 1321152984 1104743206\nrandom 262836907\n"
        "isatty 0 0 0\nstdin -1\n"
        "without a buffer\n"
    )
    assert outcome.stderr == "said aside\n"
    assert outcome.elapsed_s < 3, "a sleep took the host's time"
    again, _ = run(lab, build_c("world"), "--one", "two words", "", **fields, cache_dir=None)
    assert (again.outputs, again.ops) == (outcome.outputs, outcome.ops)
    other, _ = run(lab, build_c("world"), "--one", "two words", "", **fields, seed=b"another unit")
    assert other.outputs != outcome.outputs
