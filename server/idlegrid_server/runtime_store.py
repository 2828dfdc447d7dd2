"""Adding a runtime to a project: from a bundle to public files and an app version."""

import hashlib
import tempfile
from pathlib import Path

import msgspec

from idlegrid_shared.runtime.bundle import BundleError, read_bundle
from idlegrid_shared.runtime.catalogue import KnownRuntime, runtime_by_hash
from idlegrid_shared.runtime.key import RELEASE_KEYS

from .files import ContentStore
from .project import Project
from .store.command import AddAppVersion, AddFile, ModuleIn, Store
from .store.sql.account import ACCOUNT_FIRST_ADMIN
from .store.sql.app import RUNTIMES, AppVersionRow


class RuntimeAddError(Exception):
    """A runtime that cannot be added; the message says why and what to do."""


def add_runtime(
    project: Project,
    store: Store,
    bundle: Path,
    now: int,
    keys: tuple[str, ...] = RELEASE_KEYS,
) -> tuple[KnownRuntime, bool]:
    """Take the runtime in ``bundle``; whether it is new here. Doing it again changes nothing.

    Signed by the release key, and one that this Idlegrid knows. Raises :class:`RuntimeAddError`,
    ``FileError``, ``StoreError``.
    """
    files = ContentStore(project.layout.files)
    with tempfile.TemporaryDirectory(prefix="runtime-", dir=project.layout.run) as work:
        try:
            signed, release, found = read_bundle(bundle, Path(work), keys)
        except BundleError as error:
            raise RuntimeAddError(str(error)) from error
        known = runtime_by_hash(hashlib.sha256(signed.body).hexdigest())
        if known is None:
            raise RuntimeAddError(
                f"{bundle} holds {release.app} {release.version}, a runtime that this version of "
                "Idlegrid does not know: bring the server up to date first"
            )
        with store.reading() as db:
            admin = db.fetch_one(ACCOUNT_FIRST_ADMIN)
        if admin is None:
            raise RuntimeAddError(
                "the project has no admin whose the runtime would be: make one with "
                "`idlegrid-server account add DIR EMAIL --role admin`"
            )
        for sha256, path in found.items():
            digest = bytes.fromhex(sha256)
            files.store(path, digest)
            size = path.stat().st_size
            store.execute(AddFile(now=now, sha256=digest, size=size, public=True))
    result = store.execute(
        AddAppVersion(
            now=now,
            account_id=admin.id,
            app=release.app,
            version=release.version,
            summary=release.summary,
            platform=release.platform,
            runtime=release.runtime,
            profile=release.profile.name,
            release=msgspec.json.encode(signed),
            release_hash=bytes.fromhex(known.sha256),
            modules=tuple(ModuleIn(bytes.fromhex(h), size) for h, size in release.needs().items()),
            any_owner=True,
        )
    )
    if result.status in ("created", "existing"):
        return known, result.status == "created"
    raise RuntimeAddError(
        f"the project has another {release.app} {release.version} already ({result.status}): "
        "published versions never change"
    )


def list_runtimes(store: Store) -> list[AppVersionRow]:
    """The runtimes that the project has, oldest first."""
    with store.reading() as db:
        return db.fetch_all(RUNTIMES)
