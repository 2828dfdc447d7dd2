"""The batch that a scientist wants: its form, and everything that can be wrong with it.

All faults are found, not the first one only, and nothing is made while there is any.
"""

import contextlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from idlegrid_server.domain.kind import queue_key
from idlegrid_server.domain.locality import large_files
from idlegrid_server.domain.model import FailurePolicy, Placement, StageKind
from idlegrid_server.domain.subject import subject_of
from idlegrid_server.scheduler.stage_facts import read_runtime
from idlegrid_server.store.command import NewStage
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.app import (
    APP_BY_NAME,
    BUILDS_OF_VERSION,
    VERSIONS_OF_APP,
    AppVersionRow,
)
from idlegrid_server.store.sql.file import FILE_BY_HASH, FILES_USABLE
from idlegrid_server.web.public_id import PublicIds
from idlegrid_shared.documents import BOXED_IN_WASM, WALLED_BY_SYSTEM, Release, TaskInput
from idlegrid_shared.manifest import ManifestError, check_name, check_sha256
from idlegrid_shared.sandbox.job import ARGUMENT_BYTES_MAX
from idlegrid_shared.signing import Signed
from idlegrid_shared.validator import RuleError

from .assignment import AssignForm, Audience, check_assignment
from .plot_block import plot_faults

