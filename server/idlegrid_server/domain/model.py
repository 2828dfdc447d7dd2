"""What decisions are made on (snapshots) and what they answer (plans). Values only, no behaviour.

Times are µs UTC. Ids are the database's. Hashes are raw bytes. Plans are applied by
``store/`` under the version check that each plan carries.
"""

from typing import Literal

import msgspec

from idlegrid_shared.documents import Checkpoint, Policy

UnitState = Literal["open", "provisional", "valid", "assimilated", "retired", "failed", "cancelled"]
TaskState = Literal[
    "unsent", "in_progress", "success", "error", "timed_out", "aborted", "unneeded", "lost"
]
Verdict = Literal["pending", "valid", "invalid", "inconclusive", "too_late"]
StageState = Literal["waiting", "running", "complete", "failed", "cancelled"]
StageKind = Literal["map", "combine"]
Placement = Literal["grid", "server"]
BatchState = Literal[
    "draft",
    "checking",
    "canary",
    "running",
    "paused",
    "combining",
    "complete",
    "complete_with_failures",
    "failed",
    "cancelled",
    "retired",
]
HostState = Literal["new", "probation", "trusted", "quarantined", "banned", "retired"]


class Value(msgspec.Struct, frozen=True):
    """Base of snapshots and plans: immutable, comparable, encodable for the writer's socket."""


class TaskSnapshot(Value, frozen=True):
    """One task as stored. ``verdict`` is set exactly when ``state`` is success."""

    id: int
    n: int  # 0 for the unit's first task, and so on
    state: TaskState
    verdict: Verdict | None = None
    host_id: int | None = None
    account_id: int | None = None
    subnet: str = ""
    sent_at: int | None = None
    deadline_at: int | None = None
    received_at: int | None = None
    manifest: bytes | None = None
    ops: int = 0
    profile: str = ""
    exit_code: int = 0
    reason: str = ""
    credit_micro: int | None = None
    took_us: int = 0  # processor time of its program, by its host's word
    #: Of its host; 0 = not asked, since its ops are counted.
    ops_per_second: int = 0
    cores: int = 1


class Relation(Value, frozen=True):
    """What a stage's validator has found out about a unit's outputs, by their manifests' hashes.

    Pairs have the lower hash first. What stands in none of the sets is not known yet.
    """

    good: frozenset[bytes] = frozenset()  # passed the checks on a single output
    failed: frozenset[bytes] = frozenset()  # broke one of them
    unreadable: frozenset[bytes] = frozenset()
    agree: frozenset[tuple[bytes, bytes]] = frozenset()
    differ: frozenset[tuple[bytes, bytes]] = frozenset()

    @property
    def bad(self) -> frozenset[bytes]:
        """Outputs that nothing needs to be compared with."""
        return self.failed | self.unreadable


class Standing(Value, frozen=True):
    """What is known of a host, for the kind of work that a unit is (see :mod:`.trust`).

    ``passed`` and ``failed`` are sums of checks, faded until now; ``checks`` counts all those that
    its app's finality counts and never falls; ``streak`` is its agreed results in a row.
    """

    host_id: int
    state: HostState = "new"
    house: bool = False
    passed: float = 0.0
    failed: float = 0.0
    checks: int = 0
    streak: int = 0
    disputes: int = 0  # its results that others contradict, and nobody has decided
    caught_at: int | None = None  # when it last failed a check: what it returned before is void


class Fleet(Value, frozen=True):
    """The hosts that were seen lately and may compute a unit: all, and those proven for it."""

    active: int = 0
    proven: int = 0


class Check(Value, frozen=True):
    """What a decided unit says of one host.

    ``earns``: the others would have been believed without it, so that it adds to the host's trust;
    without that it only counts for the finality of what the host said before.
    """

    host_id: int
    passed: bool
    earns: bool
    weight: float = 1.0


class Hold(Value, frozen=True):
    """A single result waits until its host's ``checks`` have come to ``final_at``."""

    host_id: int
    final_at: int


class UnitSnapshot(Value, frozen=True):
    """A work unit with all its tasks, and what of its batch bears on it."""

    id: int
    stage_id: int
    batch_id: int
    index: int
    state: UnitState
    version: int
    policy: Policy
    tasks: tuple[TaskSnapshot, ...]
    target: int  # tasks wanted now: policy.replicas at first, raised when results disagree
    reason: str = ""
    canonical_task: int | None = None
    canonical_manifest: bytes | None = None
    batch_state: BatchState = "running"
    stage_state: StageState = "running"
    placement: Placement = "grid"
    rank: int = 0  # in its stage's queue: matching.RANKS
    #: Of its release: a program that writes its own checkpoints repeats work, and counts it twice.
    checkpoint: Checkpoint = "none"
    #: None: results agree when their bytes do. Else: as far as the stage's validator has looked.
    relation: Relation | None = None
    #: Of the hosts of its tasks; one that is not here is new.
    standings: tuple[Standing, ...] = ()
    fleet: Fleet = Fleet()
    #: Decides which singles are audited; no host can know it.
    draw_seed: bytes = b""
    hold: Hold | None = None  # of a provisional unit
    typical_ops: int = 0  # of a task of its app; 0 = not known
    reserved_until: int | None = None
    known: bytes | None = None  # the manifest of its right answer, of a planted unit (ringer)
    metered: bool = True  # ops are counted; not those of native and container programs
    #: The 90th percentile of what agreed units of its stage were worth so far; None = not known.
    p90_micro: int | None = None
    due_at: int | None = None  # as it stands: reports set it to when they came
    batch_since: int = 0  # when its batch was made


