"""Commands about batches: made, filled with units, started, steered, answered."""

from typing import ClassVar, Literal

from idlegrid_server.domain.model import BatchState, Placement, StageKind
from idlegrid_shared.documents import Homogeneous

from .base import Command, Done, Part, Result
from .exchange import FileIn

UNITS_MAX = 1_000  # of one InsertUnits


class NewStage(Part, frozen=True):
    """A stage as submitted. ``inputs`` and ``policy`` are JSON."""

    index: int
    kind: StageKind
    placement: Placement
    app_version_id: int
    program: str
    inputs: str
    policy: str
    memory_bytes: int
    profile: str
    cores: int = 1
    disk_bytes: int = 0
    features: tuple[str, ...] = ()
    audience: str = ""  # domain/requirement.py
    hosts: tuple[int, ...] = ()  # those that it is for, or each of which gets its units
    files: str = ""  # domain/locality.py: the large ones
    subject: str = ""  # what trust and speed are kept for; "" = the profile
    homogeneous: Homogeneous = ""  # all replicas of a unit go to hosts that are alike in this
    migrates: bool = False  # what a host leaves may be continued by another
    validator: str | None = None  # JSON of its rule; None: outputs agree byte by byte
    validator_hash: bytes | None = None
    expected: int = 0  # a map stage learns it when its table has been checked


class CreateBatchResult(Result, frozen=True):
    """created; existing (same key, same spec); conflict (same key, other spec); missing_files."""

    status: Literal["created", "existing", "conflict", "missing_files"]
    batch_id: int = 0
    missing: tuple[bytes, ...] = ()


class CreateBatch(Command[CreateBatchResult], frozen=True):
    """Store a batch in state checking, its stages waiting, and the job that checks its table.

    ``files`` are the hashes it names; each must be public or the account's own.
    """

    answers: ClassVar[type[Result]] = CreateBatchResult
    account_id: int
    app_version_id: int
    name: str
    idempotency_key: str | None
    spec: str
    seed: bytes
    priority: int
    on_failure: str
    stages: tuple[NewStage, ...]
    files: tuple[bytes, ...] = ()


class NewUnit(Part, frozen=True):
    """One line of a batch's table. ``inputs`` is JSON of its own files, if it has any.

    ``known``: the hash of the manifest of its right answer, of a unit that is planted.
    """

    args: str
    inputs: str | None = None
    for_host: int | None = None  # the only host that may have it
    known: bytes | None = None


class InsertUnitsResult(Result, frozen=True):
    """``created`` units stand in the stage now: go on there. closed: the batch has ended."""

    status: Literal["ok", "wrong_offset", "closed"]
    created: int


class InsertUnits(Command[InsertUnitsResult], frozen=True):
    """Append at most ``UNITS_MAX`` units at ``offset``; those already there are skipped."""

    answers: ClassVar[type[Result]] = InsertUnitsResult
    bulk: ClassVar[bool] = True
    stage_id: int
    offset: int
    units: tuple[NewUnit, ...]

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for more than ``UNITS_MAX`` units."""
        if len(self.units) > UNITS_MAX:
            raise ValueError(f"{len(self.units)} units: at most {UNITS_MAX} at a time")


class StartBatch(Command[Done], frozen=True):
    """The table of the first stage is good and has ``expected`` lines: units may go out.

    ``canaries`` of them go first, and the others when a pass lets them.
    """

    answers: ClassVar[type[Result]] = Done
    batch_id: int
    expected: int
    canaries: int = 0
    actor: str = "submit"


class FailBatch(Command[Done], frozen=True):
    """End a batch that cannot go on, with a reason for its owner. Its units are cancelled."""

    answers: ClassVar[type[Result]] = Done
    batch_id: int
    reason: str
    actor: str


class PauseBatch(Command[Done], frozen=True):
    """Send nothing more of a batch; what is out may come back."""

    answers: ClassVar[type[Result]] = Done
    batch_id: int
    reason: str
    actor: str


class ResumeBatch(Command[Done], frozen=True):
    """Let a paused batch go on."""

    answers: ClassVar[type[Result]] = Done
    batch_id: int
    actor: str


class CancelBatch(Command[Done], frozen=True):
    """End a batch; its units are cancelled, its answers stay."""

    answers: ClassVar[type[Result]] = Done
    batch_id: int
    reason: str
    actor: str


class AddAnswerResult(Result, frozen=True):
    """``revision`` of the answer. stale: the batch moved on meanwhile, make the answer anew."""

    status: Literal["added", "existing", "stale"]
    revision: int


class AddAnswer(Command[AddAnswerResult], frozen=True):
    """Store answer ``revision`` of a batch and, with ``state``, end the batch by it.

    ``version`` is the batch's when the answer was made. ``detail`` is JSON.
    """

    answers: ClassVar[type[Result]] = AddAnswerResult
    batch_id: int
    version: int
    revision: int
    manifest: bytes
    manifest_hash: bytes
    files: tuple[FileIn, ...]  # data None: the file's row exists
    detail: str
    state: BatchState | None = None
    reason: str = ""
    actor: str = "pass"