NAME_CHARS_MAX = 100
SEED_CHARS_MAX = 200
PRIORITY_MAX = 1_000
INPUTS_MAX = 1_000
STAGES_MAX = 2  # a map, and one combine
VERSIONS_LOOKED_AT = 1_000


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what comes in."""


class StageForm(Form, frozen=True):
    """A step: ``map`` runs its program once for each line of the table, ``combine`` once in all."""

    kind: StageKind
    program: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    inputs: Annotated[tuple[TaskInput, ...], Meta(max_length=INPUTS_MAX)] = ()
    args: tuple[str, ...] = ()
    placement: Placement | None = None  # map: grid, combine: server


class OnFailureForm(Form, frozen=True):
    """What a failed unit does to the batch."""

    mode: Literal["stop", "skip"] = "stop"
    max_units: Annotated[int, Meta(ge=0)] | None = None
    max_share: Annotated[float, Meta(ge=0, le=1)] | None = None


class BatchForm(Form, frozen=True):
    """A batch as it is submitted. ``units`` is the SHA-256 of its uploaded table (JSON lines)."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=r"^[^\x00-\x1f]+$")]
    app: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    version: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    units: str
    stages: Annotated[tuple[StageForm, ...], Meta(min_length=1, max_length=STAGES_MAX)]
    on_failure: OnFailureForm = OnFailureForm()
    priority: Annotated[int, Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0
    seed: Annotated[str, Meta(max_length=SEED_CHARS_MAX)] = "0"
    plot: dict[str, Any] | None = None
    public: bool = False
    assign: AssignForm | None = None
    canary: bool = True  # a few units go out first, and the rest when they came back well


def read_form(data: bytes) -> tuple[BatchForm | None, list[str]]:
    """The form, or all faults of its fields; raises ``msgspec.DecodeError`` if it is no JSON."""
    fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    known = {field.name: field for field in msgspec.structs.fields(BatchForm)}
    faults = [
        f"{name[:40]!r} is not a field of a batch; there are {', '.join(known)}"
        for name in fields
        if name not in known
    ]
    for name, field in known.items():
        if name not in fields:
            if field.required:
                faults.append(f"{name}: it is missing")
            continue
        try:
            msgspec.json.decode(fields[name], type=field.type)
        except (msgspec.DecodeError, ValueError) as error:
            reason, _, where = str(error).partition(" - at `$")
            faults.append(f"{name}{where.rstrip('`')}: {reason}")
    if faults:
        return None, faults
    return msgspec.json.decode(data, type=BatchForm), []


class Checked(msgspec.Struct, frozen=True):
    """What a good form comes to."""

    app_version_id: int
    stages: tuple[NewStage, ...]
    files: tuple[bytes, ...]
    on_failure: str


def check_form(
    db: Connection, account_id: int, form: BatchForm, ids: PublicIds, now: int
) -> tuple[Checked | None, list[str]]:
    """What the form comes to in this project, or everything that is wrong with it."""
    faults: list[str] = []
    version, release = _find_version(db, form, faults)
    builds = _find_builds(db, release, faults)
    files = _check_files(db, account_id, form, faults)
    audience = check_assignment(db, account_id, form.assign, ids, now, faults)
    for index, stage in enumerate(form.stages):
        faults += [f"stages[{index}]: {fault}" for fault in _stage_faults(index, stage, release)]
    if form.on_failure.mode == "stop" and (
        form.on_failure.max_units is not None or form.on_failure.max_share is not None
    ):
        faults.append("on_failure: max_units and max_share belong to the mode skip")
    if form.plot is not None:
        faults += [f"plot: {fault}" for fault in plot_faults(form.plot)]
    if faults or version is None or release is None:
        return None, faults
    policy = FailurePolicy(
        form.on_failure.mode, form.on_failure.max_units, form.on_failure.max_share
    )
    return (
        Checked(
            app_version_id=version.id,
            stages=tuple(
                _new_stage(
                    *(index, stage, version, builds),
                    _memory_bytes(db, builds[0], stage),
                    audience if stage.kind == "map" else Audience(),
                )
                for index, stage in enumerate(form.stages)
            ),
            files=files,
            on_failure=msgspec.json.encode(policy).decode(),
        ),
        [],
    )


def _find_version(
    db: Connection, form: BatchForm, faults: list[str]
) -> tuple[AppVersionRow | None, Release | None]:
    app = db.fetch_one(APP_BY_NAME, name=form.app)
    if app is None:
        faults.append(f"app: there is no app {form.app!r} here; publish it first")
        return None, None
    if app.paused:
        faults.append(f"app: an admin paused {form.app!r}")
    versions = db.fetch_all(VERSIONS_OF_APP, app_id=app.id, limit=VERSIONS_LOOKED_AT)
    for version in versions:
        if version.version == form.version:
            if version.runtime == "runtime":
                faults.append(f"app: {form.app} is a runtime that apps name, and no app itself")
            if version.deprecated:
                faults.append(f"version: {form.app} {form.version} takes no new batches any more")
            signed = msgspec.json.decode(version.release, type=Signed)
            return version, msgspec.json.decode(signed.body, type=Release)
    known = ", ".join(version.version for version in versions[:10])
    faults.append(f"version: {form.app} has no version {form.version!r}, only {known}")
    return None, None


def _find_builds(db: Connection, release: Release | None, faults: list[str]) -> tuple[Release, ...]:
    """The releases of that version for all its platforms; they must differ in nothing else."""
    if release is None or release.runtime not in WALLED_BY_SYSTEM:
        return () if release is None else (release,)
    rows = db.fetch_all(BUILDS_OF_VERSION, app=release.app, version=release.version)
    builds = tuple(
        msgspec.json.decode(msgspec.json.decode(row.release, type=Signed).body, type=Release)
        for row in rows
    )
    if len({_beyond_platform(build) for build in builds}) > 1:
        faults.append(
            f"version: the releases of {release.app} {release.version} for its platforms differ in "
            "more than their programs' files: publish a new version for all of them together"
        )
    return builds


def _beyond_platform(release: Release) -> bytes:
    """What the releases of one version must have in common."""
    programs = [
        (p.name, p.limits, p.runtime, p.validator_json, p.requirements()) for p in release.programs
    ]
    common = (release.runtime, release.policy, release.homogeneous, release.profile, programs)
    return msgspec.json.encode(common)


def _check_files(
    db: Connection, account_id: int, form: BatchForm, faults: list[str]
) -> tuple[bytes, ...]:
    """Every file that the form names: stored, the account's to use, and of the size it says."""
    wanted: dict[str, list[tuple[str, int | None]]] = {form.units: [("units", None)]}
    for index, stage in enumerate(form.stages):
        for given in stage.inputs:
            where = f"stages[{index}].inputs: {given.name!r}"
            wanted.setdefault(given.sha256, []).append((where, given.bytes))
    digests: dict[str, bytes] = {}
    for sha256, places in wanted.items():
        try:
            digests[sha256] = bytes.fromhex(check_sha256(sha256))
        except ManifestError as error:
            faults += [f"{where}: {error}" for where, _ in places]
    usable = set(db.fetch_all(FILES_USABLE, account_id=account_id, hashes=list(digests.values())))
    for sha256, digest in digests.items():
        if digest not in usable:
            faults += [f"{w}: the file {sha256} was not uploaded" for w, _ in wanted[sha256]]
            continue
        row = db.fetch_one(FILE_BY_HASH, sha256=digest)
        for where, size in wanted[sha256]:
            if row is not None and size is not None and row.size != size:
                faults.append(f"{where} has {row.size} bytes, not {size}")
    return tuple(digests.values())


def _stage_faults(index: int, stage: StageForm, release: Release | None) -> list[str]:
    faults = []
    if (index == 0) != (stage.kind == "map"):
        faults.append("the first step is a map, the one after it a combine")
    if release is not None and stage.program not in {p.name for p in release.programs}:
        names = ", ".join(program.name for program in release.programs)
        faults.append(f"the app has no program {stage.program!r}, only {names}")
    elif release is not None and _placement(stage.kind) == "server":
        runtime = release.runtime_of(release.program(stage.program))
        if runtime not in BOXED_IN_WASM:
            faults.append(
                f"program {stage.program!r} is {runtime}, but what runs on the server must be wasm "
                "or python"
            )
    if release is not None and stage.kind == "map":
        with contextlib.suppress(KeyError):  # told above
            try:
                release.program(stage.program).rules()
            except RuleError as error:
                faults.append(f"the validator of {stage.program!r} cannot be read here: {error}")
    if stage.kind == "map" and stage.args:
        faults.append("the arguments of a map's units stand in the table")
    if (
        sum(len(arg.encode("utf-8", "surrogatepass")) + 1 for arg in stage.args)
        > ARGUMENT_BYTES_MAX
    ):
        faults.append(f"the arguments have more than {ARGUMENT_BYTES_MAX} bytes")
    if any("\0" in arg for arg in stage.args):
        faults.append("an argument contains a zero character")
    if stage.placement not in (None, _placement(stage.kind)):
        faults.append(f"a {stage.kind} runs on the {_placement(stage.kind)}")
    names_seen = set()
    for given in stage.inputs:
        try:
            check_name(given.name)
        except ManifestError as error:
            faults.append(f"inputs: {error}")
        if given.name in names_seen:
            faults.append(f"inputs: {given.name!r} stands twice")
        names_seen.add(given.name)
    return faults


def _placement(kind: StageKind) -> Placement:
    return "grid" if kind == "map" else "server"


def _memory_bytes(db: Connection, release: Release, stage: StageForm) -> int:
    """What a host must allow: the program's memory, or what compiling its interpreter takes."""
    program = release.program(stage.program)
    own = program.limits.memory_bytes
    if release.runtime_of(program) != "python":
        return own
    _, runtime = read_runtime(db, release.runtime_release)
    return max(own, runtime.programs[0].limits.memory_bytes)


def _new_stage(
    index: int,
    stage: StageForm,
    version: AppVersionRow,
    builds: tuple[Release, ...],
    memory_bytes: int,
    audience: Audience,
) -> NewStage:
    release = builds[0]
    wanted = release.program(stage.program).requirements()
    needs = [build.program(stage.program).needs() for build in builds]
    sizes = {sha256: size for files in needs for sha256, size in files.items()}
    sizes |= {given.sha256: given.bytes for given in stage.inputs}
    # What runs on the server alone has nobody to be compared with.
    rules = release.program(stage.program).rules() if stage.kind == "map" else None
    return NewStage(
        index=index,
        kind=stage.kind,
        placement=_placement(stage.kind),
        app_version_id=version.id,
        program=stage.program,
        inputs=msgspec.json.encode(stage.inputs).decode(),
        policy=msgspec.json.encode(audience.policy(release.policy)).decode(),
        validator=None if rules is None else msgspec.json.encode(rules).decode(),
        validator_hash=None if rules is None else rules.digest(version.release_hash),
        memory_bytes=memory_bytes,
        profile=queue_key(build.profile_of(build.program(stage.program)) for build in builds),
        cores=wanted.cores,
        disk_bytes=wanted.disk_bytes,
        features=wanted.features,
        audience=audience.name,
        hosts=audience.hosts,
        files=large_files(sizes.items()),
        subject=subject_of(
            release.runtime_of(release.program(stage.program)),
            release.profile_of(release.program(stage.program)),
            release.app,
            release.version,
        ),
        homogeneous=release.homogeneous if release.runtime in WALLED_BY_SYSTEM else "",
        migrates=release.migrate and release.checkpoint != "none" and stage.kind == "map",
        expected=0 if stage.kind == "map" else 1,
    )
