"""What the REST interface answers. These types are the OpenAPI document's schemas."""

from typing import Any

import msgspec

from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.signing import Signed


class Reply(msgspec.Struct, frozen=True):
    """Base of replies."""


class ProjectReply(Reply, frozen=True):
    """The project in public."""

    name: str
    url: str
    root: str
    fingerprint: str
    join_link: str
    api: str
    hosts_seen_today: int
    tasks_in_progress: int
    batches: dict[str, int]  # count by state


class SessionReply(Reply, frozen=True):
    """A token for a person who signed in."""

    token: str
    id: str
    expires_at: str
    scopes: tuple[str, ...]
    account: str
    name: str
    role: str


class TokenReply(Reply, frozen=True):
    """A token just made: its text is shown this once."""

    token: str
    id: str
    scopes: tuple[str, ...]
    expires_at: str | None


class TokenEntry(Reply, frozen=True):
    """A token as its owner sees it later."""

    id: str
    label: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class TokenList(Reply, frozen=True):
    """One's tokens, newest first."""

    tokens: tuple[TokenEntry, ...]


class DoneReply(Reply, frozen=True):
    """It is done; ``changed`` is false when it was so before."""

    changed: bool


class UploadReply(Reply, frozen=True):
    """How far an upload is; ``done``: verified and durable."""

    upload: str
    offset: int
    bytes: int
    done: bool


class PublisherReply(Reply, frozen=True):
    """A key that may sign releases, and the app names (patterns) that root allows it."""

    key: str
    name: str
    apps: tuple[str, ...]


class PublisherList(Reply, frozen=True):
    """All publishers, and the signed delegations that name them."""

    publishers: tuple[PublisherReply, ...]
    serial: int
    delegations: Signed


class VersionReply(Reply, frozen=True):
    """A published version."""

    version: str
    platform: str
    runtime: str
    profile: str
    release_hash: str
    deprecated: bool
    created_at: str
    programs: tuple[str, ...]


class AppEntry(Reply, frozen=True):
    """An app in a list."""

    name: str
    summary: str
    paused: bool
    created_at: str


class AppReply(Reply, frozen=True):
    """An app with its versions, newest first."""

    name: str
    summary: str
    paused: bool
    created_at: str
    versions: tuple[VersionReply, ...]


class AppList(Reply, frozen=True):
    """One page of apps."""

    apps: tuple[AppEntry, ...]
    next: str | None = None


class PublishedReply(Reply, frozen=True):
    """The version is stored; ``created`` is false when it was before."""

    app: str
    version: str
    release_hash: str
    created: bool


class StageReply(Reply, frozen=True):
    """How far one stage is: ``expected`` units in all, each other number counts units."""

    index: int
    kind: str
    program: str
    placement: str
    state: str
    expected: int
    created: int
    assimilated: int
    failed: int
    cancelled: int
    provisional: int  # said by one proven computer, and not final yet


class FailureReply(Reply, frozen=True):
    """Failed units with one reason and one cause, and an example of them."""

    stage: int
    reason: str  # of the units
    count: int
    example: str  # the index of a unit
    stderr: str = ""
    cause: str = ""  # why their newest failed task failed; empty if none did
    words: str = ""  # the cause (or else the reason) in a sentence


class ForecastReply(Reply, frozen=True):
    """When all units will have ended: a moment kept by one batch in two, and by nine in ten."""

    p50_at: str
    p90_at: str


class BatchReply(Reply, frozen=True):
    """Where a batch stands. ``why`` says in a sentence what it waits for or how it ended."""

    id: str
    name: str
    app: str
    version: str
    state: str
    reason: str
    why: str
    priority: int
    revision: int
    public: bool
    created_at: str
    finished_at: str | None
    stages: tuple[StageReply, ...]
    failures: tuple[FailureReply, ...] = ()
    forecast: ForecastReply | None = None  # of a batch that runs, once its pace is known


class BatchList(Reply, frozen=True):
    """One page of batches, newest first."""

    batches: tuple[BatchReply, ...]
    next: str | None = None


class BatchCreated(Reply, frozen=True):
    """The batch is taken; ``created`` is false for a repeat with the same Idempotency-Key."""

    id: str
    created: bool


class UnitEntry(Reply, frozen=True):
    """A work unit in a list."""

    id: str
    index: int
    state: str
    reason: str
    tasks: int


class UnitList(Reply, frozen=True):
    """One page of a stage's units, in the order of their index."""

    units: tuple[UnitEntry, ...]
    next: str | None = None


class EventReply(Reply, frozen=True):
    """One step in a story."""

    at: str
    object: str
    was: str | None
    now: str
    reason: str
    actor: str


