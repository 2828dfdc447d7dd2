"""What the agent knows, as values: itself, its projects, their files, its tasks.

Times named ``…_at`` are µs UTC. A project is named by the fingerprint of its root key.

A task's phase::

    new ─► downloading ─► ready ⇄ running ─► computed ─► uploading ─► reporting ─► receipted
     ▲_________│ (files lost: offered anew)  │   └──────────────────────▲
                                             ├─► failed ──────► receipted
    running ⇄ suspended ─► leaving ─► ready  (the volunteer's pause; a checkpoint is left)
    any unfinished ─► aborted ─► receipted   └─► aborted
    any ─► forgotten  (the server cancelled or refused it, or the project is left)
"""

from typing import Literal

import msgspec

from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.signing import Signed
from idlegrid_shared.wire import Machine, Outcome, Refusal

from .limit import LEAVE_MEMORY_S, MEMORY_KEEP_BYTES

Phase = Literal[
    "new",
    "downloading",
    "ready",
    "running",
    "suspended",
    "leaving",
    "computed",
    "uploading",
    "reporting",
    "receipted",
    "forgotten",
    "failed",
    "aborted",
]
#: Its program holds memory: it computes, stands still, or writes its last checkpoint.
IN_MEMORY: frozenset[Phase] = frozenset({"running", "suspended", "leaving"})
UNFINISHED: frozenset[Phase] = frozenset({"new", "downloading", "ready", *IN_MEMORY})
BEGUN: frozenset[Phase] = frozenset({"running", "computed", "uploading"})
REPORTABLE: frozenset[Phase] = frozenset({"reporting", "failed", "aborted"})
DELIVERING: frozenset[Phase] = frozenset({"computed", "uploading", *REPORTABLE})
GONE: frozenset[Phase] = frozenset({"receipted", "forgotten"})

TaskKey = tuple[str, str]  # (project fingerprint, task id)


class Value(msgspec.Struct, frozen=True):
    """Base of everything here: immutable and comparable, so that a story can be told exactly."""


class FileNeed(Value, frozen=True):
    """A file that a task reads, and the project's path to it (with its short-lived token)."""

    sha256: str
    bytes: int
    url: str


class Result(Value, frozen=True):
    """What became of a task, as it will be reported; output bytes lie in the task's folder."""

    outcome: Outcome
    reason: str = "ok"
    exit_code: int = 0
    ops: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    profile: str = ""
    stderr: str = ""
    manifest: tuple[ManifestEntry, ...] = ()
    manifest_hash: str = ""  # "" unless outcome is success, as in the receipt
    inline: tuple[str, ...] = ()  # names of outputs that travel inside the report

    def uploads(self) -> dict[str, ManifestEntry]:
        """One entry per content that must be uploaded before the report."""
        inline = set(self.inline)
        return {e.sha256: e for e in reversed(self.manifest) if e.name not in inline}

    def weight_bytes(self) -> int:
        """About how much of a request this report takes (base64 and names included)."""
        inline = set(self.inline)
        carried = sum(e.bytes for e in self.manifest if e.name in inline)
        return 1_000 + carried * 4 // 3 + len(self.stderr) * 2 + 400 * len(self.manifest)


class CheckpointHere(Value, frozen=True):
    """The newest checkpoint of a task that is durable in its folder, made after ``ops``."""

    sha256: str
    bytes: int
    ops: int


class Step(Value, frozen=True):
    """One line of a task's story."""

    at: int
    phase: Phase
    cause: str