class TaskChange(Value, frozen=True):
    """Bring one task to ``state`` and ``verdict`` (None = unchanged) for ``reason``."""

    task_id: int
    state: TaskState | None = None
    verdict: Verdict | None = None
    reason: str = ""
    credit_micro: int | None = None  # granted now; a task is credited at most once
    pending_micro: int | None = None  # booked now; paid when granted, void when not


class UnitChange(Value, frozen=True):
    """One step of the unit's life cycle; a plan may hold several in a row."""

    state: UnitState
    reason: str = ""


class Alert(Value, frozen=True):
    """Something that an admin should see."""

    code: str
    text: str
    task_id: int | None = None


class ErrorSeen(Value, frozen=True):
    """A task that ended in an error: where, why, and how long after it was sent (µs)."""

    at: int
    task_id: int
    unit_id: int
    host_id: int
    reason: str
    took_us: int


class News(Value, frozen=True):
    """What hosts reported of a unit since a pass last looked. ``slice_at``: domain/pulse.py."""

    slice_at: int
    results: int
    errors: tuple[ErrorSeen, ...] = ()


class PulseSeen(Value, frozen=True):
    """One slice of a stage's life: units that ended, results and errors that came."""

    at: int
    ended: int = 0
    results: int = 0
    errors: int = 0


class Holder(Value, frozen=True):
    """A host that has tasks of a stage, and for how long it has had the oldest of them (µs)."""

    host_id: int
    held_us: int


class UnitPlan(Value, frozen=True):
    """What to do with one unit. Void if the unit's version is no longer ``version``."""

    unit_id: int
    version: int
    steps: tuple[UnitChange, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    new_tasks: int = 0  # tasks to create as unsent
    rank: int | None = None  # in its stage's queue from now on (matching.RANKS); None = as it is
    target: int | None = None
    canonical_task: int | None = None
    canonical_manifest: bytes | None = None
    agreed_micro: int | None = None  # what each of several agreeing results is worth
    assimilate: bool = False  # the canonical output enters the stage's index
    retract: bool = False  # a reopened unit's output leaves the index
    due_at: int | None = None  # when to look again; None = only when something happens
    alerts: tuple[Alert, ...] = ()
    compare: bool = False  # the stage's validator must look at outputs first
    checks: tuple[Check, ...] = ()  # what it says of hosts, once
    hold: Hold | None = None  # set with the step to provisional; any other step ends it
    reserved_until: int | None = None  # with rank 2: from then on anybody may have it
    new_reason: str = ""  # why the new tasks are made, where it is not plain
    news: News | None = None  # what the pass saw of reports, for the stage's pulse


class StageSnapshot(Value, frozen=True):
    """A stage with its counters; every unit is in exactly one of the four counts, or still live."""

    id: int
    index: int
    kind: StageKind
    state: StageState
    placement: Placement
    expected: int
    created: int
    assimilated: int
    failed: int
    cancelled: int
    reopening: bool = False  # a new validator is being applied: some units may be opened again


class FailurePolicy(Value, frozen=True):
    """What a failed unit does to its batch: stop it, or be skipped up to a number or a share."""

    mode: Literal["stop", "skip"] = "stop"
    max_units: int | None = None
    max_share: float | None = None


class CanarySnapshot(Value, frozen=True):
    """How the first units of a batch do. ``errors``: tasks of theirs that failed so far."""

    total: int
    valid: int
    failed: int
    errors: int
    until: int  # from then on (µs) slow canaries do not hold back the rest
    proven_until: int | None = None  # kept for proven hosts until then; None = they are anybody's


class BatchSnapshot(Value, frozen=True):
    """A batch with its stages."""

    id: int
    state: BatchState
    version: int
    on_failure: FailurePolicy
    stages: tuple[StageSnapshot, ...]
    revision: int = 0  # of the newest answer; 0 = none yet
    answer_stale: bool = False  # a unit was reopened and assimilated anew since that answer
    canary: CanarySnapshot | None = None  # in state canary, and only then


class StageChange(Value, frozen=True):
    """One step of a stage's life cycle. Its units follow when they are next looked at."""

    stage_id: int
    state: StageState
    reason: str = ""


class BatchChange(Value, frozen=True):
    """One step of the batch's life cycle; a plan may hold several in a row."""

    state: BatchState
    reason: str = ""


class BatchPlan(Value, frozen=True):
    """What to do with one batch. Void if the batch's version is no longer ``version``."""

    batch_id: int
    version: int
    steps: tuple[BatchChange, ...] = ()
    stages: tuple[StageChange, ...] = ()
    answer: int | None = None  # revision of the answer that the pipeline must make now
    open_canaries: bool = False  # the first units are not kept for proven hosts any more
    due_at: int | None = None  # when to look again; None = only when something happens


class Peer(Value, frozen=True):
    """Another task of a candidate unit, as far as `distinct` asks for it."""

    state: TaskState
    host_id: int | None
    account_id: int | None
    subnet: str


class Candidate(Value, frozen=True):
    """A unit with an unsent task, and who has or had the others."""

    unit_id: int
    rank: int  # matching.RANKS
    peers: tuple[Peer, ...] = ()
    bound_to: str = ""  # the class of hosts that has it, if its stage wants them alike
    absent: int = 0  # large files of its own that the host would have to fetch


class HostSnapshot(Value, frozen=True):
    """A host that asks for work."""

    id: int
    state: HostState
    account_id: int | None = None
    subnet: str = ""
    in_progress: int = 0
    tasks_max: int = 1
    house: bool = False  # the project's own
    unjudged: int = 0  # its results that wait for a verdict
    judged: int = 3  # its verdicts so far
