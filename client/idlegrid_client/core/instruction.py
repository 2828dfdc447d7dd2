"""What the shell shall do, in this order. Saves come before what relies on them."""

from typing import Literal

from idlegrid_shared.wire import Machine, Want

from .model import CheckpointHere, ProjectState, TaskState, Value


class SendExchange(Value, frozen=True):
    """Write the request down, durably, then send it.

    ``again``: send the stored bytes unchanged. ``last``: the host leaves the project with it.
    """

    project: str
    request_id: str
    seq: int
    reports: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    want: Want | None = None
    running: tuple[tuple[str, float], ...] = ()  # of those, begun ones and how far they are
    machine: Machine | None = None
    again: bool = False
    last: bool = False


class CloseExchange(Value, frozen=True):
    """The request is answered and its consequences are saved: forget its body."""

    project: str
    seq: int


class Enrol(Value, frozen=True):
    """Introduce this device to the server."""

    project: str
    request_id: str


class NewDeviceKey(Value, frozen=True):
    """Set the old device key aside and make another."""

    project: str


class SaveProject(Value, frozen=True):
    """Write down what of a project must survive a restart."""

    project: ProjectState


class ForgetProject(Value, frozen=True):
    """Nothing of it is needed any more: delete its folder."""

    project: str


class SaveTask(Value, frozen=True):
    """Write the task down, durably."""

    task: TaskState


class ForgetTask(Value, frozen=True):
    """Delete the task's folder with its outputs."""

    project: str
    task: str
    why: str


class Download(Value, frozen=True):
    """Fetch a file into the cache."""

    project: str
    sha256: str
    bytes: int
    url: str


class Upload(Value, frozen=True):
    """Send an output: ``name`` is one of the files in the task's folder with that content."""

    project: str
    task: str
    sha256: str
    bytes: int
    name: str


class SendCheckpoint(Value, frozen=True):
    """Send the checkpoint in the task's folder, so that another host could continue from it."""

    project: str
    task: str
    checkpoint: CheckpointHere


class PrepareRuntime(Value, frozen=True):
    """Compile the interpreter that this task waits for; one at a time, at the lowest priority."""

    project: str
    task: str
    runtime: str


class StopPreparing(Value, frozen=True):
    """End the compiling; no event is awaited."""

    runtime: str


class StartTask(Value, frozen=True):
    """Verify once more, then run it in the sandbox."""

    project: str
    task: str


class SuspendTask(Value, frozen=True):
    """Let its program stand still, in memory."""

    project: str
    task: str


class ResumeTask(Value, frozen=True):
    """Let a suspended program go on."""

    project: str
    task: str


class LeaveMemory(Value, frozen=True):
    """End its sandbox at a checkpoint; one event tells whether that went well.

    ``anyway``: soon, and if there can be no checkpoint without one; then no event is awaited.
    """

    project: str
    task: str
    anyway: bool = False


class StopTask(Value, frozen=True):
    """End its sandbox; no event is awaited."""

    project: str
    task: str


class Notify(Value, frozen=True):
    """Tell the volunteer (log, status)."""

    level: Literal["info", "warning", "error"]
    code: str
    text: str
    project: str = ""
    task: str = ""


class Wait(Value, frozen=True):
    """Nothing to do before ``until`` (µs UTC) unless something happens. Always the last one."""

    until: int


class Exit(Value, frozen=True):
    """All is saved: end the process."""


Instruction = (
    SendExchange
    | CloseExchange
    | Enrol
    | NewDeviceKey
    | SaveProject
    | ForgetProject
    | SaveTask
    | ForgetTask
    | Download
    | Upload
    | SendCheckpoint
    | PrepareRuntime
    | StopPreparing
    | StartTask
    | SuspendTask
    | ResumeTask
    | LeaveMemory
    | StopTask
    | Notify
    | Wait
    | Exit
)
