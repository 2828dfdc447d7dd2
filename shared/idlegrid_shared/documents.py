"""The documents that are signed, and by which key each one must be.

root → :class:`Delegations` → online key (tasks, receipts, timestamps) and publishers (releases).
"""

import fnmatch
import math
from typing import Literal

import msgspec

from .manifest import ManifestEntry
from .requirement import Requirements
from .sandbox.limits import Limits
from .sandbox.profile import RuntimeProfile
from .signing import SignatureError, Signed, fingerprint, open_document
from .validator.fault import RuleError
from .validator.rule import Validator, parse_validator

TIMESTAMP_LIFE_S = 7 * 86_400
PLATFORM_WASM = "wasm32-wasip1"

#: How an app version's programs are run. ``runtime``: it runs nothing by itself, but is the
#: interpreter that app versions of another kind (python) name by hash.
Runtime = Literal["wasm", "python", "native", "container", "runtime"]
#: Runtimes whose programs run inside the deterministic WebAssembly sandbox.
BOXED_IN_WASM: frozenset[Runtime] = frozenset({"wasm", "python", "runtime"})
#: Runtimes whose programs are walled in by the system's kernel: only where a volunteer allows them.
WALLED_BY_SYSTEM: frozenset[Runtime] = frozenset({"native", "container"})
#: Where their walls are tested; today Linux alone.
WALLED_PLATFORMS = ("linux-aarch64", "linux-x86_64")
#: ``app``: the program writes its own checkpoints; ``auto``: it can be frozen at any host call.
Checkpoint = Literal["none", "app", "auto"]
#: Native and container: replicas of a unit go only to hosts that are alike in this.
Homogeneous = Literal["", "system", "cpu"]


class Document(msgspec.Struct, frozen=True):
    """Base of signed documents. Unknown fields are ignored: old readers survive new ones."""


class Publisher(Document, frozen=True):
    """A scientist's key and the app names (shell patterns) that it may sign releases of."""

    key: str
    name: str
    apps: tuple[str, ...]


class Delegations(Document, frozen=True):
    """Signed by root. A higher ``serial`` replaces a lower one; a client never goes back."""

    project: str
    root: str
    serial: int
    online: tuple[str, ...]
    publishers: tuple[Publisher, ...]
    issued_at: int  # µs UTC


class Timestamp(Document, frozen=True):
    """Signed by the online key: which delegations are current. Stale ⇒ no new task is started."""

    root: str
    delegations_serial: int
    issued_at: int  # µs UTC
    expires_at: int  # µs UTC


class Program(Document, frozen=True):
    """One program of an app version, with the limits that it runs under.

    ``module`` is the one file that it is: a wasm module, the packed sources of a Python program, a
    native executable, the archive of a container image. Its `name` is only for people.
    """

    name: str
    module: ManifestEntry
    limits: Limits
    entry: str = ""  # what is started in it, as the runtime knows it; wasm and native need none
    files: tuple[ManifestEntry, ...] = ()  # further public files; `name` is where it finds them
    runtime: Runtime | None = None  # if another than its release's: a combine step in wasm, say
    #: JSON of :class:`.validator.Validator`: how its outputs are compared. Without: byte by byte.
    #: Kept as it was written: only the server reads it, and refuses what it does not understand.
    validator: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    #: What a host must have besides; without: what every host has.
    requires: Requirements | msgspec.UnsetType = msgspec.UNSET

    def requirements(self) -> Requirements:
        """What a host must have besides its runtime and memory."""
        return Requirements() if self.requires is msgspec.UNSET else self.requires

    @property
    def validator_json(self) -> bytes:
        """Its validator as it was written; empty: byte by byte."""
        return b"" if self.validator is msgspec.UNSET else bytes(self.validator)

    def rules(self) -> Validator | None:
        """Its validator, or None: byte by byte. Raises ``RuleError``."""
        return parse_validator(self.validator_json) if self.validator_json else None

    def needs(self) -> dict[str, int]:
        """SHA-256 → bytes of every file that must be here before the program can run."""
        return {entry.sha256: entry.bytes for entry in (self.module, *self.files)}


#: How results come to be believed; see :class:`Policy`.
Replication = Literal["fixed", "adaptive", "credibility"]


