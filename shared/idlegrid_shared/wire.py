"""The messages between a host and a project server. JSON by msgspec; `bytes` travel as base64.

Times are µs UTC where named ``…_at``, seconds where named ``…_s``. Decoding validates types and the
bounds given here; what needs the database is checked by the server's scheduler.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .manifest import ManifestEntry
from .signing import Signed

PROTOCOL = 1
INLINE_BYTES_MAX = 65_536  # outputs of a task up to this total travel inside the report
STDERR_BYTES_MAX = 65_536
BODY_BYTES_MAX = 8 * 1024 * 1024  # of an exchange, after decompression
REPORTS_MAX = 200
HELD_MAX = 2_000
WANT_MAX = 200
FILES_TOLD_MAX = 256
FILE_TOLD_BYTES = 1024 * 1024  # of a file that is worth telling of
FILE_PREFIX = 16

DEVICE_HEADER = "Idlegrid-Device"  # public key, hex
REQUEST_HEADER = "Idlegrid-Request"  # request id
SIGNATURE_HEADER = "Idlegrid-Signature"  # URL-safe base64

Text16 = Annotated[str, Meta(max_length=16)]
Text64 = Annotated[str, Meta(max_length=64)]
Text200 = Annotated[str, Meta(max_length=200)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]

Outcome = Literal["success", "error", "aborted"]


class Message(msgspec.Struct, omit_defaults=True):
    """Base of wire messages. Unknown fields are ignored: old and new may talk."""


class Machine(Message):
    """What a host says of itself. Claims, not facts: used for matching, never for trust."""

    name: Text200 = ""
    os: Text64 = ""
    arch: Text64 = ""
    cpu: Text200 = ""
    cores: Annotated[int, Meta(ge=1, le=4096)] = 1
    memory_bytes: Count = 0
    disk_free_bytes: Count = 0
    client_version: Text64 = ""
    profiles: Annotated[tuple[Text64, ...], Meta(max_length=16)] = ()
    features: Annotated[tuple[Text64, ...], Meta(max_length=64)] = ()  # requirement.FEATURES
    cpu_kind: Text64 = ""  # vendor and family of the processor: natives may round otherwise on it


class InlineFile(Message):
    """A small output's content; its hash and size stand in the report's manifest."""

    name: Annotated[str, Meta(max_length=255)]
    data: bytes


class Report(Message):
    """What became of one task."""

    task: Text64
    outcome: Outcome
    reason: Text64 = "ok"  # sandbox reason code, or why it was aborted
    exit_code: Annotated[int, Meta(ge=-(2**31), lt=2**32)] = 0
    ops: Count = 0
    elapsed_s: Seconds = 0.0
    cpu_s: Seconds = 0.0
    peak_memory_bytes: Count = 0
    profile: Text64 = ""
    stderr: Annotated[str, Meta(max_length=STDERR_BYTES_MAX)] = ""
    manifest: Annotated[tuple[ManifestEntry, ...], Meta(max_length=10_000)] = ()
    inline: Annotated[tuple[InlineFile, ...], Meta(max_length=1_000)] = ()


class Want(Message):
    """A request for work."""

    tasks: Annotated[int, Meta(ge=0, le=WANT_MAX)] = 0
    memory_bytes: Count = 0  # the most that one task may take
    disk_bytes: Count = 0
    #: Large files (1 MiB and more) that are here: the first 16 hex digits of their SHA-256.
    files: Annotated[tuple[Text16, ...], Meta(max_length=FILES_TOLD_MAX)] = ()


class Running(Message):
    """A held task that was begun, and how far it is, 0 … 1; 0 where nobody can tell."""

    task: Text64
    progress: Annotated[float, Meta(ge=0, le=1)] = 0.0


class ExchangeRequest(Message):
    """The one request a host makes. ``seq`` grows by one with every new ``request_id``."""

    request_id: Annotated[str, Meta(min_length=8, max_length=64)]
    seq: Annotated[int, Meta(ge=1, le=2**62)]
    protocol: int = PROTOCOL
    machine: Machine | None = None  # sent when changed, and now and then
    reports: Annotated[tuple[Report, ...], Meta(max_length=REPORTS_MAX)] = ()
    held: Annotated[tuple[Text64, ...], Meta(max_length=HELD_MAX)] = ()  # tasks here, not reported
    want: Want | None = None
    #: Those of ``held`` that were begun. None: an older client, which does not say.
    running: Annotated[tuple[Running, ...], Meta(max_length=HELD_MAX)] | None = None


class ReportAnswer(Message):
    """The fate of one report. Anything but ``retry`` lets the host forget the task.

    accepted: durable, see the receipt. duplicate: it was already; receipt again. refused: not this
    host's, or malformed. missing_files: upload the listed hashes first, then report again.
    """

    task: str
    fate: Literal["accepted", "duplicate", "refused", "missing_files", "retry"]
    reason: str = ""
    receipt: Signed | None = None
    missing: tuple[str, ...] = ()


class FileSource(Message):
    """Where to get a file: a path below the project's address, with its short-lived token."""

    sha256: str
    bytes: int
    url: str


