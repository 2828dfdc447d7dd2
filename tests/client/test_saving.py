"""Checkpoints of running tasks on the volunteer's disk: made in time, kept whole, gone on from."""

import random
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idlegrid_client.core.event import CheckpointLost, CheckpointMade, Event
from idlegrid_client.core.limit import DISK_FREE_MIN_BYTES
from idlegrid_client.core.model import TaskState
from idlegrid_client.core.save import SAVE_EVERY_S, SAVE_SHARE_MAX, seconds_to_next_save
from idlegrid_client.journal import read_entries
from idlegrid_client.layout import DataFolder, TaskFolder
from idlegrid_client.runner import saving as saving_module
from idlegrid_client.runner.saving import Saving
from idlegrid_shared.box.box import CheckpointingBox
from idlegrid_shared.box.open import open_box
from idlegrid_shared.box.order import BoxOrder
from idlegrid_shared.documents import Program
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.job import Outcome
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile

from . import guest
from .simulator import SimulatedProject, sha256
from .test_program import Client, client, project, wait_for

__all__ = ["client", "project"]

LIMITS = Limits(
    memory_bytes=2**24, max_ops=10**13, time_s=600.0, output_bytes=10_000, output_files=4
)
ROUNDS = 20_000  # two seconds of an idle machine
TASK = TaskState("f" * 64, "task_1", "running", deadline_at=0, accepted_at=0)


# --- when


@given(st.floats(0, 1e6))
def test_checkpoints_cost_little_and_come_in_time(took_s: float) -> None:
    wait_s = seconds_to_next_save(took_s)
    assert wait_s >= SAVE_EVERY_S
    assert took_s <= wait_s * SAVE_SHARE_MAX * 1.000001
    if took_s <= SAVE_EVERY_S * SAVE_SHARE_MAX:
        assert wait_s == SAVE_EVERY_S


# --- one run of a task, with a real sandbox


class Desk:
    """A task's folder and its program."""

    def __init__(self, folder: Path, rounds: int = 4_000) -> None:
        self.folder = TaskFolder(folder / "task_1")
        self.folder.root.mkdir()
        data = guest.patient(rounds)
        (folder / "main.wasm").write_bytes(data)
        module = ManifestEntry("main.wasm", sha256(data), len(data))
        self.told: list[Event] = []
        self.order = BoxOrder(
            program=Program("main", module, LIMITS),
            places={module.sha256: str(folder / "main.wasm")},
            output_dir=str(self.folder.out),
            seed=b"seed",
            profile=current_profile(),
            cache_dir=str(folder / "compiled"),
            checkpoint="auto",
            work="this",
        )

    def saving(self, **fields: object) -> Saving:
        return Saving(self.folder, msgspec.structs.replace(TASK, **fields), self.told.append)

    def run(self, order: BoxOrder) -> Outcome:
        with open_box(order) as box:
            box.launch()
            outcome = box.wait(120)
        assert outcome is not None
        return outcome


def started(box: CheckpointingBox) -> None:
    box.launch()
    wait_for("the program runs", lambda: box.progress.started)


def test_the_power_goes_after_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes have passed, as it were; a moment later everything is killed."""
    desk = Desk(tmp_path)
    whole = desk.run(desk.order)
    monkeypatch.setattr(saving_module, "seconds_to_next_save", lambda took_s: 0.05)
    saving = desk.saving()
    (first,) = saving.starts(desk.order)
    assert first.resume is None
    with open_box(first) as box:
        assert isinstance(box, CheckpointingBox)
        started(box)
        saving.launched()
        saving.follow(box, first)
        assert desk.told == [], "it is not time yet"
        time.sleep(0.06)
        saving.follow(box, first)
        box.kill()
    (made,) = desk.told
    assert isinstance(made, CheckpointMade)
    assert made.checkpoint.sha256 == sha256(desk.folder.checkpoint.read_bytes())
    assert 0 < made.checkpoint.ops < whole.ops
    assert [path.name for path in desk.folder.checkpoints.iterdir()] == ["last"]

    again, _ = desk.saving().starts(desk.order)
    assert again.resume == str(desk.folder.checkpoint)
    outcome = desk.run(again)
    assert (outcome.reason, outcome.ops, outcome.outputs) == ("ok", whole.ops, whole.outputs)


def test_a_new_checkpoint_takes_the_place_of_the_old_only_when_it_is_whole(tmp_path: Path) -> None:
    """Killed at any moment while it saves again and again, the task always has a good one."""
    desk = Desk(tmp_path)
    whole = desk.run(desk.order)
    rng = random.Random(5)
    for _ in range(5):
        saving = desk.saving()
        order = saving.starts(desk.order)[0]
        with open_box(order) as box:
            assert isinstance(box, CheckpointingBox)
            started(box)
            until_s = time.monotonic() + rng.uniform(0.02, 0.1)
            while time.monotonic() < until_s and box.wait(0) is None:
                saving.leave(box, order) if rng.random() < 0.1 else box.checkpoint("last")
                if box.wait(0) is not None:
                    break
            box.kill()
    order = desk.saving().starts(desk.order)[0]
    assert order.resume is not None
    outcome = desk.run(order)
    assert (outcome.reason, outcome.ops) == ("ok", whole.ops)


def test_leaving_memory(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    saving = desk.saving()
    order = saving.starts(desk.order)[0]
    with open_box(order) as box:
        assert isinstance(box, CheckpointingBox)
        started(box)
        assert saving.leave(box, order)
        outcome = box.wait(30)
    assert outcome is not None
    assert outcome.reason == "killed"
    assert desk.folder.checkpoint.is_file()


def test_a_nearly_full_disk_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The volunteer's disk comes first; the task is not disturbed."""
    desk = Desk(tmp_path, rounds=200)
    saving = desk.saving()
    order = saving.starts(desk.order)[0]
    # A program that has only just begun has told of no memory yet.
    monkeypatch.setattr(saving_module, "disk_free_bytes", lambda path: DISK_FREE_MIN_BYTES - 1)
    with open_box(order) as box:
        assert isinstance(box, CheckpointingBox)
        started(box)
        assert not saving.leave(box, order)
        outcome = box.wait(60)
    assert outcome is not None
    assert outcome.reason == "ok"
    assert not desk.folder.checkpoint.exists()


