"""Processes of a former run are found and ended; nobody else's ever is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from idlegrid_client.machine.orphan import end_orphan, leave_trace, make_humble


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_an_orphan_is_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    note = tmp_path / "process.json"
    leave_trace(note, sleeper.pid)
    assert end_orphan(note)
    assert not psutil.pid_exists(sleeper.pid)
    assert not note.exists()
    assert not end_orphan(note)


def test_a_stranger_with_the_same_number_is_left_alone(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Process ids are used again; a birth is not."""
    note = tmp_path / "process.json"
    note.write_text(f'{{"pid":{sleeper.pid},"born_at_s":1.0}}')
    assert not end_orphan(note)
    assert sleeper.poll() is None


@pytest.mark.parametrize("text", ["", "nonsense", '{"pid":"x"}', '{"pid":99999999,"born_at_s":1}'])
def test_a_note_that_says_nothing_does_no_harm(text: str, tmp_path: Path) -> None:
    note = tmp_path / "process.json"
    note.write_text(text)
    assert not end_orphan(note)
    assert not note.exists()


def test_the_agent_never_ends_itself(tmp_path: Path) -> None:
    note = tmp_path / "process.json"
    leave_trace(note, os.getpid())
    assert not end_orphan(note)


def test_sandboxes_are_humble(sleeper: subprocess.Popen[bytes]) -> None:
    make_humble(sleeper.pid)
    assert psutil.Process(sleeper.pid).nice() == 19