class TaskOffer(Message):
    """A task for this host: the signed descriptor and where its private inputs lie."""

    descriptor: Signed
    files: tuple[FileSource, ...] = ()


class ReleaseOffer(Message):
    """A release that some offered task names, sent when it is not known to be held."""

    release: Signed
    files: tuple[FileSource, ...] = ()


class Refusal(Message):
    """Why work was not given: a code, how many units it concerns, a plain sentence."""

    code: str
    count: int
    text: str


class Notice(Message):
    """A message for the volunteer."""

    level: Literal["info", "warning", "error"]
    code: str
    text: str


class Extension(Message):
    """A task that may take longer: its deadline from now on."""

    task: str
    deadline_s: int


class ExchangeReply(Message):
    """What the server answers. Every reply can be rebuilt from state for a repeated request."""

    server_at: int
    next_contact_s: float
    answers: tuple[ReportAnswer, ...] = ()
    tasks: tuple[TaskOffer, ...] = ()
    releases: tuple[ReleaseOffer, ...] = ()
    cancel: tuple[str, ...] = ()  # stop these and forget them
    extended: tuple[Extension, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notices: tuple[Notice, ...] = ()
    timestamp: Signed | None = None
    delegations: Signed | None = None  # when newer than the timestamp's serial known here


class ProjectInfo(Message):
    """GET /rpc/v1/project: all that a stranger needs to join."""

    protocol: int
    name: str
    url: str
    root: str
    fingerprint: str
    delegations: Signed
    timestamp: Signed


class EnrolRequest(Message):
    """POST /rpc/v1/enrol, signed by the device key it introduces."""

    request_id: Annotated[str, Meta(min_length=8, max_length=64)]
    machine: Machine
    token: Annotated[str, Meta(max_length=200)] = ""  # an account's or a house host's, if any


class EnrolReply(Message):
    """The host is known now (a repeat answers the same)."""

    host: str
    name: str
    house: bool = False


class UploadOpen(Message):
    """POST /rpc/v1/uploads: room for one output of a task; or for an input by an account.

    ``checkpoint_ops``: it is no output but the task's newest checkpoint, made after so many ops.
    """

    sha256: Text64
    bytes: Count
    task: Text64 = ""
    checkpoint_ops: Count | None = None


class UploadState(Message):
    """How far an upload is: ``offset`` bytes are at the server; ``done`` = verified, durable."""

    upload: str
    offset: int
    bytes: int
    done: bool = False


class Problem(Message):
    """RFC 9457 problem details, as every error of server and REST is told."""

    type: str
    title: str
    status: int
    detail: str = ""
    code: str = ""
    errors: tuple[str, ...] = ()


class CreditReply(Message):
    """What the host has been credited: a signed ``CreditStatement``."""

    statement: Signed
