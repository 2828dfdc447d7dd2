"""A real client is paused with real programs: they stand still, leave memory, and go on."""

import time

import msgspec
import psutil

from idlegrid.instrument import instrument
from idlegrid_client.journal import read_entries
from idlegrid_client.layout import DataFolder

from . import guest
from .simulator import SimulatedProject
from .test_program import Client, client, endless, project, wait_for
from .test_saving import LIMITS, checkpoint_of

__all__ = ["client", "project"]

#: Some ten seconds: the program must not end before the pause comes.
ROUNDS = 80_000


def is_still(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_STOPPED)


def test_a_pause_frees_the_memory_and_the_task_goes_on_from_there(
    project: SimulatedProject, client: Client
) -> None:
    """The same work, paused and not, gives the same bytes and ops."""
    release = project.add_release(guest.patient(ROUNDS), LIMITS, checkpoint="auto")
    project.add_task("task_1", release)
    client.attach()
    process = client.start("--leave-memory-s", "4")
    wait_for("the program", lambda: client.sandboxes(process))
    (sandbox,) = client.sandboxes(process)
    wait_for("some computing", lambda: sandbox.cpu_times().user > 0.5)
    assert "Paused" in client.call("pause").stdout
    wait_for("it stands still", lambda: is_still(sandbox))
    before_s = sandbox.cpu_times().user
    wait_for("the status", lambda: "1 task stands still in memory" in client.call("status").stdout)
    assert sandbox.cpu_times().user == before_s
    wait_for("it is out of memory", lambda: not client.sandboxes(process))
    assert checkpoint_of(client).is_file()
    assert not project.done
    wait_for("the status", lambda: "1 ready" in client.call("status").stdout)
    assert "Not paused" in client.call("resume").stdout
    wait_for("it is done", lambda: "task_1" in project.done)
    process.terminate()
    assert process.wait(60) == 0
    report = project.done["task_1"][1]
    assert report.outcome == "success"
    assert not [e for e in read_entries(DataFolder(client.data)) if e.code == "checkpoint_lost"]
    project.add_task("task_2", project.add_release(guest.patient(ROUNDS), LIMITS))
    client.finish()
    again = project.done["task_2"][1]
    assert (again.ops, again.manifest) == (report.ops, report.manifest)


def test_what_cannot_be_saved_stays_in_memory_and_a_pause_outlasts_the_client(
    project: SimulatedProject, client: Client
) -> None:
    endless(project, 1)
    client.attach()
    process = client.start("--leave-memory-s", "0", "--keep-free-mb", "100000000")
    wait_for("the program", lambda: client.sandboxes(process))
    (sandbox,) = client.sandboxes(process)
    client.call("pause")
    wait_for("it stands still", lambda: is_still(sandbox))
    time.sleep(1)
    assert client.sandboxes(process) == [sandbox]
    process.terminate()
    assert process.wait(60) == 0
    assert not sandbox.is_running()
    again = client.start()
    wait_for("the status", lambda: "Paused, until" in client.call("status").stdout)
    time.sleep(1)
    assert client.sandboxes(again) == []
    client.call("resume")
    wait_for("it computes", lambda: client.sandboxes(again))


#: One host call, and then none.
LONELY = """(module
 (import "idlegrid" "safepoint" (func $safepoint))
 (memory (export "memory") 100)
 (func (export "_start")
  (call $safepoint)
  (loop $on (br $on))))
"""


def test_one_that_comes_to_no_host_call_stands_still_again_and_is_not_lost(
    project: SimulatedProject, client: Client
) -> None:
    limits = msgspec.structs.replace(LIMITS, max_ops=10**17)
    program = instrument(guest.module(LONELY))
    project.add_task("task_1", project.add_release(program, limits, checkpoint="auto"))
    client.attach()
    process = client.start("--leave-memory-s", "0")
    wait_for("the program", lambda: client.sandboxes(process))
    (sandbox,) = client.sandboxes(process)
    wait_for("some computing", lambda: sandbox.cpu_times().user > 0.5)
    client.call("pause")

    def notes() -> list[str]:
        log = read_entries(DataFolder(client.data))
        return [entry.text for entry in log if entry.code == "stays_in_memory"]

    wait_for("word that it stays", notes)
    assert notes() == ["the task came to no checkpoint, so it stays in memory"]
    assert is_still(sandbox)
    before_s = sandbox.cpu_times().user
    client.call("resume")
    wait_for("it goes on", lambda: sandbox.cpu_times().user > before_s)
    assert client.sandboxes(process) == [sandbox]
