"""Compiling an interpreter for real: one event tells the end, whatever comes between."""

import contextlib
import queue
import shutil
import time
from pathlib import Path

import psutil
import pytest

from idlegrid_client.core.event import Event, RuntimeFailed, RuntimeReady
from idlegrid_client.core.model import TaskState
from idlegrid_client.layout import DataFolder, ProjectFolder
from idlegrid_client.runner.prepare import Preparation
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.sandbox.launch import worker_environment
from idlegrid_shared.signing import Signed, new_key, sign_document
from tests.python.cache import CACHE, prepared

KNOWN = known_runtimes()["cpython"]
MODULE = KNOWN.interpreter.module.sha256
TASK = TaskState(
    project="5f" * 20,
    id="task_1",
    phase="ready",
    deadline_at=0,
    accepted_at=0,
    runtime=KNOWN.sha256,
    runtime_name=KNOWN.title,
)


class Place:
    """A data folder whose project has the interpreter in its cache."""

    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root)
        self.data.make()
        self.project: ProjectFolder = self.data.project(TASK.project)
        self.project.make()
        with prepared("cpython"):
            shutil.copyfile(CACHE / "runtimes" / MODULE, self.project.cache / MODULE)
        self.events: queue.Queue[Event] = queue.Queue()

    def prepare(self, releases: dict[str, Signed] | None = None) -> Preparation:
        known = {KNOWN.sha256: KNOWN.signed} if releases is None else releases
        preparation = Preparation(self.project, TASK, known, self.events.put, self.data.compiled)
        preparation.start()
        return preparation

    def compiled(self) -> list[Path]:
        return list(self.data.compiled.glob("*.cwasm"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data")


def test_it_is_compiled_once_into_the_cache(place: Place) -> None:
    place.prepare()
    assert place.events.get(timeout=200) == RuntimeReady(KNOWN.sha256)
    (first,) = place.compiled()
    made = first.stat().st_mtime_ns
    place.prepare()
    assert place.events.get(timeout=60) == RuntimeReady(KNOWN.sha256)
    assert [path.stat().st_mtime_ns for path in place.compiled()] == [made]
    assert not place.project.task(TASK.id).out.exists()
    assert not place.project.task(TASK.id).process.exists()


def sandbox_workers() -> list[psutil.Process]:
    """Of this process; other tests here may have a browser open."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "idlegrid_shared.sandbox.worker" in child.cmdline():
                found.append(child)
    return found


def test_it_can_be_stopped_and_leaves_no_process(place: Place) -> None:
    preparation = place.prepare()
    until = time.monotonic() + 60
    while not (workers := sandbox_workers()):
        assert time.monotonic() < until
        time.sleep(0.01)
    preparation.stop()
    _, alive = psutil.wait_procs(workers, 10)
    assert not alive
    with pytest.raises(queue.Empty):
        place.events.get(timeout=0.5)
    assert place.compiled() == []


def test_a_release_that_is_not_believed_is_without_hope(place: Place) -> None:
    forged = sign_document("release", KNOWN.release, new_key())
    place.prepare({KNOWN.sha256: forged})
    event = place.events.get(timeout=10)
    assert isinstance(event, RuntimeFailed)
    assert event.hopeless
    assert "not Idlegrid's release key" in event.text
    place.prepare({})
    missing = place.events.get(timeout=10)
    assert isinstance(missing, RuntimeFailed)
    assert missing.hopeless


def test_a_rotten_module_is_left_to_the_task_which_fetches_it_anew(place: Place) -> None:
    (place.project.cache / MODULE).write_bytes(b"rotten")
    place.prepare()
    assert place.events.get(timeout=10) == RuntimeReady(KNOWN.sha256)
    assert place.compiled() == []
    assert not (place.project.cache / MODULE).exists()


def test_a_cache_that_refuses_is_tried_again(place: Place) -> None:
    place.data.compiled.rmdir()
    place.data.compiled.write_text("a file in the way")
    place.prepare()
    event = place.events.get(timeout=60)
    assert isinstance(event, RuntimeFailed)
    assert not event.hopeless


def test_one_thread_compiles() -> None:
    """The owner's other cores stay free: Cranelift's pool reads this variable."""
    assert worker_environment(1)["RAYON_NUM_THREADS"] == "1"
    assert "RAYON_NUM_THREADS" not in worker_environment()
