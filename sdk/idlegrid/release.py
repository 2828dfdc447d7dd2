"""Signing an app version, and bringing it to a project."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.documents import PLATFORM_WASM, Release
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.signing import Signed, sign_document

from .api import Api, ApiError
from .app import App
from .built import BuiltProgram
from .fault import InputError
from .place import BUILD_FOLDER
from .transfer import upload_file

RELEASE_FILE = "release.json"


def make_releases(app: App, built: Mapping[str, BuiltProgram]) -> tuple[Release, ...]:
    """What a publisher signs: one release, or for native apps and containers one per platform."""
    return tuple(make_release(app, built, name) for name in app.platforms or (PLATFORM_WASM,))


def make_release(
    app: App, built: Mapping[str, BuiltProgram], platform: str = PLATFORM_WASM
) -> Release:
    """The document that a publisher signs: equal sources and settings give equal bytes."""
    return Release(
        app=app.name,
        version=app.version,
        summary=app.summary,
        platform=platform,
        runtime=app.runtime,
        profile=app.profile,
        programs=tuple(
            built[name].on(platform).document(program, app.runtime)
            for name, program in app.programs.items()
        ),
        policy=app.policy,
        checkpoint=app.checkpoint,
        migrate=app.migrate,
        runtime_release=known_runtimes()[app.python].sha256 if app.python else "",
        homogeneous=app.homogeneous,
    )


def sign_release(release: Release, key: SigningKey) -> Signed:
    """The release, signed by a publisher's key."""
    return sign_document("release", release, key)


def release_body_hash(release: Release) -> str:
    """The SHA-256 (hex) of what is signed, by which tasks name a release; needs no key."""
    return hashlib.sha256(msgspec.json.encode(release)).hexdigest()


def save_release(app: App, signed: Signed) -> Path:
    """Keep the signed release beside the modules."""
    release = msgspec.json.decode(signed.body, type=Release)
    name = RELEASE_FILE
    if release.platform != PLATFORM_WASM:
        name = f"release.{release.platform}.json"
    path = app.folder / BUILD_FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.encode(signed) + b"\n")
    return path


def publish_release(
    api: Api,
    signed: Signed,
    built: Mapping[str, BuiltProgram],
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Upload the modules, then the release; doing it again changes nothing.

    Raises :class:`InputError` if that version is published already with other content, and
    :class:`ApiError` for anything else that the server refuses.
    """
    release = msgspec.json.decode(signed.body, type=Release)
    for program in (program.on(release.platform) for program in built.values()):
        if on_step is not None:
            on_step(f"uploading {program.name}")
        upload_file(api, program.path, program.entry)
        for entry in program.file_entries:
            upload_file(api, program.files[entry.name], entry)
    if on_step is not None:
        where = "" if release.platform == PLATFORM_WASM else f" for {release.platform}"
        on_step(f"publishing {release.app} {release.version}{where}")
    try:
        api.post(f"apps/{release.app}/versions", signed, msgspec.Raw)
    except ApiError as error:
        if error.status == 409:
            raise InputError(
                f"{release.app} {release.version} is published already with other content: "
                "published versions never change, so raise the version in app.toml"
            ) from error
        raise
