"""/publishers and /apps: who may publish, what is published."""

import fnmatch
import hashlib

import msgspec
from flask import Response, request

from idlegrid_server.scheduler.stage_facts import read_runtime
from idlegrid_server.scheduler.trust import NoDelegations
from idlegrid_server.store.command import AddAppVersion, ModuleIn
from idlegrid_server.store.sql.app import (
    APP_BY_NAME,
    APPS_AFTER,
    VERSIONS_OF_APP,
    AppRow,
    AppVersionRow,
)
from idlegrid_server.store.sql.file import FILE_BY_HASH
from idlegrid_server.web.access import Account, services
from idlegrid_server.web.body import json_body
from idlegrid_server.web.problem import Refusal, not_found
from idlegrid_server.web.services import Services
from idlegrid_shared.documents import (
    WALLED_BY_SYSTEM,
    WALLED_PLATFORMS,
    Delegations,
    Release,
    open_release,
)
from idlegrid_shared.manifest import ManifestError, check_sha256
from idlegrid_shared.runtime.catalogue import known_runtimes, runtime_by_hash
from idlegrid_shared.sandbox.limits import LimitError
from idlegrid_shared.signing import SignatureError, Signed

from .page import moment, page_limit
from .reply import (
    AppEntry,
    AppList,
    AppReply,
    PublishedReply,
    PublisherList,
    PublisherReply,
    VersionReply,
)
from .route import CURSOR, LIMIT, Routes, reply

NAME_CHARS_MAX = 100
VERSIONS_SHOWN = 100
PROGRAMS_MAX = 100
_decoder = msgspec.json.Decoder(Signed)
routes = Routes("apps")


@routes.add(
    "GET",
    "/publishers",
    access="token:batch:read",
    summary="Whose keys may sign releases, and of which apps",
    reply=PublisherList,
)
def list_publishers(account: Account) -> Response:
    """As root has signed it."""
    try:
        trusted = services().trust.current()
    except NoDelegations as error:
        raise _no_delegations() from error
    return reply(
        PublisherList(
            publishers=tuple(
                PublisherReply(p.key, p.name, p.apps) for p in trusted.delegations.publishers
            ),
            serial=trusted.delegations.serial,
            delegations=trusted.signed_delegations,
        )
    )


def _no_delegations() -> Refusal:
    return Refusal(503, "no_delegations", "The project's root has signed no delegations yet.")


def read_release(with_: Services, signed: Signed, app: str) -> Release:
    """The release, if it may be published here as ``app``; raises a 403 or 422 refusal."""
    try:
        delegations = with_.trust.newest().delegations
        release = open_release(signed, delegations)
    except NoDelegations as error:
        raise _no_delegations() from error
    except (SignatureError, LimitError, ValueError) as error:
        refusal = _not_signed(signed, delegations, app, error)
        source = with_.peers.subnet(request.environ)
        with_.incidents.record(refusal.code, source, f"publishing {app[:100]}: {refusal.detail}")
        raise refusal from error
    faults = list(_release_faults(release, app))
    if faults:
        raise Refusal(
            422, "bad_release", f"The release is not good: {faults[0]}.", errors=tuple(faults)
        )
    return release


def _not_signed(signed: Signed, delegations: Delegations, app: str, error: Exception) -> Refusal:
    known = [p for p in delegations.publishers if p.key == signed.key]
    if not known:
        return Refusal(
            403,
            "unknown_publisher",
            f"The key {signed.key[:16]}… may not publish here. Send your public key to the "
            "project's admin, who allows it with `idlegrid-server publisher allow`.",
        )
    if not any(fnmatch.fnmatchcase(app, pattern) for pattern in known[0].apps):
        return Refusal(
            403,
            "not_allowed_name",
            f"Your key may publish {', '.join(known[0].apps) or 'nothing'}, not {app!r}.",
        )
    return Refusal(422, "bad_release", f"The release is not good: {error}.", errors=(str(error),))


