"""What is believed, and why. All rules of trust stand here; there is no I/O in this module.

1. The volunteer agreed to a fingerprint. Only the root key with that fingerprint counts.
2. Root signs delegations. A lower serial than the highest ever seen is refused.
3. Only an online key in the delegations signs timestamps, task descriptors, receipts and
   statements of credit.
4. A timestamp lives seven days at most, names our root, and is not older than the one we have, nor
   does it name other delegations than ours. Without a fresh one no task is started.
5. A descriptor names our root, or it is another project's and worthless here.
6. A descriptor names its release by the hash of the release's signed body; the release is signed
   by a publisher that root delegated for exactly this app name, and is of the app and version that
   the descriptor says.
7. A release's programs name their modules by hash, run on our platform and sandbox profile, and
   have limits within bounds (reading them checks that).
8. Inputs have plain relative names, hashes and sizes; their bytes are checked against both. So has
   a checkpoint to continue from, which another volunteer made: it is read like a stranger's data.
9. A receipt names our root, the task, our device key, and the manifest that we reported.
10. A native program or a container runs only while the volunteer allows that kind, where its wall
   was tried and holds, and if it is made for this machine's platform.
11. What interprets a release's programs (Python) is another release, named by hash. It is signed
   by Idlegrid's release key and never by a project's, is of kind runtime, and has the profile of
   the release that names it, so that it is compiled once for all.
12. A statement of credit is signed by an online key and names our root.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import TypeVar, cast

import msgspec

from idlegrid_shared.documents import (
    PLATFORM_WASM,
    TIMESTAMP_LIFE_S,
    WALLED_BY_SYSTEM,
    CreditStatement,
    Delegations,
    Program,
    Receipt,
    Release,
    Runtime,
    TaskDescriptor,
    Timestamp,
    open_by_online,
    open_delegations,
    open_release,
)
from idlegrid_shared.manifest import ManifestError, check_name, check_sha256
from idlegrid_shared.runtime.key import open_runtime
from idlegrid_shared.sandbox.profile import can_run
from idlegrid_shared.signing import SignatureError, Signed

from .core.model import Value

T = TypeVar("T", bound=msgspec.Struct)

US = 1_000_000
ARGS_MAX = 1_000
ARGS_BYTES_MAX = 65_536
INPUTS_MAX = 10_000
INPUT_BYTES_MAX = 16 * 1024**3
CHECKPOINT_BYTES_MAX = 64 * 1024**3
DEADLINE_S_MAX = 400 * 86_400
SEED_BYTES = 32
#: Runtimes of programs that run here. The kind runtime is no project's to sign: rule 11.
RUNNABLE: frozenset[Runtime] = WALLED_BY_SYSTEM | {"wasm", "python"}


class VerifyError(ValueError):
    """Something that must not be believed. ``code`` is the reason that the server is told."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Trust(Value, frozen=True):
    """A project's chain as far as it is verified."""

    fingerprint: str
    signed_delegations: Signed
    delegations: Delegations
    signed_timestamp: Signed | None = None
    timestamp: Timestamp | None = None

    @property
    def root(self) -> str:
        """The root public key, hex."""
        return self.delegations.root

    @property
    def expires_at(self) -> int:
        """Until when new tasks may start (µs UTC)."""
        return self.timestamp.expires_at if self.timestamp is not None else 0


def open_trust(
    fingerprint: str,
    delegations: Signed,
    timestamp: Signed | None = None,
    serial_min: int = 0,
) -> Trust:
    """Rules 1 to 4 for what a stranger, or our own disk, says; raises :class:`VerifyError`."""
    trust = Trust(fingerprint, delegations, _open_delegations(fingerprint, delegations, serial_min))
    return _with_timestamp(trust, timestamp) if timestamp is not None else trust


def renew_trust(
    trust: Trust, delegations: Signed | None = None, timestamp: Signed | None = None
) -> Trust:
    """Take newer delegations and timestamp; raises :class:`VerifyError` for a step back.

    What is already known is left alone. A timestamp of newer delegations than are known, or will
    be known with this call, has code ``stale_delegations``: fetch them first.
    """
    if delegations is not None and delegations != trust.signed_delegations:
        known = trust.delegations.serial
        opened = _open_delegations(trust.fingerprint, delegations, known)
        if opened.serial == known and opened != trust.delegations:
            raise VerifyError(
                "two_delegations",
                f"the project's root signed two different delegations with serial {known}",
            )
        trust = msgspec.structs.replace(trust, signed_delegations=delegations, delegations=opened)
    if timestamp is not None and timestamp != trust.signed_timestamp:
        trust = _with_timestamp(trust, timestamp)
    return trust


