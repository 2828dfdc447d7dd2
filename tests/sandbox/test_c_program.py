"""An ordinary C program, compiled as a scientist would, finds a usable and closed world."""

from collections.abc import Callable
from pathlib import Path

import pytest

from idlegrid_shared.sandbox.job import Outcome, SandboxJob
from idlegrid_shared.sandbox.run import run_sandboxed

from .conftest import Lab

TOUR = """\
argument 0 is guest
argument 1 is --fast
argument 2 is two words
COLOUR is blue
stdin says first
stdin says second
input says forty-two
file says 0123xy6789
size 14 mtime 0
/ has .
/ has ..
/ has in
/ has out
/in has .
/in has ..
/in has deep
/out/sub has .
/out/sub has ..
/out/sub has second.txt
/etc: errno 44
read /in/deep/data.txt: OPEN
write /in/deep/data.txt: Read-only file system
read /etc/passwd: No such file or directory
write /etc/passwd: No such file or directory
read /in/../../etc/passwd: {denied}
write /in/../../etc/passwd: {denied}
read /out/../../../etc/passwd: {denied}
write /out/../../../etc/passwd: {denied}
read /in/nothing: No such file or directory
write /in/nothing: Read-only file system
read /out/../in/new: No such file or directory
write /out/../in/new: Read-only file system
symlink -1 link -1
""".format(denied="Operation not permitted")


@pytest.fixture
def job(lab: Lab, build_c: Callable[[str], bytes], tmp_path: Path) -> SandboxJob:
    """The tour with an input, standard input, arguments and a variable."""
    (tmp_path / "host-data").write_text("forty-two")
    (tmp_path / "host-stdin").write_text("first\nsecond\n")
    return lab.job(
        build_c("tour"),
        args=["--fast", "two words"],
        env={"COLOUR": "blue"},
        inputs={"deep/data.txt": str(tmp_path / "host-data")},
        stdin=str(tmp_path / "host-stdin"),
        limits={"memory_bytes": 32 * 1024**2},  # the compiler gives a C stack of 16 MiB
    )


def run(job: SandboxJob) -> Outcome:
    outcome = run_sandboxed(job)
    assert outcome.reason == "ok", outcome
    return outcome


def test_the_tour(lab: Lab, job: SandboxJob) -> None:
    outcome = run(job)
    text = lab.output(job, "stdout").decode()
    assert text.startswith(TOUR)
    entropy, before, after = text[len(TOUR) :].splitlines()
    assert len(entropy) == 16
    assert int(after.split()[1].partition(".")[0]) - int(before.split()[1].partition(".")[0]) == 5
    assert outcome.stderr == "tour done\n"
    assert [entry.name for entry in outcome.outputs] == ["stdout", "sub/second.txt"]
    assert lab.output(job, "sub/second.txt") == b"0123xy6789-end"


def test_the_tour_is_the_same_every_time(job: SandboxJob) -> None:
    first, second = run(job), run(job)
    assert (first.outputs, first.ops) == (second.outputs, second.ops)
