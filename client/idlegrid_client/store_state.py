"""Projects on the disk, and the whole state at a start."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from nacl.signing import SigningKey

from idlegrid_shared.keyfile import KeyFileError, load_key, save_key, sync_folder
from idlegrid_shared.signing import Signed, new_key

from .core.model import Pending, ProjectState, TaskState
from .durable import DamagedError, read_state, write_state
from .faults import reach
from .layout import DataFolder, ProjectFolder
from .store_task import empty_trash, load_tasks
from .transfer.address import AddressError, check_server_url
from .verify import Trust, VerifyError, open_trust

Say = Callable[[str], None]
T = TypeVar("T")

MS = 1_000  # µs


class Link(msgspec.Struct, frozen=True):
    """What the volunteer agreed to; written once, at attach."""

    name: str
    url: str
    fingerprint: str
    attached_at: int
    invitation: str = ""  # a token of an account or for a house host; the file is for us alone


class StoredHost(msgspec.Struct, frozen=True):
    """How the server knows this machine."""

    enrolled: bool = False
    house: bool = False
    blocked: str = ""
    leaving: bool = False


class StoredTrust(msgspec.Struct, frozen=True):
    """Signed documents; they are verified again when read."""

    delegations: Signed
    timestamp: Signed | None = None


class StoredRelease(msgspec.Struct, frozen=True):
    """A signed release and where its modules are served."""

    release: Signed
    addresses: dict[str, str] = {}


class StoredExchange(msgspec.Struct, frozen=True):
    """The last sequence number, and the request that has no answer yet, as it is to be sent."""

    seq: int = 0
    serial: int = 0  # highest serial of delegations ever seen
    pending: Pending | None = None
    body: bytes = b""
    encoding: str = ""
    reported: dict[str, str] = {}  # task → manifest hash, to check the receipts


class LoadedProject(msgspec.Struct):
    """One project as its folder tells it."""

    state: ProjectState
    tasks: list[TaskState]
    key: SigningKey
    exchange: StoredExchange
    trust: Trust | None
    releases: dict[str, StoredRelease]


def create_project(data: DataFolder, link: Link, trust: StoredTrust) -> None:
    """Attach: the folder with link, trust and a fresh device key, complete or not counted.

    ``link.json`` comes last: a folder without it is an attach that did not come to its end.
    """
    folder = data.project(link.fingerprint)
    folder.make()
    if not folder.trust.exists():  # known ones may be newer than what a server shows a stranger
        write_state(folder.trust, trust, "trust")
    if not folder.key.exists():
        save_key(folder.key, new_key())
    write_state(folder.link, link, "link")
    sync_folder(data.projects)


def delete_project(data: DataFolder, fingerprint: str) -> None:
    """Forget a project with all that lies there."""
    folder = data.project(fingerprint)
    folder.link.unlink(missing_ok=True)
    shutil.rmtree(folder.root, ignore_errors=True)


def load_link(folder: ProjectFolder) -> Link | None:
    """The link of an attached project; None where an attach was not completed.

    Raises :class:`DamagedError`.
    """
    return read_state(folder.link, Link)


def load_invitation(folder: ProjectFolder) -> str:
    """The token to enrol with; "" for an anonymous host. Raises :class:`DamagedError`."""
    link = load_link(folder)
    return link.invitation if link is not None else ""


def load_project(folder: ProjectFolder, now: int, say: Say) -> LoadedProject | None:
    """Read one project's folder; damage is repaired as far as possible, and told to ``say``."""
    try:
        link = load_link(folder)
    except DamagedError as error:
        say(f"{error}; attach this project once more with its link, and nothing is lost")
        return None
    if link is None:
        return None
    try:
        check_server_url(link.url)
    except AddressError as error:
        say(f"the project {link.name} is not contacted: {error}")
        return None
    folder.make()
    empty_trash(folder)
    host = _read(folder.host, StoredHost, say) or StoredHost()
    exchange = _load_exchange(folder, now, say)
    key, renewed = _load_device_key(folder, say)
    trust = _load_trust(folder, link.fingerprint, exchange.serial, say)
    tasks = load_tasks(folder, link.fingerprint, say)
    state = ProjectState(
        fingerprint=link.fingerprint,
        name=link.name,
        url=link.url,
        enrolled=host.enrolled and not renewed,
        house=host.house,
        blocked=host.blocked,
        leaving=host.leaving,
        seq=exchange.seq,
        pending=exchange.pending,
        timestamp_expires_at=trust.expires_at if trust is not None else 0,
    )
    releases = _load_releases(folder, {r for t in tasks for r in (t.release, t.runtime) if r}, say)
    return LoadedProject(state, tasks, key, exchange, trust, releases)