def _open_delegations(fingerprint: str, signed: Signed, serial_min: int) -> Delegations:
    try:
        opened = open_delegations(signed, fingerprint)
    except SignatureError as error:
        raise VerifyError("bad_delegations", str(error)) from error
    if opened.serial < serial_min:
        raise VerifyError(
            "old_delegations",
            f"the server shows delegations {opened.serial}, but {serial_min} were seen already: "
            "an old state is replayed",
        )
    return opened


def _with_timestamp(trust: Trust, signed: Signed) -> Trust:
    stamp = _by_online("timestamp", signed, Timestamp, trust, "bad_timestamp")
    if stamp.root != trust.root:
        raise VerifyError("bad_timestamp", "the timestamp belongs to another project")
    if not 0 < stamp.expires_at - stamp.issued_at <= TIMESTAMP_LIFE_S * US:
        raise VerifyError("bad_timestamp", "the timestamp claims to live longer than seven days")
    if stamp.delegations_serial > trust.delegations.serial:
        raise VerifyError(
            "stale_delegations",
            f"delegations {stamp.delegations_serial} are current, "
            f"but only {trust.delegations.serial} are known here",
        )
    known = trust.timestamp
    if stamp.delegations_serial < trust.delegations.serial:
        raise VerifyError("old_timestamp", "the timestamp is older than the delegations known")
    if known is not None and stamp.issued_at < known.issued_at:
        return trust  # a reply that was overtaken; the newer one stays
    return msgspec.structs.replace(trust, signed_timestamp=signed, timestamp=stamp)


def _by_online(kind: str, signed: Signed, document: type[T], trust: Trust, code: str) -> T:
    try:
        opened = open_by_online(kind, signed, document, trust.delegations)  # type: ignore[arg-type]
    except SignatureError as error:
        raise VerifyError(code, str(error)) from error
    return cast(T, opened)


def release_hash(signed: Signed) -> str:
    """The name of a release: the SHA-256 (hex) of its signed body."""
    return hashlib.sha256(signed.body).hexdigest()


def check_release(trust: Trust, signed: Signed, offered: Collection[str] = frozenset()) -> Release:
    """Rules 6, 7 and 10; raises :class:`VerifyError`."""
    try:
        release = open_release(signed, trust.delegations)
    except SignatureError as error:
        raise VerifyError("bad_release", str(error)) from error
    what = f"{release.app} {release.version}"
    if release.runtime in WALLED_BY_SYSTEM:
        _check_offered(release, release.runtime, release.profile_of(), offered)
    elif release.platform != PLATFORM_WASM:
        raise VerifyError(
            "bad_platform", f"{what} is made for {release.platform}, which this client cannot run"
        )
    for runtime in (release.runtime, *(release.runtime_of(p) for p in release.programs)):
        if runtime not in RUNNABLE:
            raise VerifyError("bad_platform", f"{what} is {runtime}, which this client cannot run")
    if not can_run(release.profile):
        raise VerifyError(
            "bad_profile", f"{what} needs the sandbox {release.profile.name}, not to be had here"
        )
    for program in release.programs:
        try:
            for sha256 in program.needs():
                check_sha256(sha256)
        except ManifestError as error:
            raise VerifyError(
                "bad_release", f"{what}, program {program.name!r}: {error}"
            ) from error
    return release


def _check_offered(release: Release, runtime: str, profile: str, offered: Collection[str]) -> None:
    if profile in offered:
        return
    what = f"{release.app} {release.version}"
    alike = [name for name in offered if name.startswith(f"{runtime}-")]
    if alike:
        raise VerifyError(
            "bad_platform", f"{what} is made for {release.platform}; this machine is {alike[0]}"
        )
    raise VerifyError(
        "not_allowed",
        f"{what} is a {runtime} program, which the volunteer has not allowed here, "
        "or which cannot be walled in safely",
    )


def check_runtime(
    release: Release, program: Program, releases: Mapping[str, Signed]
) -> Release | None:
    """Rule 11: the release of what interprets ``program``; None if nothing does.

    ``releases`` by hash. Raises :class:`VerifyError`.
    """
    if release.runtime_of(program) != "python":
        return None
    signed = releases.get(release.runtime_release)
    if signed is None or release_hash(signed) != release.runtime_release:
        raise VerifyError(
            "no_release", f"runtime {release.runtime_release[:16]}… was not sent along"
        )
    try:
        runtime = open_runtime(signed)
        for place in runtime.needs():
            check_sha256(place)
    except (SignatureError, ManifestError) as error:
        raise VerifyError("bad_runtime", str(error)) from error
    if runtime.profile != release.profile:
        raise VerifyError(
            "bad_profile",
            f"{release.app} {release.version} wants {runtime.app} with another sandbox profile",
        )
    return runtime


