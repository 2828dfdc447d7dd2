"""Files that rotted, were cut short or vanished: set aside, told, rebuilt as far as possible."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from idlegrid_client import faults
from idlegrid_client.durable import DamagedError, read_state, write_state
from idlegrid_client.layout import DataFolder, ProjectFolder, task_folder_name
from idlegrid_client.store_state import LoadedProject, StoredExchange, load_project, save_exchange
from idlegrid_shared.keyfile import load_key

from .inline_agent import Crash, InlineAgent, attach, quick_disk, releases_of
from .simulator import SimulatedProject

__all__ = ["quick_disk"]

pytestmark = pytest.mark.usefixtures("quick_disk")


class House:
    """A client that died with one finished result, not reported yet, and one waiting task."""

    def __init__(self, folder: Path) -> None:
        self.data = DataFolder(folder)
        self.project = SimulatedProject()
        release = releases_of(self.project)
        self.project.add_task("task_done", release, args=("large",))
        self.project.add_task("task_new", release, args=("b",), deadline_s=4000)
        self.said: list[str] = []
        attach(self.data, self.project, self.project.issued_at)
        self._live_until_the_first_result()
        self.folder: ProjectFolder = self.data.project(self.project.fingerprint)
        self.done = self.folder.task("task_done")

    def _live_until_the_first_result(self) -> None:
        def stop(point: str) -> None:
            if point == "result.after":
                raise Crash

        agent = InlineAgent(self.data, self.project, self.project.issued_at, random.Random(1))
        with faults.installed(stop), pytest.raises(Crash):
            agent.run()

    def load(self) -> LoadedProject:
        loaded = load_project(self.folder, self.project.issued_at, self.said.append)
        assert loaded is not None
        return loaded

    def phases(self) -> dict[str, str]:
        return {t.id: t.phase for t in self.load().tasks}

    def finish(self) -> list[str]:
        """A new life to its end; what was computed in it."""
        agent = InlineAgent(self.data, self.project, self.project.issued_at, random.Random(2))
        agent.run()
        assert set(self.project.done) == {"task_done", "task_new"}
        return agent.inline_runner.computed


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


HARMS = [cut, empty, flip]


def test_undamaged_the_result_is_there_and_is_not_computed_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert house.phases() == {"task_done": "computed", "task_new": "new"}
    assert house.finish() == ["task_new"]
    assert house.said == []


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_task_file_does_not_cost_the_result(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    house = House(tmp_path)
    harm(house.done.task)
    assert house.phases()["task_done"] == "computed"
    assert "task.json is damaged" in house.said[0]
    assert house.finish() == ["task_new"]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_result_is_computed_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    house = House(tmp_path)
    harm(house.done.result)
    assert house.phases()["task_done"] == "new"
    assert sorted(house.finish()) == ["task_done", "task_new"]


@pytest.mark.parametrize("harm", [*HARMS, Path.unlink])
def test_a_result_whose_outputs_rotted_is_computed_again(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    house = House(tmp_path)
    harm(house.done.out / "large")
    assert house.phases()["task_done"] == "new"
    assert any("computed anew" in text for text in house.said)
    assert sorted(house.finish()) == ["task_done", "task_new"]


@pytest.mark.parametrize("harm", HARMS)
def test_a_task_of_which_nothing_can_be_believed_is_given_again(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """It is not listed as held any more, so the server offers it again."""
    house = House(tmp_path)
    harm(house.done.task)
    harm(house.done.result)
    assert house.phases() == {"task_new": "new"}
    assert [p.name for p in house.folder.broken.iterdir()] == ["task_done"]
    assert any("set aside" in text for text in house.said)
    assert sorted(house.finish()) == ["task_done", "task_new"]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_exchange_file_does_not_make_this_machine_a_clone(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    """The last number is lost, and a lower one would cost the device key and all tasks."""
    house = House(tmp_path)
    save_exchange(house.folder, StoredExchange(seq=3))
    harm(house.folder.exchange)
    before = load_key(house.folder.key)
    assert house.load().exchange.seq > 1_000_000
    assert house.finish() == ["task_new"]
    assert load_key(house.folder.key) == before


@pytest.mark.parametrize("harm", [*HARMS, Path.unlink])
def test_damaged_signatures_are_fetched_anew(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    house = House(tmp_path)
    harm(house.folder.trust)
    assert house.load().trust is None
    assert house.finish() == ["task_new"]


def test_old_delegations_put_back_on_the_disk_are_not_believed(tmp_path: Path) -> None:
    """A restored backup must not bring a removed publisher back."""
    house = House(tmp_path)
    save_exchange(house.folder, StoredExchange(seq=9, serial=5))
    assert house.load().trust is None
    assert "replayed" in house.said[0]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_device_key_is_replaced_and_the_host_enrols_again(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    house = House(tmp_path)
    harm(house.folder.key)
    loaded = house.load()
    assert not loaded.state.enrolled
    assert load_key(house.folder.key) == loaded.key
    assert any("new device key" in text for text in house.said)


def test_a_device_key_that_others_could_read_is_closed_and_kept(tmp_path: Path) -> None:
    house = House(tmp_path)
    before = load_key(house.folder.key)
    house.folder.key.chmod(0o644)
    assert house.load().key == before
    assert house.folder.key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_link_says_what_to_do_and_touches_nothing(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    house = House(tmp_path)
    harm(house.folder.link)
    assert load_project(house.folder, 0, house.said.append) is None
    assert "attach this project once more" in house.said[0]
    attach(house.data, house.project, house.project.issued_at)
    assert house.finish() == ["task_new"]


def test_a_half_made_attach_is_no_project(tmp_path: Path) -> None:
    folder = ProjectFolder(tmp_path / "projects" / ("ab" * 20))
    folder.make()
    assert load_project(folder, 0, print) is None


def test_state_files_know_their_own_bytes(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_state(path, StoredExchange(seq=4), "exchange")
    assert read_state(path, StoredExchange) == StoredExchange(seq=4)
    path.write_bytes(path.read_bytes().replace(b'"seq":4', b'"seq":5'))
    with pytest.raises(DamagedError, match="checksum"):
        read_state(path, StoredExchange)


@pytest.mark.parametrize("name", ["../../up", "task/x", "Task_A", "con:", "", "x" * 65, "täsk"])
def test_a_strange_task_id_names_no_strange_folder(name: str) -> None:
    folder = task_folder_name(name)
    assert folder.startswith("x-")
    assert folder.replace("x-", "").isalnum()
    assert task_folder_name("task_a1") == "task_a1"
