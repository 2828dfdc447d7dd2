"""The agent's shell: a disk that is full, a runner that lies, a log that grows."""

import errno
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idlegrid_client import agent_loop
from idlegrid_client.agent_loop import Agent, AgentOptions
from idlegrid_client.core.event import Timer
from idlegrid_client.core.model import TaskState
from idlegrid_client.durable import write_state
from idlegrid_client.journal import FILE_BYTES_MAX, Entry, Journal, read_entries
from idlegrid_client.layout import DataFolder
from idlegrid_client.lock import DataLock, LockedError, is_locked
from idlegrid_client.machine.facts import profile_names, read_machine
from idlegrid_client.runner.result import choose_inline, read_outputs
from idlegrid_client.runner.runner import Runner
from idlegrid_client.store_state import load_link, load_project
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.wire import INLINE_BYTES_MAX

from .inline_agent import InlineAgent, InlineRunner, attach, compute_text, quick_disk, releases_of
from .simulator import SimulatedProject, sha256
from .story import changed

__all__ = ["quick_disk"]


@pytest.fixture
def project() -> SimulatedProject:
    made = SimulatedProject()
    made.add_task("task_1", releases_of(made), args=("a",))
    return made


def live(data: DataFolder, project: SimulatedProject) -> InlineAgent:
    attach(data, project, project.issued_at)
    agent = InlineAgent(data, project, project.issued_at, random.Random(1))
    agent.run()
    return agent


@pytest.mark.usefixtures("quick_disk")
def test_a_full_disk_holds_the_agent_up_and_loses_nothing(
    tmp_path: Path, project: SimulatedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the core decides next relies on what was written: so it waits, and says why."""
    refusals = 3
    real: Callable[..., None] = agent_loop.save_task

    def full(*args: Any) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*args)

    monkeypatch.setattr(agent_loop, "save_task", full)
    monkeypatch.setattr(agent_loop, "DISK_RETRY_S", 0.0)
    data = DataFolder(tmp_path)
    live(data, project)
    assert refusals == 0
    assert set(project.done) == {"task_1"}
    told = [entry for entry in read_entries(data) if entry.code == "disk"]
    assert len(told) == 1
    assert "make room" in told[0].text


@pytest.mark.usefixtures("quick_disk")
def test_a_stop_ends_the_waiting_for_a_full_disk(
    tmp_path: Path, project: SimulatedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataFolder(tmp_path)
    attach(data, project, project.issued_at)
    agent = InlineAgent(data, project, project.issued_at, random.Random(1))

    def full(*args: Any) -> None:
        agent.stop()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(agent_loop, "save_task", full)
    with pytest.raises(agent_loop.DiskRefusedError):
        agent.run()
    monkeypatch.undo()
    live(data, project)
    assert set(project.done) == {"task_1"}, "the server gave it again"


class LyingRunner(InlineRunner):
    """The extension point for demonstrations: other bytes than were computed."""

    def collect_outputs(
        self, task: TaskState, out: Path, outcome: Outcome
    ) -> tuple[ManifestEntry, ...]:
        (out / "answer").write_bytes(b"lies")
        return super().collect_outputs(task, out, outcome)


@pytest.mark.usefixtures("quick_disk")
def test_a_runner_may_be_made_to_lie_without_any_such_code_in_the_client(
    tmp_path: Path, project: SimulatedProject
) -> None:
    data = DataFolder(tmp_path)
    attach(data, project, project.issued_at)
    agent = InlineAgent(data, project, project.issued_at, random.Random(1))
    agent._runner = LyingRunner(data.compiled, compute_text)
    agent.run()
    report = project.done["task_1"][1]
    assert report.manifest == (ManifestEntry("answer", sha256(b"lies"), 4),)
    assert report.inline[0].data == b"lies"
    assert Runner.collect_outputs is not LyingRunner.collect_outputs


def test_outputs_are_listed_by_what_lies_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b").write_bytes(b"bb")
    (tmp_path / "a").write_bytes(b"a")
    assert read_outputs(tmp_path) == (
        ManifestEntry("a", sha256(b"a"), 1),
        ManifestEntry("deep/er/b", sha256(b"bb"), 2),
    )


def test_as_many_small_outputs_as_fit_travel_inside_the_report() -> None:
    def entry(name: str, size: int) -> ManifestEntry:
        return ManifestEntry(name, "ab" * 32, size)

    half = INLINE_BYTES_MAX // 2
    assert choose_inline((entry("a", half), entry("b", half))) == ("a", "b")
    assert choose_inline((entry("a", half), entry("b", half + 1))) == ("a",)
    assert choose_inline((entry("a", INLINE_BYTES_MAX + 1), entry("z", 0))) == ("z",)


def test_the_log_turns_over_and_survives_a_cut_line(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    data.make()
    said: list[str] = []
    journal = Journal(data, said.append)
    journal.write(Entry(0, "info", "first", "It began.", task="task_1"))
    assert said == ["1970-01-01 00:00:00Z It began. [task_1]"]
    with data.log.open("ab") as file:
        file.write(b"x" * FILE_BYTES_MAX + b"\n" + b'{"cut')
    journal.write(Entry(1, "warning", "second", "It went on."))
    assert data.log_old.exists()
    assert [entry.code for entry in read_entries(data)] == ["first", "second"]


def test_one_client_in_a_folder(tmp_path: Path) -> None:
    lock = tmp_path / "data" / "lock"
    assert not is_locked(lock)
    with DataLock(lock):
        assert is_locked(lock)
        with (
            pytest.raises(LockedError, match=r"already works in .*data \(process \d+\)"),
            DataLock(lock),
        ):
            pass
    assert not is_locked(lock)


def test_the_facts_of_this_machine(tmp_path: Path) -> None:
    machine = read_machine(tmp_path, 2, 2**30)
    assert (machine.cores, machine.memory_bytes) == (2, 2**30)
    assert machine.profiles[0] == current_profile().name
    assert len(set(profile_names())) == 4
    assert machine.disk_free_bytes % 2**30 == 0
    assert machine == read_machine(tmp_path, 2, 2**30), "no news in every exchange"


@pytest.mark.usefixtures("quick_disk")
def test_a_fault_in_a_thread_ends_the_agent_loudly(
    tmp_path: Path, project: SimulatedProject
) -> None:
    """Silent death of one thread would leave a client that waits for it for ever."""
    data = DataFolder(tmp_path)
    attach(data, project, project.issued_at)
    agent = InlineAgent(data, project, project.issued_at, random.Random(1))
    agent.fail(KeyError("a fault of ours"))
    with pytest.raises(KeyError, match="a fault of ours"):
        agent.run()


@pytest.mark.usefixtures("quick_disk")
def test_a_link_that_was_edited_to_plain_http_is_not_followed(
    tmp_path: Path, project: SimulatedProject
) -> None:
    data = DataFolder(tmp_path)
    attach(data, project, project.issued_at)
    folder = data.project(project.fingerprint)
    link = load_link(folder)
    assert link is not None
    write_state(folder.link, changed(link, url="http://192.0.2.7"), "link")
    said: list[str] = []
    assert load_project(folder, 0, said.append) is None
    assert "is not https" in said[0]


def test_a_clock_set_back_wakes_the_loop(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    now = 10**15
    agent = Agent(data, AgentOptions(cores=1, memory_bytes=1, clock=lambda: now))
    agent._pause_s = lambda: 0.0  # type: ignore[method-assign]
    agent._wait_until = now + 600 * 1_000_000
    assert agent._next_event() is None, "it is not time yet"
    now -= 10**14
    assert agent._next_event() == Timer()