def check_descriptor(
    trust: Trust,
    signed: Signed,
    releases: Mapping[str, Signed],
    offered: Collection[str] = frozenset(),
) -> tuple[TaskDescriptor, Release]:
    """Rules 3, 5, 6, 7, 8 and 10; ``releases`` by hash. Raises :class:`VerifyError`.

    ``offered``: the profiles of native programs and containers that may be run here now.
    """
    descriptor = _by_online("task", signed, TaskDescriptor, trust, "bad_descriptor")
    if descriptor.project != trust.root:
        raise VerifyError("other_project", "the task descriptor belongs to another project")
    _check_descriptor_bounds(descriptor)
    signed_release = releases.get(descriptor.release)
    if signed_release is None or release_hash(signed_release) != descriptor.release:
        raise VerifyError("no_release", f"release {descriptor.release[:16]}… was not sent along")
    release = check_release(trust, signed_release, offered)
    if (release.app, release.version) != (descriptor.app, descriptor.version):
        raise VerifyError(
            "other_release",
            f"the task is for {descriptor.app} {descriptor.version}, but its release is "
            f"{release.app} {release.version}",
        )
    try:
        program = release.program(descriptor.program)
    except KeyError as error:
        raise VerifyError("no_program", str(error.args[0])) from error
    runtime = release.runtime_of(program)  # a program may be of another kind than its release
    if runtime in WALLED_BY_SYSTEM:
        _check_offered(release, runtime, release.profile_of(program), offered)
    elif not can_run(release.profile):
        raise VerifyError(
            "bad_profile",
            f"program {program.name} needs {release.profile.name}, not to be had here",
        )
    return descriptor, release


def _check_descriptor_bounds(descriptor: TaskDescriptor) -> None:
    args_bytes = sum(len(a.encode("utf-8", "surrogatepass")) + 1 for a in descriptor.args)
    if len(descriptor.args) > ARGS_MAX or args_bytes > ARGS_BYTES_MAX:
        raise VerifyError("bad_descriptor", "the task's arguments are too many or too long")
    if not 1 <= descriptor.deadline_s <= DEADLINE_S_MAX:
        raise VerifyError("bad_descriptor", f"deadline of {descriptor.deadline_s} s is absurd")
    try:
        if len(bytes.fromhex(descriptor.seed)) != SEED_BYTES:
            raise ValueError
    except ValueError as error:
        raise VerifyError("bad_descriptor", "the task's seed is not 32 bytes in hex") from error
    names = [i.name for i in descriptor.inputs]
    if len(names) > INPUTS_MAX or len(set(names)) != len(names):
        raise VerifyError("bad_descriptor", "the task has too many inputs, or one name twice")
    for given in descriptor.inputs:
        try:
            check_name(given.name)
            check_sha256(given.sha256)
        except ManifestError as error:
            raise VerifyError("bad_descriptor", f"an input of the task: {error}") from error
        if not 0 <= given.bytes <= INPUT_BYTES_MAX:
            raise VerifyError("bad_descriptor", f"input {given.name!r} has an absurd size")
    if descriptor.resume is not None:
        try:
            check_sha256(descriptor.resume.sha256)
        except ManifestError as error:
            raise VerifyError("bad_descriptor", f"the checkpoint of the task: {error}") from error
        if not 0 <= descriptor.resume.bytes <= CHECKPOINT_BYTES_MAX:
            raise VerifyError("bad_descriptor", "the checkpoint of the task has an absurd size")


def check_statement(trust: Trust, signed: Signed) -> CreditStatement:
    """Rule 12; raises :class:`VerifyError`."""
    statement = _by_online("credit", signed, CreditStatement, trust, "bad_receipt")
    if statement.project != trust.root:
        raise VerifyError("bad_receipt", "the statement of credit is another project's")
    return statement


def check_receipt(trust: Trust, signed: Signed, task: str, device: str, manifest: str) -> Receipt:
    """Rule 9; raises :class:`VerifyError`."""
    receipt = _by_online("receipt", signed, Receipt, trust, "bad_receipt")
    for name, value, wanted in (
        ("project", receipt.project, trust.root),
        ("task", receipt.task, task),
        ("device", receipt.device, device),
        ("manifest", receipt.manifest, manifest),
    ):
        if value != wanted:
            raise VerifyError(
                "bad_receipt", f"the receipt names another {name}: {value[:20]} not {wanted[:20]}"
            )
    return receipt