def _release_faults(release: Release, app: str) -> list[str]:
    faults = _runtime_faults(release)
    if release.app != app:
        faults.append(f"it is of the app {release.app!r}, but the address says {app!r}")
    for what, text in (("app", release.app), ("version", release.version)):
        if not 1 <= len(text) <= NAME_CHARS_MAX or not text.isprintable() or "/" in text:
            faults.append(f"the {what}'s name must have 1 to {NAME_CHARS_MAX} plain characters")
    if not 1 <= len(release.programs) <= PROGRAMS_MAX:
        faults.append(f"it must have 1 to {PROGRAMS_MAX} programs")
    faults += _walled_faults(release)
    if len({program.name for program in release.programs}) != len(release.programs):
        faults.append("two programs have one name")
    try:
        release.policy.check()
        release.check_validators()
        for program in release.programs:
            for sha256 in program.needs():
                check_sha256(sha256)
    except (ValueError, ManifestError) as error:
        faults.append(str(error))
    return faults


def _runtime_faults(release: Release) -> list[str]:
    """What is wrong with how the programs are run, as far as the release itself shows it."""
    faults = []
    kinds = {program.name: release.runtime_of(program) for program in release.programs}
    if "runtime" in (release.runtime, *kinds.values()):
        faults.append(
            "it is of the kind runtime: those are signed by Idlegrid's release key, and only an "
            "admin adds them, by `idlegrid-server runtime add`"
        )
    if release.app in known_runtimes():
        faults.append(f"{release.app} is the name of a runtime; take another for the app")
    python = [program for program in release.programs if kinds[program.name] == "python"]
    faults += [f"program {p.name} does not say what is started" for p in python if not p.entry]
    if python and not release.runtime_release:
        faults.append(f"program {python[0].name} is Python, but the release names no runtime")
    return faults


def _check_runtime(with_: Services, release: Release) -> None:
    """Raise a 422 refusal unless the runtime of the release's Python programs is here and fits."""
    if not release.runtime_release:
        return
    known = runtime_by_hash(release.runtime_release)
    name = known.title if known is not None else f"{release.runtime_release[:16]}…"
    try:
        check_sha256(release.runtime_release)
        with with_.store.reading() as db:
            _, runtime = read_runtime(db, release.runtime_release)
    except (LookupError, ManifestError) as error:
        how = f"idlegrid runtime bundle {known.name}" if known is not None else "its bundle"
        raise Refusal(
            422,
            "no_runtime",
            f"The app is run by {name}, which this project does not have yet. Its admin adds it "
            f"once: {how}, then `idlegrid-server runtime add DIR FILE`.",
        ) from error
    if release.profile != runtime.profile:
        text = f"{name} runs with the profile {runtime.profile.name}, not {release.profile.name}"
        raise Refusal(422, "bad_release", f"The release is not good: {text}.", errors=(text,))


def _walled_faults(release: Release) -> list[str]:
    """What is wrong with a native app or a container, or with a program that claims to be one."""
    faults = []
    if release.runtime in WALLED_BY_SYSTEM and release.platform not in WALLED_PLATFORMS:
        known = ", ".join(WALLED_PLATFORMS)
        faults.append(f"{release.runtime} programs run on {known}, not on {release.platform!r}")
    for program in release.programs:
        own = release.runtime_of(program)
        if own in WALLED_BY_SYSTEM and own != release.runtime:
            faults.append(f"program {program.name!r} is {own}, but its release {release.runtime}")
    return faults


def _check_sizes(with_: Services, release: Release) -> None:
    """Raise a 422 refusal if a module that is stored has another size than the release says."""
    with with_.store.reading() as db:
        for sha256, size in release.needs().items():
            row = db.fetch_one(FILE_BY_HASH, sha256=bytes.fromhex(sha256))
            if row is not None and row.size != size:
                text = f"the file {sha256[:16]}… has {row.size} bytes, not {size}"
                raise Refusal(
                    422, "bad_release", f"The release is not good: {text}.", errors=(text,)
                )


