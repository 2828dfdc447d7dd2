"""The project that every seed starts from: made once for each process, copied for each seed."""

import atexit
import functools
import hashlib
import shutil
import tempfile
from pathlib import Path

import msgspec
from nacl.signing import SigningKey

from idlegrid_server.config import Config, ProjectSettings
from idlegrid_server.creation import Wanted, create_project
from idlegrid_server.project import Project, open_project
from idlegrid_server.store import LocalStore
from idlegrid_server.store.command import AddAppVersion, AddFile, ModuleIn, SetSetting
from idlegrid_server.trust import allow_publisher, load_root
from idlegrid_shared.documents import (
    PLATFORM_WASM,
    Delegations,
    Program,
    Publisher,
    Release,
)
from idlegrid_shared.manifest import ManifestEntry
from idlegrid_shared.sandbox.limits import Limits
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.signing import open_document, public_hex, sign_document

from .guest import COMBINE, module
from .mix import MIGRATING, POLICIES
from .network import URL
from .world import T0

APP = "sim"
ADMIN = 1  # the account that init makes
LIMITS = Limits(
    memory_bytes=16 * 1024**2, max_ops=10**9, time_s=60.0, output_bytes=1024**2, output_files=10
)
#: Public ids must be the same in every process, since clients sort by them.
IDS_KEY = hashlib.sha256(b"ids of the simulation").digest()


def scratch() -> Path:
    """A fresh folder, in memory where the system has such a place: nothing here outlives a run."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="idlegrid-sim-", dir=memory if memory.is_dir() else None))


@functools.cache
def template() -> Path:
    """A project with one app in several versions; removed when the process ends."""
    root = scratch()
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / "project"
    config = Config(project=ProjectSettings(name="Simulation", url=URL))
    create_project(folder, Wanted(config=config, lab=True), lambda: T0)
    project = open_project(folder)
    project.layout.ids_key.write_bytes(IDS_KEY)
    _publish(project)
    return folder


def copy_project(to: Path) -> Project:
    """The template's copy at ``to``."""
    shutil.copytree(template(), to)
    return open_project(to)


@functools.cache
def program_hash() -> str:
    """SHA-256 (hex) of the only program that was ever published."""
    return hashlib.sha256(module(COMBINE)).hexdigest()


def token(project: Project) -> str:
    """The admin's API token."""
    return project.layout.admin_token.read_text().strip()


def _publish(project: Project) -> None:
    publisher = SigningKey(hashlib.sha256(b"publisher").digest())
    known = open_document("delegations", project.delegations(), Delegations)
    root = load_root(project.layout, None)
    signed = allow_publisher(
        known, Publisher(key=public_hex(publisher), name="Ada", apps=(APP,)), root, T0
    )
    project.layout.delegations.write_bytes(msgspec.json.encode(signed))
    code = module(COMBINE)
    digest = hashlib.sha256(code).digest()
    store = LocalStore(project.layout.database)
    try:
        value = msgspec.json.encode(signed).decode()
        store.execute(SetSetting(now=T0, name="delegations", value=value))
        store.execute(AddFile(now=T0, sha256=digest, size=len(code), data=code, account_id=ADMIN))
        for version, policy in POLICIES.items():
            entry = ManifestEntry("main.wasm", digest.hex(), len(code))
            programs = (Program("main", entry, LIMITS), Program("join", entry, LIMITS))
            release = Release(
                app=APP,
                version=version,
                summary="For simulations",
                platform=PLATFORM_WASM,
                runtime="wasm",
                profile=current_profile(),
                programs=programs,
                policy=policy,
                checkpoint="auto" if version in MIGRATING else "none",
                migrate=version in MIGRATING,
            )
            document = sign_document("release", release, publisher)
            added = store.execute(
                AddAppVersion(
                    now=T0,
                    account_id=ADMIN,
                    app=APP,
                    version=version,
                    summary=release.summary,
                    platform=release.platform,
                    runtime=release.runtime,
                    profile=release.profile.name,
                    release=msgspec.json.encode(document),
                    release_hash=hashlib.sha256(document.body).digest(),
                    modules=(ModuleIn(digest, len(code)),),
                )
            )
            assert added.status == "created", added
    finally:
        store.close()
