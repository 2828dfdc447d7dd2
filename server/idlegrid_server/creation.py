"""``idlegrid-server init``: a project from nothing, whole or not at all.

Everything is made in a folder beside the final one, made durable, and takes its name last.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from idlegrid_shared.keyfile import (
    KeyFileError,
    load_key,
    save_key,
    sync_folder,
    write_private,
)
from idlegrid_shared.signing import Signed, new_key, public_hex

from .config import Config
from .config_text import toml_text
from .layout import Layout
from .project import SECRET_BYTES, Project
from .store import migrate
from .store.command import CreateAccount, CreateToken, SetSetting
from .store_access import own_store
from .token import SCOPES, new_token, token_hash
from .trust import first_delegations, make_root, read_delegations, read_public, read_signed

LINK_LIFE_US = 7 * 86_400 * 1_000_000
EMAIL_BYTES_MAX = 254


class CreationError(Exception):
    """A project that cannot be made here; nothing was left behind."""


@dataclass(frozen=True)
class Wanted:
    """What the admin asked for."""

    config: Config
    admin_email: str = "admin@localhost"
    lab: bool = False
    root_passphrase: str | None = None  # needed unless in a lab or with the root key elsewhere
    root_public: Path | None = None  # the root key is kept elsewhere
    online_key: Path | None = None  # what those delegations name; made here if there are none yet
    delegations: Path | None = None


@dataclass(frozen=True)
class Created:
    """What there is now. ``link`` signs the admin in, once."""

    project: Project
    link: str
    signed: bool  # whether root has signed delegations already


def create_project(folder: Path, wanted: Wanted, clock: Callable[[], int]) -> Created:
    """Make a project in ``folder``; raises :class:`CreationError`, ``TrustError``, ``OSError``."""
    final = folder.absolute()
    _check(final, wanted)
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = final.with_name(f".{final.name}.{secrets.token_hex(6)}")
    draft.mkdir(mode=0o700)
    try:
        signed, token = _fill(Layout(draft), wanted, clock)
        _sync_tree(draft)
        _take_name(draft, final)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    project = Project(Layout(final), wanted.config)
    return Created(project, f"{project.url}/signin#token={token}", signed is not None)


def _check(final: Path, wanted: Wanted) -> None:
    if final.exists() and not final.is_dir():
        raise CreationError(f"{final} is a file: name a new or empty folder")
    if final.is_dir() and any(final.iterdir()):
        raise CreationError(f"{final} is not empty: name a new or empty folder")
    check_email(wanted.admin_email)
    if wanted.delegations and not (wanted.root_public and wanted.online_key):
        raise CreationError(
            "--delegations needs --root-pub, which says who signed them, "
            "and --online-key, the key that they name"
        )
    if not (wanted.lab or wanted.root_public or wanted.root_passphrase):
        raise CreationError(
            "the root key needs a passphrase: give one, or keep the key elsewhere (--root-pub)"
        )


def check_email(email: str) -> str:
    """``email`` in lower case if it looks like an address; raises :class:`CreationError`."""
    name, at, domain = email.partition("@")
    if not (name and at and domain) or not email.isprintable() or " " in email:
        raise CreationError(f"{email[:80]!r} is not an e-mail address")
    if len(email.encode()) > EMAIL_BYTES_MAX:
        raise CreationError(f"an e-mail address has at most {EMAIL_BYTES_MAX} bytes")
    return email.lower()


def _fill(layout: Layout, wanted: Wanted, clock: Callable[[], int]) -> tuple[Signed | None, str]:
    for folder in (
        layout.secrets,
        layout.root,
        layout.files,
        layout.uploads,
        layout.checkpoints,
        layout.logs,
    ):
        folder.mkdir(mode=0o700)
    layout.run.mkdir(mode=0o700)
    write_private(layout.settings, toml_text(wanted.config).encode())
    write_private(layout.ids_key, secrets.token_bytes(SECRET_BYTES))
    write_private(layout.token_key, secrets.token_bytes(SECRET_BYTES))
    online = _online_key(layout, wanted)
    signed = _delegations(layout, wanted, online, clock())
    if signed is not None:
        write_private(layout.delegations, msgspec.json.encode(signed))
    return signed, _fill_database(layout, wanted, signed, clock)


def _online_key(layout: Layout, wanted: Wanted) -> str:
    try:
        key = load_key(wanted.online_key) if wanted.online_key else new_key()
    except KeyFileError as error:
        raise CreationError(str(error)) from error
    save_key(layout.online_key, key)
    return public_hex(key)


def _delegations(layout: Layout, wanted: Wanted, online: str, now: int) -> Signed | None:
    if wanted.root_public is None:
        root = make_root(layout, None if wanted.lab else wanted.root_passphrase)
        return first_delegations(wanted.config.project.name, root, online, now)
    public = read_public(wanted.root_public)
    write_private(layout.root_public, public.encode() + b"\n")
    if wanted.delegations is None:
        return None
    signed = read_signed(wanted.delegations)
    read_delegations(signed, public, online)
    return signed


def _fill_database(
    layout: Layout, wanted: Wanted, signed: Signed | None, clock: Callable[[], int]
) -> str:
    project = Project(layout, wanted.config)
    migrate(wanted.config.database.url or layout.database)
    link_token = new_token()
    with own_store(project) as store:
        admin = store.execute(
            CreateAccount(
                now=clock(),
                email=check_email(wanted.admin_email),
                name="Admin",
                role="admin",
                actor="init",
            )
        )
        if admin.status == "exists":
            raise CreationError(
                "the database named in database.url holds a project already: name an empty one"
            )
        store.execute(
            CreateToken(
                now=clock(),
                account_id=admin.account_id,
                hash=token_hash(link_token),
                label="first sign-in",
                scopes=("signin",),
                expires_at=clock() + LINK_LIFE_US,
                single_use=True,
            )
        )
        if signed is not None:
            value = msgspec.json.encode(signed).decode()
            store.execute(SetSetting(now=clock(), name="delegations", value=value))
        if wanted.lab:
            token = new_token()
            store.execute(
                CreateToken(
                    now=clock(),
                    account_id=admin.account_id,
                    hash=token_hash(token),
                    label="lab scripts",
                    scopes=SCOPES,
                )
            )
            write_private(layout.admin_token, token.encode() + b"\n")
    return link_token


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def _take_name(draft: Path, final: Path) -> None:
    try:
        draft.rename(final)  # an empty folder of that name gives way, a full one does not
    except OSError as error:
        raise CreationError(f"{final} is not empty: name a new or empty folder") from error
    sync_folder(final.parent)
