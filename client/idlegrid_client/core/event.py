"""What can happen to the agent. Signatures were checked before a reply becomes an event."""

from typing import Literal

from idlegrid_shared.signing import Signed
from idlegrid_shared.wire import Machine, Notice, Refusal

from .model import CheckpointHere, FileNeed, ProjectState, Result, TaskState, Value


class Timer(Value, frozen=True):
    """The time that was waited for has come."""


class Started(Value, frozen=True):
    """The agent (re)starts with what its disk remembers."""

    projects: tuple[ProjectState, ...]
    tasks: tuple[TaskState, ...]


class ProjectAttached(Value, frozen=True):
    """The volunteer joined a project while the agent runs."""

    project: ProjectState


class CommandGiven(Value, frozen=True):
    """The volunteer's word. ``leave`` names a project; ``stop`` ends the agent.

    ``pause`` lets nothing compute until ``resume``.
    """

    command: Literal["stop", "leave", "pause", "resume"]
    project: str = ""


class MachineChanged(Value, frozen=True):
    """Fresh facts about this machine."""

    machine: Machine
    disk_free_bytes: int
    memory_free_bytes: int = 2**62


class Offer(Value, frozen=True):
    """A task whose whole chain of signatures holds."""

    task: str
    unit: str
    app: str
    version: str
    program: str
    batch: str
    release: str
    deadline_s: int
    memory_bytes: int
    time_s: float
    descriptor: Signed
    files: tuple[FileNeed, ...]
    checkpoints: bool = False
    migrates: bool = False
    resume: str = ""
    runtime: str = ""
    runtime_name: str = ""
    compile_bytes: int = 0


class RefusedOffer(Value, frozen=True):
    """A task that must not run here; it goes back as aborted with the code and the sentence."""

    task: str
    code: str
    text: str


class Answer(Value, frozen=True):
    """The fate of one report. ``receipted``: its receipt verifies, else ``trouble`` says why."""

    task: str
    fate: Literal["accepted", "duplicate", "refused", "missing_files", "retry"]
    reason: str = ""
    receipted: bool = False
    trouble: str = ""
    missing: tuple[str, ...] = ()


class CheckedReply(Value, frozen=True):
    """A server's answer after verification."""

    next_contact_s: float
    answers: tuple[Answer, ...] = ()
    offers: tuple[Offer, ...] = ()
    refused: tuple[RefusedOffer, ...] = ()
    cancel: tuple[str, ...] = ()
    extended: tuple[tuple[str, int], ...] = ()  # tasks, and the seconds that they have from now on
    refusals: tuple[Refusal, ...] = ()
    notices: tuple[Notice, ...] = ()
    timestamp_expires_at: int = 0  # 0: nothing new


class ReplyReceived(Value, frozen=True):
    """The exchange ``request_id`` was answered."""

    project: str
    request_id: str
    reply: CheckedReply


class ExchangeFailed(Value, frozen=True):
    """No usable answer: nothing came, or nonsense. The same request will be sent again."""

    project: str
    text: str
    retry_after_s: float = 0.0


class ProblemReceived(Value, frozen=True):
    """The server answered with a problem (RFC 9457) instead."""

    project: str
    status: int
    code: str
    text: str
    retry_after_s: float = 0.0


class Enrolled(Value, frozen=True):
    """The server knows this device now."""

    project: str
    house: bool = False


class KeyRenewed(Value, frozen=True):
    """A fresh device key lies on the disk; the old one is set aside."""

    project: str


class DownloadFinished(Value, frozen=True):
    """The file is in the cache and its hash is right."""

    project: str
    sha256: str


class DownloadFailed(Value, frozen=True):
    """``gone``: its address is not good any more (404, 403, expired); else worth another try."""

    project: str
    sha256: str
    text: str
    gone: bool = False


class UploadFinished(Value, frozen=True):
    """The server holds this output, whole and verified."""

    project: str
    task: str
    sha256: str


class UploadFailed(Value, frozen=True):
    """The output is not at the server yet."""

    project: str
    task: str
    sha256: str
    text: str
    retry_after_s: float = 0.0


class CheckpointMade(Value, frozen=True):
    """A newer checkpoint of a task is durable in its folder."""

    project: str
    task: str
    checkpoint: CheckpointHere


class CheckpointLost(Value, frozen=True):
    """A checkpoint could not be used (damaged, or of other work): the task began without it."""

    project: str
    task: str
    text: str


class CheckpointSent(Value, frozen=True):
    """The server holds this checkpoint of the task."""

    project: str
    task: str
    sha256: str


class CheckpointNotSent(Value, frozen=True):
    """It is not at the server. ``refused``: nor will be any other of this task."""

    project: str
    task: str
    sha256: str
    text: str
    refused: bool = False
    retry_after_s: float = 0.0


class RuntimeReady(Value, frozen=True):
    """The interpreter is compiled for this machine."""

    runtime: str


class RuntimeFailed(Value, frozen=True):
    """It is not compiled. ``hopeless``: nor will it be by trying again soon."""

    runtime: str
    text: str
    hopeless: bool = False


class TaskFinished(Value, frozen=True):
    """The sandbox ended and the result, if any, is durable in the task's folder."""

    project: str
    task: str
    result: Result


class TaskInterrupted(Value, frozen=True):
    """The machine, not the program, ended the run; ``files_lost``: an input vanished or rotted."""

    project: str
    task: str
    text: str
    files_lost: bool = False


class TaskLeft(Value, frozen=True):
    """The answer to :class:`.instruction.LeaveMemory`: its sandbox ended at a checkpoint.

    Not ``saved``: there could be none, and it stands still in memory as before.
    """

    project: str
    task: str
    saved: bool
    text: str = ""


class TaskUntrusted(Value, frozen=True):
    """The check right before the start failed: this must not run."""

    project: str
    task: str
    code: str
    text: str


class TaskProgress(Value, frozen=True):
    """How much of a task is done, 0 … 1."""

    project: str
    task: str
    fraction: float


Event = (
    Timer
    | Started
    | ProjectAttached
    | CommandGiven
    | MachineChanged
    | ReplyReceived
    | ExchangeFailed
    | ProblemReceived
    | Enrolled
    | KeyRenewed
    | DownloadFinished
    | DownloadFailed
    | UploadFinished
    | UploadFailed
    | CheckpointMade
    | CheckpointLost
    | CheckpointSent
    | CheckpointNotSent
    | RuntimeReady
    | RuntimeFailed
    | TaskFinished
    | TaskInterrupted
    | TaskLeft
    | TaskUntrusted
    | TaskProgress
)
