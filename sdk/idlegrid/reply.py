"""What a project answers, as far as this package reads it. Unknown fields are passed over."""

import msgspec

from idlegrid_shared.documents import PLATFORM_WASM
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.signing import Signed

ENDED = frozenset(("complete", "complete_with_failures", "failed", "cancelled", "retired"))
ANSWERED = frozenset(("complete", "complete_with_failures"))


class StageProgress(msgspec.Struct, frozen=True):
    """How far one stage is; ``expected`` units in all, each of the others counts units."""

    index: int
    kind: str
    state: str
    expected: int = 0
    created: int = 0
    assimilated: int = 0
    failed: int = 0
    cancelled: int = 0
    provisional: int = 0  # said by one proven computer, and not final yet


class FailureGroup(msgspec.Struct, frozen=True):
    """Units that failed for one reason and cause, with an example."""

    reason: str
    count: int = 1
    example: str = ""
    stderr: str = ""
    cause: str = ""  # code of what went wrong with the newest failed task
    words: str = ""  # the same in a sentence

    @property
    def headline(self) -> str:
        """What went wrong, for people."""
        name = self.cause or self.reason
        return f"{name}: {self.words}" if self.words else name


class Forecast(msgspec.Struct, frozen=True):
    """When all units will have ended (ISO 8601, UTC): in one case of two, and in nine of ten."""

    p50_at: str
    p90_at: str


class BatchProgress(msgspec.Struct, frozen=True):
    """Where a batch stands."""

    id: str
    name: str
    state: str
    reason: str = ""
    #: What it waits for, or how it ended, in a sentence.
    why: str = ""
    app: str = ""
    version: str = ""
    revision: int = 0
    stages: tuple[StageProgress, ...] = ()
    failures: tuple[FailureGroup, ...] = ()
    created_at: str = ""
    finished_at: str | None = None
    forecast: Forecast | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED


class ValidationExample(msgspec.Struct, frozen=True):
    """A unit that another validator judges otherwise. ``results``: n, verdict now, verdict then."""

    unit: int
    before: str
    after: str
    canonical: bool = False
    results: tuple[tuple[int, str, str], ...] = ()
    note: str = ""


class ValidationReport(msgspec.Struct, frozen=True):
    """What another validator would change in a batch."""

    units: int = 0  # looked at
    undecided: int = 0  # of these: not decided yet
    changed: int = 0
    canonicals: int = 0  # another canonical result, or none
    verdicts: int = 0  # of single results
    opened: int = 0  # would need more tasks
    rescued: int = 0  # failed, and would be valid
    lost: int = 0  # valid, and would fail
    examples: tuple[ValidationExample, ...] = ()


class ValidationReply(msgspec.Struct, frozen=True):
    """A validator that was tried: looking, ready, applying, applied or failed."""

    id: str
    state: str
    reason: str = ""
    report: ValidationReport = ValidationReport()


class BatchList(msgspec.Struct, frozen=True):
    """One page of batches, newest first."""

    batches: tuple[BatchProgress, ...]
    next: str | None = None


class HostCredit(msgspec.Struct, frozen=True):
    """What one of an account's hosts has been credited."""

    id: str
    name: str
    state: str
    credit_micro: int
    pending_micro: int = 0
    recent_micro: int = 0  # average of a day


class CreditState(msgspec.Struct, frozen=True):
    """What an account has been credited, and the same as the project signed it."""

    account: str
    credit_micro: int
    statement: Signed
    pending_micro: int = 0
    recent_micro: int = 0  # average of a day
    results: int = 0
    hosts: tuple[HostCredit, ...] = ()


class DayStatistic(msgspec.Struct, frozen=True):
    """What was credited on one day (UTC) for an app's results."""

    day: str
    app: str
    results: int
    ops: int
    credit_micro: int


class Statistics(msgspec.Struct, frozen=True):
    """Day by day, newest first."""

    of: str
    days: tuple[DayStatistic, ...] = ()


class StoryStep(msgspec.Struct, frozen=True):
    """One step of a story: when, of what, who did it, in words, and the codes."""

    at: str
    object: str
    who: str
    text: str
    kind: str
    now: str
    was: str | None = None
    reason: str = ""


class Story(msgspec.Struct, frozen=True):
    """Why something stands where it stands; ``now`` says what it waits for."""

    kind: str
    id: str
    headline: str
    now: tuple[str, ...] = ()
    facts: dict[str, str | int | float | None] = {}
    steps: tuple[StoryStep, ...] = ()
    truncated: bool = False


class HostList(msgspec.Struct, frozen=True):
    """One page of hosts, oldest first, as the server tells them."""

    hosts: tuple[dict[str, object], ...]
    next: str | None = None


class Created(msgspec.Struct, frozen=True):
    """What was made."""

    id: str


class AnswerReply(msgspec.Struct, frozen=True):
    """An answer: its files by name, and what stands beside them."""

    revision: int
    manifest: tuple[ManifestEntry, ...]
    detail: msgspec.Raw = msgspec.Raw(b"{}")


class VersionReply(msgspec.Struct, frozen=True):
    """A published version of an app."""

    version: str
    release_hash: str = ""
    platform: str = PLATFORM_WASM


class AppReply(msgspec.Struct, frozen=True):
    """An app of a project."""

    name: str
    versions: tuple[VersionReply, ...] = ()