@routes.add(
    "POST",
    "/apps/<app>/versions",
    access="token:app:write",
    summary="Publish a signed release whose modules were uploaded before",
    body=Signed,
    reply=PublishedReply,
    status=201,
    problems=(409, 422),
)
def publish(account: Account, app: str) -> Response:
    """Doing it again changes nothing; another release of that version is refused."""
    with_ = services()
    signed = json_body(with_, request, _decoder)
    release = read_release(with_, signed, app)
    _check_runtime(with_, release)
    _check_sizes(with_, release)
    digest = hashlib.sha256(signed.body)
    result = with_.store.execute(
        AddAppVersion(
            now=with_.clock(),
            account_id=account.id,
            app=release.app,
            version=release.version,
            summary=release.summary[:1000],
            platform=release.platform,
            runtime=release.runtime,
            profile=release.profile_of(),
            release=msgspec.json.encode(signed),
            release_hash=digest.digest(),
            modules=tuple(ModuleIn(bytes.fromhex(h), size) for h, size in release.needs().items()),
            any_owner=account.is_admin,
        )
    )
    if result.status == "missing_files":
        missing = tuple(f"{digest.hex()} was not uploaded" for digest in result.missing)
        raise Refusal(
            422,
            "missing_files",
            f"{len(missing)} modules of the release were not uploaded; upload them first.",
            errors=missing,
        )
    if result.status == "not_yours":
        raise Refusal(403, "not_yours", f"The app {app!r} belongs to another account.")
    if result.status == "conflict":
        raise Refusal(
            409,
            "version_exists",
            f"{app} {release.version} is published already with other content. Published "
            "versions never change: raise the version.",
        )
    made = result.status == "created"
    published = PublishedReply(release.app, release.version, digest.hexdigest(), made)
    return reply(published, 201 if made else 200)


def _entry(row: AppRow) -> AppEntry:
    return AppEntry(row.name, row.summary, bool(row.paused), moment(row.created_at) or "")


def _version(row: AppVersionRow) -> VersionReply:
    signed = msgspec.json.decode(row.release, type=Signed)
    release = msgspec.json.decode(signed.body, type=Release)
    return VersionReply(
        version=row.version,
        platform=row.platform,
        runtime=row.runtime,
        profile=row.profile,
        release_hash=row.release_hash.hex(),
        deprecated=bool(row.deprecated),
        created_at=moment(row.created_at) or "",
        programs=tuple(program.name for program in release.programs),
    )


@routes.add(
    "GET",
    "/apps",
    access="token:batch:read",
    summary="The project's apps",
    reply=AppList,
    parameters=(CURSOR, LIMIT),
)
def list_apps(account: Account) -> Response:
    """By pages, oldest first."""
    limit = page_limit()
    after = 0
    with services().store.reading() as db:
        cursor = request.args.get("cursor", "")
        if cursor:
            last = db.fetch_one(APP_BY_NAME, name=cursor)
            if last is None:
                raise not_found("app to go on after")
            after = last.id
        rows = db.fetch_all(APPS_AFTER, after=after, limit=limit)
    following = rows[-1].name if len(rows) == limit else None
    return reply(AppList(tuple(_entry(row) for row in rows), following))


@routes.add(
    "GET",
    "/apps/<app>",
    access="token:batch:read",
    summary="An app and its versions",
    reply=AppReply,
    problems=(404,),
)
def show_app(account: Account, app: str) -> Response:
    """Newest version first."""
    with services().store.reading() as db:
        row = db.fetch_one(APP_BY_NAME, name=app)
        if row is None:
            raise not_found("app")
        versions = db.fetch_all(VERSIONS_OF_APP, app_id=row.id, limit=VERSIONS_SHOWN)
    return reply(
        AppReply(
            name=row.name,
            summary=row.summary,
            paused=bool(row.paused),
            created_at=moment(row.created_at) or "",
            versions=tuple(_version(version) for version in versions),
        )
    )