def renew_device_key(folder: ProjectFolder) -> SigningKey:
    """Set the old key aside and make another; after a crash in between the next start makes it."""
    if folder.key.exists():
        folder.key.replace(folder.key.with_name("device.key.old"))
    reach("key.aside")
    key = new_key()
    save_key(folder.key, key)
    return key


def save_host(folder: ProjectFolder, state: ProjectState) -> None:
    """Write down how the server knows this machine."""
    stored = StoredHost(state.enrolled, state.house, state.blocked, state.leaving)
    write_state(folder.host, stored, "host")


def save_trust(folder: ProjectFolder, trust: Trust) -> None:
    """Write down the signed documents that are current."""
    stored = StoredTrust(trust.signed_delegations, trust.signed_timestamp)
    write_state(folder.trust, stored, "trust")


def save_exchange(folder: ProjectFolder, exchange: StoredExchange) -> None:
    """Write down the request before it is sent, or that it was answered."""
    write_state(folder.exchange, exchange, "exchange")


def save_release(folder: ProjectFolder, digest: str, release: StoredRelease) -> None:
    """Keep a release that tasks here name."""
    write_state(folder.releases / f"{digest}.json", release, "release")


def _load_exchange(folder: ProjectFolder, now: int, say: Say) -> StoredExchange:
    stored = _read(folder.exchange, StoredExchange, say)
    if stored is not None:
        return stored
    if not folder.exchange.with_name("exchange.json.broken").exists():
        return StoredExchange()
    # The last number is lost. One that is certainly higher keeps the server from taking this
    # machine for a copy of itself: nobody makes a thousand requests a second.
    return StoredExchange(seq=now // MS)


def _load_device_key(folder: ProjectFolder, say: Say) -> tuple[SigningKey, bool]:
    try:
        if os.name != "nt" and folder.key.exists() and folder.key.stat().st_mode & 0o077:
            folder.key.chmod(0o600)
            say(f"{folder.key} was readable by other users of this machine; it is not any more")
        return load_key(folder.key), False
    except KeyFileError as error:
        if folder.key.exists():
            say(f"{error}; this machine takes a new device key and introduces itself again")
        return renew_device_key(folder), True


def _load_trust(folder: ProjectFolder, fingerprint: str, serial: int, say: Say) -> Trust | None:
    stored = _read(folder.trust, StoredTrust, say)
    if stored is None:
        return None
    try:
        return open_trust(fingerprint, stored.delegations, stored.timestamp, serial)
    except VerifyError as error:
        say(f"the stored signatures of the project are not believed and fetched anew: {error}")
        return None


def _load_releases(folder: ProjectFolder, needed: set[str], say: Say) -> dict[str, StoredRelease]:
    releases = {}
    for path in sorted(folder.releases.glob("*.json")):
        if path.stem not in needed:
            path.unlink(missing_ok=True)
            continue
        stored = _read(path, StoredRelease, say)
        if stored is not None:
            releases[path.stem] = stored
    return releases


def _read(path: Path, kind: type[T], say: Say) -> T | None:
    try:
        return read_state(path, kind)
    except DamagedError as error:
        say(f"{error}; it was set aside")
        path.replace(path.with_name(path.name + ".broken"))
        return None