class TaskReply(Reply, frozen=True):
    """One copy of a unit."""

    id: str
    n: int
    state: str
    verdict: str | None
    reason: str
    reason_text: str
    host: str | None
    host_name: str | None
    sent_at: str | None
    deadline_at: str | None
    received_at: str | None
    manifest: str | None
    ops: int | None
    elapsed_s: float | None
    exit_code: int | None
    credit_micro: int | None
    stderr: str = ""
    resumed_from: str | None = None  # it continues the work of that task's host


class UnitReply(Reply, frozen=True):
    """A unit with its tasks and its whole story."""

    id: str
    index: int
    stage: int
    state: str
    reason: str
    args: tuple[str, ...]
    manifest: str | None
    outputs: tuple[ManifestEntry, ...]
    tasks: tuple[TaskReply, ...]
    events: tuple[EventReply, ...]


class AnswerReply(Reply, frozen=True):
    """One revision of an answer: its files, and the server's notes beside them."""

    revision: int
    revisions: tuple[int, ...]
    created_at: str
    manifest_hash: str
    manifest: tuple[ManifestEntry, ...]
    detail: dict[str, Any]


class HostReply(Reply, frozen=True):
    """A volunteer's machine."""

    id: str
    name: str
    device: str
    state: str
    reason: str
    house: bool
    cores: int
    memory_bytes: int
    profiles: tuple[str, ...]
    tasks_max: int
    in_progress: int
    unjudged: int  # results that wait for a verdict
    success: int
    error: int
    timed_out: int
    valid: int
    invalid: int
    credit_micro: int
    shut_out_until: str | None  # quarantined until then; why: GET /explain/host/ID
    created_at: str
    last_seen_at: str


class StepReply(Reply, frozen=True):
    """A step of a story: when, of what, who did it, in words, and the codes for programs."""

    at: str
    object: str
    who: str
    text: str
    kind: str
    was: str | None
    now: str
    reason: str


class ExplainedReply(Reply, frozen=True):
    """A story. ``now``: why it stands where it stands, and what it waits for."""

    kind: str
    id: str
    headline: str
    now: tuple[str, ...]
    facts: dict[str, str | int | float | None]
    steps: tuple[StepReply, ...]
    truncated: bool = False


class HostCredit(Reply, frozen=True):
    """What one of an account's hosts has been credited."""

    id: str
    name: str
    state: str
    credit_micro: int
    pending_micro: int
    recent_micro: int  # average of a day


class CreditReply(Reply, frozen=True):
    """What an account has been credited. ``pending_micro`` waits until single results are final.

    ``statement`` is the same, signed by the project: anybody who knows the project's fingerprint
    can check it.
    """

    account: str
    credit_micro: int
    pending_micro: int
    recent_micro: int  # average of a day
    results: int
    hosts: tuple[HostCredit, ...]
    statement: Signed


class DayReply(Reply, frozen=True):
    """What was credited on one day (UTC) for an app's results; ``ops`` before promptness."""

    day: str
    app: str
    results: int
    ops: int
    credit_micro: int


class ValidationReply(Reply, frozen=True):
    """Another validator for a batch: looking, ready, applying, applied or failed.

    ``report`` (once ready): units looked at, undecided and changed; canonicals and verdicts that
    change; units opened for more tasks, rescued, lost; and examples.
    """

    id: str
    state: str
    reason: str
    rule: dict[str, Any] | None
    report: dict[str, Any]
    created_at: str


class ValidationList(Reply, frozen=True):
    """The newest validators that were tried."""

    validations: tuple[ValidationReply, ...]


class StatisticsReply(Reply, frozen=True):
    """Day by day, newest first."""

    of: str
    days: tuple[DayReply, ...]


class HostCount(Reply, frozen=True):
    """Hosts in one state."""

    state: str
    hosts: int
    seen_today: int
    tasks_in_progress: int


class HostList(Reply, frozen=True):
    """One page of hosts, oldest first, and the counts of all."""

    hosts: tuple[HostReply, ...]
    counts: tuple[HostCount, ...]
    next: str | None = None


class IncidentReply(Reply, frozen=True):
    """Something that went wrong; equal ones are counted."""

    code: str
    source: str
    text: str
    count: int
    first_at: str
    last_at: str


class IncidentList(Reply, frozen=True):
    """The newest incidents."""

    incidents: tuple[IncidentReply, ...]


class ConditionReply(Reply, frozen=True):
    """One thing that is well or not."""

    level: str
    code: str
    text: str


class HealthReply(Reply, frozen=True):
    """The project's health: the gravest level, and each condition in words."""

    level: str
    conditions: tuple[ConditionReply, ...]
    units_due: int
    oldest_due_s: float
    jobs: dict[str, int]
    disk_free_bytes: int
