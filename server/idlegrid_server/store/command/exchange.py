"""The exchange of a host: reports in, what it shall do next out. One command, one transaction."""

from typing import ClassVar, Literal

from .base import Command, Done, Part, Result

ExchangeStatus = Literal["ok", "conflict", "clone", "unknown_host", "forbidden"]
ReportFate = Literal["accepted", "duplicate", "refused", "missing_files", "retry"]
Distinct = Literal["host", "account", "subnet"]


class FileIn(Part, frozen=True):
    """A file of a result. ``data`` = its content, when it came inside the report."""

    sha256: bytes
    size: int
    data: bytes | None = None


class ReportIn(Part, frozen=True):
    """One report as the web process has checked it: hashes of inline files match, sizes too."""

    task_id: int
    outcome: Literal["success", "error", "aborted"]
    reason: str = "ok"
    exit_code: int = 0
    ops: int = 0
    elapsed_us: int = 0
    cpu_us: int = 0
    profile: str = ""
    stderr: str = ""
    manifest: bytes = b""  # canonical JSON; empty unless outcome is success
    manifest_hash: bytes = b""
    files: tuple[FileIn, ...] = ()  # every file of the manifest, each hash once


class MachineFacts(Part, frozen=True):
    """What a host says of itself, as far as dispatch asks for it; ``json`` is all of it."""

    name: str
    json: str
    cores: int = 1
    memory_bytes: int = 0
    profiles: tuple[str, ...] = ()
    kind: str = ""  # domain/kind.py: machine_kind
    features: tuple[str, ...] = ()


class Wanted(Part, frozen=True):
    """A request for at most ``tasks`` tasks that need at most so much each (0 = any).

    ``files``: large files that the host has, by the start of their hash (domain/locality.py).
    """

    tasks: int
    memory_bytes: int = 0
    disk_bytes: int = 0
    files: tuple[str, ...] = ()


class RunningTask(Part, frozen=True):
    """A held task that was begun, and its progress as the host tells it, 0 … 1."""

    task_id: int
    progress: float = 0.0


class ReportAnswer(Result, frozen=True):
    """The fate of a report. ``manifest``, ``outcome`` and ``received_at`` are for the receipt,
    which is due exactly when the fate is accepted or duplicate."""

    task_id: int
    fate: ReportFate
    reason: str = ""
    missing: tuple[bytes, ...] = ()
    outcome: str = ""
    manifest: bytes = b""
    received_at: int = 0


class Resume(Result, frozen=True):
    """The checkpoint that a task continues from, and the task that left it."""

    task_id: int
    sha256: bytes
    size: int
    ops: int


class Assignment(Result, frozen=True):
    """A task for the host. The stage's facts (program, shared inputs…) are read by stage id."""

    task_id: int
    unit_id: int
    stage_id: int
    batch_id: int
    index: int
    args: str  # JSON list of strings
    inputs: str | None  # JSON list of documents.TaskInput of this unit alone
    deadline_s: int  # from now
    ops_estimate: int = 0  # what such tasks take, as far as is known
    resent: bool = False
    resume: Resume | None = None


class Extended(Result, frozen=True):
    """A task that was given longer: until when (µs)."""

    task_id: int
    deadline_at: int


class Refused(Result, frozen=True):
    """Why work was not given: a code, how many units it concerns, a plain sentence."""

    code: str
    count: int
    text: str


class TurnedAway(Part, frozen=True):
    """A stage that had work for others, and why not for a host; 0 = no stage in particular."""

    stage_id: int
    code: str
    times: int = 1


class RecordRefusals(Command[Done], frozen=True):
    """Add to the counts of the hour, and forget hours long past."""

    answers: ClassVar[type[Result]] = Done
    refusals: tuple[TurnedAway, ...]


class ExchangeResult(Result, frozen=True):
    """What became of an exchange. With any other status than ok nothing was done."""

    status: ExchangeStatus
    host_id: int = 0
    reason: str = ""
    answers: tuple[ReportAnswer, ...] = ()
    tasks: tuple[Assignment, ...] = ()
    cancel: tuple[int, ...] = ()  # held tasks that are not to be computed any more
    extended: tuple[Extended, ...] = ()
    refusals: tuple[Refused, ...] = ()
    turned_away: tuple[TurnedAway, ...] = ()  # the same by stage, to be counted
    made_due: bool = False  # some unit waits for a pass now
    profiles: tuple[str, ...] = ()  # what the host offers: its release is chosen by them


class Exchange(Command[ExchangeResult], frozen=True):
    """Take reports, find lost tasks again, and give new ones.

    A repeated ``request_id`` is answered from state: its reports are duplicates by now, and the
    tasks given the first time are neither held nor reported, so they are offered again.
    """

    answers: ClassVar[type[Result]] = ExchangeResult
    device: bytes
    request_id: str
    seq: int
    body_hash: bytes
    subnet: str
    distinct: tuple[Distinct, ...]
    machine: MachineFacts | None = None
    reports: tuple[ReportIn, ...] = ()
    held: tuple[int, ...] = ()
    want: Wanted | None = None
    running: tuple[RunningTask, ...] | None = None  # None: the host does not say
    newcomers: bool = True  # whether hosts on probation may have work (domain/newcomer.py)