class Policy(Document, frozen=True):
    """How an app's units are replicated, retried and given up (BOINC.md A1, A2).

    ``quorum`` agreeing results make one canonical; ``replicas`` tasks are made at first; a unit
    fails at more than ``max_errors`` errors, when it would need more than ``max_tasks`` tasks, or
    at more than ``max_successes`` results without agreement. ``deadline_s`` counts from dispatch;
    ``grace_s`` more pass before the server gives the task up.

    That is ``replication = "fixed"``. The two others start with one task of each unit. `adaptive`
    is BOINC's rule (BOINC.md 2.11a): a host with ten agreed results in a row is mostly believed,
    any other is checked by ``quorum`` results. `credibility` bounds the error (TRUST.md): a result
    is accepted when it is right with a probability of 1 - ``error_max``, taking ``assumed_bad`` of
    all hosts for liars; the share ``audit`` of a proven host's tasks is checked in secret, and what
    it says alone is final after ``finality`` further checks that it passed.
    """

    quorum: int = 2
    replicas: int = 2
    max_errors: int = 3
    max_tasks: int = 10
    max_successes: int = 6
    deadline_s: int = 86_400
    grace_s: int = 0
    replication: Replication = "fixed"
    error_max: float = 1e-3
    assumed_bad: float = 0.02
    audit: float = 0.1
    finality: int = 20

    @property
    def strangers(self) -> int:
        """Agreeing hosts, none of them proven, that are believed by `credibility` (TRUST.md D, J).

        Three, or so many that the others would do without any one of them: n - 1 strangers are
        right with 1 / (1 + (f / (1 - f))^(n - 1)), f being ``assumed_bad``.
        """
        odds = self.assumed_bad / (1 - self.assumed_bad)
        return max(3, 1 + math.ceil(math.log(self.error_max / (1 - self.error_max), odds) - 1e-9))

    @property
    def first_tasks(self) -> int:
        """Tasks that a unit begins with."""
        return self.replicas if self.replication == "fixed" else 1

    def check(self) -> None:
        """Raise ``ValueError`` with a plain sentence if the numbers contradict each other."""
        for name, low, high in (
            ("quorum", 1, 100),
            ("replicas", 1, 100),
            ("max_errors", 0, 1000),
            ("max_tasks", 1, 1000),
            ("max_successes", 1, 1000),
            ("deadline_s", 1, 366 * 86_400),
            ("grace_s", 0, 366 * 86_400),
            ("error_max", 1e-9, 0.1),
            ("assumed_bad", 1e-4, 0.4),
            ("audit", 0.01, 1),
            ("finality", 0, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"policy: {name} = {value} must lie between {low} and {high}")
        if self.replication == "fixed" and self.replicas < self.quorum:
            raise ValueError("policy: replicas must be at least quorum")
        if self.max_tasks < self.replicas:
            raise ValueError("policy: max_tasks must be at least replicas")
        if self.replication == "credibility" and self.strangers > self.max_successes:
            raise ValueError(
                f"policy: with assumed_bad = {self.assumed_bad} and error_max = {self.error_max} "
                f"{self.strangers} hosts must agree while none is proven: set max_successes and "
                "max_tasks to at least that"
            )
        if self.max_successes < self.quorum:
            raise ValueError("policy: max_successes must be at least quorum")


class Release(Document, frozen=True):
    """Signed by a publisher: one immutable app version.

    ``profile`` is the sandbox of wasm and python programs; native and container ones do not use it.
    """

    app: str
    version: str
    summary: str
    platform: str  # PLATFORM_WASM, or for native and container OS-architecture: linux-x86_64
    runtime: Runtime
    profile: RuntimeProfile
    programs: tuple[Program, ...]
    policy: Policy
    checkpoint: Checkpoint = "none"
    migrate: bool = False  # the last checkpoint goes to the server, and another host may continue
    runtime_release: str = ""  # python: SHA-256 of the signed body of its runtime's release
    homogeneous: Homogeneous = ""

    def runtime_of(self, program: Program) -> Runtime:
        """How one of its programs is run."""
        return program.runtime or self.runtime

    def profile_of(self, program: Program | None = None) -> str:
        """What a host must offer to run that program, as `Machine.profiles` lists it.

        None: a program of the release's own runtime.
        """
        runtime = self.runtime if program is None else self.runtime_of(program)
        if runtime in BOXED_IN_WASM:
            return self.profile.name
        return f"{runtime}-{self.platform}"

    def check_rules(self, rules: Validator) -> None:
        """Raise ``RuleError`` if the program that compares is none that the server can run."""
        if not rules.program:
            return
        known = {program.name: self.runtime_of(program) for program in self.programs}
        if rules.program not in known:
            raise RuleError(
                f"validator: there is no program {rules.program!r}, only {', '.join(known)}"
            )
        if known[rules.program] not in BOXED_IN_WASM:
            raise RuleError(
                f"validator: program {rules.program!r} is {known[rules.program]}, but what "
                "compares runs on the server and must be wasm or python"
            )

    def check_validators(self) -> None:
        """Raise ``RuleError`` naming the first fault of its programs' validators."""
        for program in self.programs:
            rules = program.rules()
            if rules is not None:
                self.check_rules(rules)

    def needs(self) -> dict[str, int]:
        """SHA-256 → bytes of the public files of all programs."""
        return {digest: size for p in self.programs for digest, size in p.needs().items()}

    def program(self, name: str) -> Program:
        """The program called ``name``; raises ``KeyError`` with the names there are."""
        for program in self.programs:
            if program.name == name:
                return program
        known = ", ".join(p.name for p in self.programs)
        raise KeyError(f"{self.app} {self.version} has no program {name!r}, only {known}")


class TaskInput(Document, frozen=True):
    """An input file as the guest sees it: /in/``name``."""

    name: str
    sha256: str
    bytes: int


class ResumePoint(Document, frozen=True):
    """A checkpoint that another host left at the server, to continue from.

    Its bytes are a volunteer's: they are read like a stranger's, and what comes of them is one
    replica that carries both hosts.
    """

    sha256: str
    bytes: int
    ops: int  # done up to there, as that host said


class TaskDescriptor(Document, frozen=True):
    """Signed by the online key: all that one task may do.

    ``release`` is the SHA-256 of the signed release's body.
    """

    project: str  # root public key, hex: a descriptor of one project is worthless at another
    task: str
    unit: str
    app: str
    version: str
    release: str
    program: str
    args: tuple[str, ...]
    inputs: tuple[TaskInput, ...]
    seed: str  # hex of 32 bytes, a function of the work unit alone
    deadline_s: int  # from receipt of this reply
    ops_estimate: int = 0
    batch_name: str = ""
    resume: ResumePoint | None = None


class Receipt(Document, frozen=True):
    """Signed by the online key: the result of ``task`` is durable at the server."""

    project: str
    task: str
    device: str  # the host's public key, hex
    manifest: str  # manifest hash, or "" for a failed task
    outcome: str
    received_at: int  # µs UTC


class CreditStatement(Document, frozen=True):
    """Signed by the online key: what a host or an account had been credited at a moment.

    ``name`` is the host's public key (hex) or the account's public id. ``serial`` is the number of
    the newest line of the project's event log by then: all up to it is counted, and a higher one is
    the newer statement. ``pending_micro`` is not yet theirs.
    """

    project: str
    owner: Literal["host", "account"]
    name: str
    credit_micro: int
    pending_micro: int
    recent_micro: int  # average of a day
    results: int  # that were found right
    serial: int
    at: int  # µs UTC


def open_delegations(signed: Signed, root_fingerprint: str) -> Delegations:
    """Verify delegations against the root fingerprint that the volunteer agreed to."""
    if fingerprint(signed.key) != root_fingerprint:
        raise SignatureError(
            f"the project's root key has fingerprint {fingerprint(signed.key)}, "
            f"but {root_fingerprint} was expected: this is not the project you joined"
        )
    document = open_document("delegations", signed, Delegations)
    if document.root != signed.key:
        raise SignatureError("the delegations name another root key than the one that signed them")
    return document


def open_by_online(
    kind: Literal["task", "receipt", "timestamp", "credit"],
    signed: Signed,
    document: type[msgspec.Struct],
    delegations: Delegations,
) -> msgspec.Struct:
    """Verify a document that only a delegated online key may sign."""
    if signed.key not in delegations.online:
        raise SignatureError(
            f"the {kind} is signed by key {signed.key[:16]}…, which root never named"
        )
    return open_document(kind, signed, document)


def open_release(signed: Signed, delegations: Delegations) -> Release:
    """Verify a release: signed by a publisher that root lets sign this app's name."""
    release = open_document("release", signed, Release)
    for publisher in delegations.publishers:
        if publisher.key == signed.key and any(
            fnmatch.fnmatchcase(release.app, pattern) for pattern in publisher.apps
        ):
            return release
    raise SignatureError(
        f"app {release.app!r} is signed by key {signed.key[:16]}…, "
        "which the project's root key has not allowed to publish it"
    )