def test_a_task_without_checkpoints_leaves_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    saving = desk.saving()
    (order,) = saving.starts(msgspec.structs.replace(desk.order, checkpoint="none", resume="x"))
    assert (order.resume, order.checkpoint_dir) == (None, None)
    with open_box(order) as box:
        assert isinstance(box, CheckpointingBox)
        started(box)
        assert not saving.leave(box, order)
        box.kill()
    assert not desk.folder.checkpoints.exists()


def test_what_a_start_goes_on_from(tmp_path: Path) -> None:
    """Our own first, then another host's; the last try trusts neither."""
    desk = Desk(tmp_path)
    order = msgspec.structs.replace(desk.order, resume="others")
    assert [o.resume for o in desk.saving().starts(order)] == ["others", None]
    desk.folder.checkpoint.write_bytes(b"")
    own = str(desk.folder.checkpoint)
    assert [o.resume for o in desk.saving().starts(order)] == [own, "others", None]
    assert [o.resume for o in desk.saving(tries=2).starts(order)] == [None]


def test_a_checkpoint_that_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    saving = desk.saving()
    saving.starts(desk.order)
    desk.folder.checkpoint.write_bytes(b"rotten")
    (tmp_path / "others").write_bytes(b"of another host")
    saving.refused(str(tmp_path / "others"), "it is damaged")
    assert desk.folder.checkpoint.exists()
    saving.refused(str(desk.folder.checkpoint), "it is damaged")
    assert not desk.folder.checkpoint.exists()
    assert desk.told == [CheckpointLost(TASK.project, TASK.id, "it is damaged")] * 2
    saving.clear()
    assert not desk.folder.checkpoints.exists()


# --- the whole client


def checkpoint_of(client: Client) -> Path:
    (folder,) = client.data.glob("projects/*/tasks/*")
    return folder / "checkpoints" / "last"


def stop_in_the_middle(project: SimulatedProject, client: Client, *, migrate: bool = False) -> None:
    """A real agent with a task that takes seconds; SIGTERM comes while it runs."""
    program = guest.patient(ROUNDS)
    release = project.add_release(program, LIMITS, checkpoint="auto", migrate=migrate)
    project.add_task("task_1", release)
    client.attach()
    process = client.start()

    def computed_s() -> float:
        return sum(child.cpu_times().user for child in client.sandboxes(process))

    wait_for("some computing", lambda: computed_s() > 0.5)
    process.terminate()
    assert process.wait(60) == 0
    assert not project.done, "the task was done before it could be stopped"
    assert checkpoint_of(client).is_file()


def test_a_client_that_is_stopped_goes_on_from_where_it_was(
    project: SimulatedProject, client: Client
) -> None:
    stop_in_the_middle(project, client)
    before = checkpoint_of(client).read_bytes()
    client.finish()
    report = project.done["task_1"][1]
    assert report.outcome == "success"
    assert not [e for e in read_entries(DataFolder(client.data)) if e.code == "checkpoint_lost"]
    # The same work, never interrupted, in a client of its own.
    project.add_task("task_2", project.add_release(guest.patient(ROUNDS), LIMITS))
    client.finish()
    assert project.done["task_2"][1].ops == report.ops
    assert project.done["task_2"][1].manifest == report.manifest
    assert before[:8] == b"IDLGCKP1"


def test_what_lies_on_the_disk_goes_to_the_server_when_the_task_goes_on(
    project: SimulatedProject, client: Client
) -> None:
    """It was written while the client ended, too late to be sent; the next is ten minutes away."""
    stop_in_the_middle(project, client, migrate=True)
    left = checkpoint_of(client).read_bytes()
    assert sha256(left) not in project.uploads
    client.finish()
    assert project.done["task_1"][1].outcome == "success"
    assert bytes(project.uploads[sha256(left)]) == left
    assert 0 < project.checkpoint_ops[sha256(left)] < project.done["task_1"][1].ops


def test_a_rotten_checkpoint_is_deleted_with_a_note(
    project: SimulatedProject, client: Client
) -> None:
    stop_in_the_middle(project, client, migrate=True)
    path = checkpoint_of(client)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    client.finish()
    assert not project.checkpoint_ops, "a checkpoint that nobody can use was sent"
    assert project.done["task_1"][1].outcome == "success"
    notes = [e for e in read_entries(DataFolder(client.data)) if e.code == "checkpoint_lost"]
    assert len(notes) == 1
    assert "cannot be used" in notes[0].text