class TaskState(Value, frozen=True):
    """One task here. ``result`` is set exactly in the phases from computed, failed, aborted on."""

    project: str
    id: str
    phase: Phase
    deadline_at: int
    accepted_at: int
    memory_bytes: int = 0
    time_s: float = 0.0  # the wall time that its program may take
    app: str = ""
    version: str = ""
    program: str = ""
    unit: str = ""
    batch: str = ""
    release: str = ""  # SHA-256 of the signed release's body
    runtime: str = ""  # SHA-256 of the signed body of its interpreter's release; "": it has none
    runtime_name: str = ""
    compile_bytes: int = 0  # memory that compiling the interpreter takes
    descriptor: Signed | None = None  # None only when a broken disk left nothing but the result
    files: tuple[FileNeed, ...] = ()
    result: Result | None = None
    uploaded: tuple[str, ...] = ()  # contents that the server has
    sending: tuple[str, ...] = ()  # contents on their way now
    tries: int = 0  # failures in this phase, for the backoff
    retry_at: int = 0
    reoffers: int = 0
    resume: str = ""  # SHA-256 of another host's checkpoint, to continue from
    checkpoints: bool = False  # it can be saved, and go on in another process
    leave_at: int = 0  # in phase suspended: when it leaves memory, if it can be saved
    migrates: bool = False  # another host may continue from what this one leaves at the server
    checkpoint: CheckpointHere | None = None
    checkpoint_sent: str = ""  # SHA-256 of the newest one that the server has
    checkpoint_sending: bool = False
    checkpoint_at: int = 0  # when the next may go to the server
    wants_reoffer: bool = False  # in phase new: not held any more, until the server offers it again
    progress: float = 0.0
    started_at: int = 0
    history: tuple[Step, ...] = ()

    @property
    def key(self) -> TaskKey:
        """Where the agent files it."""
        return (self.project, self.id)

    def story(self) -> str:
        """All remembered steps in one line, for an error message or the log."""
        return "; ".join(f"{s.at} {s.phase} ({s.cause})" for s in self.history)


class FileState(Value, frozen=True):
    """A file of a project: wanted → downloading → present; back to wanted after a failure."""

    sha256: str
    bytes: int
    url: str
    state: Literal["wanted", "downloading", "present"] = "wanted"
    tries: int = 0
    retry_at: int = 0


class RuntimeState(Value, frozen=True):
    """An interpreter on this machine: wanted → compiling → ready; back to wanted after a failure.

    ``failed``: it cannot be compiled here; it is tried again after ``retry_at``.
    """

    sha256: str  # of the signed body of its release
    name: str
    memory_bytes: int = 0  # that compiling takes
    state: Literal["wanted", "compiling", "ready", "failed"] = "wanted"
    since: int = 0  # when the compiling began
    tries: int = 0
    retry_at: int = 0
    trouble: str = ""


class Pending(Value, frozen=True):
    """A request that was sent, or is about to be, and not answered: repeated until it is."""

    request_id: str
    seq: int
    reported: tuple[str, ...] = ()
    wanted: int = 0
    last: bool = False  # the host takes its leave with it


Busy = Literal["", "exchange", "enrol", "key"]


class ProjectState(Value, frozen=True):
    """One attached project."""

    fingerprint: str
    name: str
    url: str
    enrolled: bool = False
    house: bool = False
    busy: Busy = ""  # at most one request of ours is under way
    seq: int = 0
    pending: Pending | None = None
    next_contact_at: int = 0
    interval_s: float = 0.0  # what the server asked for last
    failures: int = 0  # exchanges failed in a row
    trouble: str = ""  # the last failure, in words
    blocked: str = ""  # why the server does not want this host; "" = it does
    timestamp_expires_at: int = 0
    last_reply_at: int = 0
    last_wanted: int = 0
    last_given: int = 0
    refusals: tuple[Refusal, ...] = ()
    machine_sent_at: int = 0
    machine_sent: Machine | None = None
    leaving: bool = False
    files: dict[str, FileState] = {}
    delivered: int = 0  # results receipted since the start of this agent


class AgentState(Value, frozen=True):
    """Everything. ``cores`` and ``memory_bytes`` are what tasks may use, not what there is."""

    cores: int
    memory_bytes: int
    machine: Machine
    projects: dict[str, ProjectState] = {}
    tasks: dict[TaskKey, TaskState] = {}
    runtimes: dict[str, RuntimeState] = {}
    disk_free_bytes: int = 2**62
    memory_free_bytes: int = 2**62  # as the system says, of all programs'
    memory_keep_bytes: int = MEMORY_KEEP_BYTES  # with less free, suspended tasks leave memory
    leave_memory_s: float = LEAVE_MEMORY_S  # so long suspended tasks stay in memory
    paused: bool = False  # by the volunteer
    task_s: float = 0.0  # what a task takes, running mean; 0 = not known yet
    stopping: bool = False

    def tasks_of(self, project: str) -> list[TaskState]:
        """The project's tasks, oldest first."""
        return [t for key, t in self.tasks.items() if key[0] == project]

    def running(self) -> list[TaskState]:
        """Tasks that compute."""
        return [t for t in self.tasks.values() if t.phase == "running"]

    def in_memory(self) -> list[TaskState]:
        """Tasks that hold memory, and a core or the claim on one."""
        return [t for t in self.tasks.values() if t.phase in IN_MEMORY]
