"""The power goes at every durable step of a client's life, one after the other. Nothing is lost.

A life: two hosts' worth of mishaps (a lost reply, a broken upload), tasks with small and with large
outputs, one that fails, one that the server cancels. For each k, the k-th durable step is the last;
then the client starts again from its disk and goes on to the end.
"""

import random
from collections import Counter
from pathlib import Path

import pytest

from idlegrid_client import faults
from idlegrid_client.durable import DamagedError, read_state
from idlegrid_client.layout import DataFolder
from idlegrid_client.store_task import StoredResult

from .inline_agent import Crash, InlineAgent, attach, quick_disk, releases_of
from .simulator import RefusedError, SimulatedProject

TASKS = ("task_a", "task_b", "task_large", "task_fails")
STEPS_MAX = 400

__all__ = ["quick_disk"]


class Outage:
    """Raises at the k-th durable step, and remembers which one that was."""

    def __init__(self, k: int) -> None:
        self.left = k
        self.at = ""

    def __call__(self, point: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.at = point
            raise Crash(point)


def new_project() -> SimulatedProject:
    project = SimulatedProject()
    release = releases_of(project)
    project.add_task("task_a", release, args=("a",))
    project.add_task("task_b", release, args=("b",))
    project.add_task("task_large", release, args=("large",))
    project.add_task("task_fails", release, args=("fails",))
    project.swallow = 1
    project.cut_uploads = 1
    project.cut_downloads = [3]
    return project


def finished_results(data: DataFolder) -> set[str]:
    """Tasks whose result lies on the disk, whole."""
    found = set()
    for folder in data.attached():
        for path in folder.tasks.glob("*/result.json"):
            try:
                stored = read_state(path, StoredResult)
            except DamagedError:
                continue
            if stored is not None:
                found.add(stored.task)
    return found


def live(data: DataFolder, project: SimulatedProject, start: int) -> list[str]:
    """One life to its end; the tasks that were computed in it."""
    agent = InlineAgent(data, project, start, random.Random(7))
    agent.run()
    assert not agent.state.tasks, "a client at rest holds no task any more"
    return agent.inline_runner.computed


def live_until(data: DataFolder, project: SimulatedProject, start: int, outage: Outage) -> bool:
    """One life that may be cut short; whether it was."""
    try:
        with faults.installed(outage):
            attach(data, project, start)
            InlineAgent(data, project, start, random.Random(3)).run()
    except Crash:
        return True
    return False


def one_outage(folder: Path, k: int) -> str:
    """Crash at step ``k``, start again, check; the name of the step, or "" if there are fewer."""
    data, project = DataFolder(folder), new_project()
    outage = Outage(k)
    start = project.issued_at
    crashed = live_until(data, project, start, outage)
    if not crashed:
        return ""
    kept = finished_results(data)
    attach(data, project, start)
    again = live(data, project, start + 1_000_000)
    where = f"after a crash at step {k}, {outage.at}"
    assert set(project.done) == set(TASKS), f"not every task was delivered {where}"
    assert not project.in_progress, f"a task is still held {where}"
    twice = kept & set(again)
    assert not twice, f"finished results were thrown away and computed again: {twice} {where}"
    outcomes = {task: report.outcome for task, (_, report) in project.done.items()}
    assert outcomes.pop("task_fails") == "error"
    assert set(outcomes.values()) == {"success"}, where
    return outage.at


@pytest.mark.usefixtures("quick_disk")
def test_a_crash_at_any_durable_step_loses_nothing(tmp_path: Path) -> None:
    reached: Counter[str] = Counter()
    for k in range(1, STEPS_MAX):
        at = one_outage(tmp_path / str(k), k)
        if not at:
            break
        reached[at] += 1
    else:
        pytest.fail(f"the story has more than {STEPS_MAX} steps")
    missed = set(faults.POINTS) - set(reached) - {"key.aside"}
    assert not missed, f"no crash was tried at {sorted(missed)}"


@pytest.mark.usefixtures("quick_disk")
def test_two_crashes_in_a_row_lose_nothing(tmp_path: Path) -> None:
    """The second one hits the recovery itself."""
    rng = random.Random(11)
    for n in range(40):
        data, project = DataFolder(tmp_path / str(n)), new_project()
        start = project.issued_at
        kept: set[str] = set()
        for _ in range(3):
            live_until(data, project, start, Outage(rng.randrange(1, 80)))
            assert kept - set(project.done) <= finished_results(data), "a kept result vanished"
            kept = finished_results(data)
            start += 1_000_000
        attach(data, project, start)
        live(data, project, start)
        assert set(project.done) == set(TASKS)


@pytest.mark.usefixtures("quick_disk")
def test_a_crash_while_the_key_is_renewed_ends_with_one_good_key(tmp_path: Path) -> None:
    """The server calls this machine a clone; the power goes between the old key and the new."""
    reached = set()
    for k in range(1, STEPS_MAX):
        data, project = DataFolder(tmp_path / str(k)), new_project()
        project.problems = [RefusedError(409, "clone", "another machine uses this key")]
        outage = Outage(k)
        if not live_until(data, project, project.issued_at, outage):
            break
        reached.add(outage.at)
        project.problems = []
        attach(data, project, project.issued_at)
        live(data, project, project.issued_at + 1_000_000)
        assert set(project.done) == set(TASKS), f"crashed at {outage.at}"
    else:
        pytest.fail("the story did not end")
    assert "key.aside" in reached, "the key was never renewed"
