"""Joining a project: look first, ask, then make its folder. And leaving it."""

import msgspec

from idlegrid_shared.wire import PROTOCOL, ProjectInfo

from .durable import DamagedError
from .layout import DataFolder
from .store_state import Link, StoredTrust, create_project, delete_project, load_link
from .transfer.address import JoinLink
from .transfer.http import Server
from .verify import Trust, VerifyError, open_trust

PROJECT_PATH = "/rpc/v1/project"


class AttachError(ValueError):
    """Why a project cannot be joined or left, in one sentence."""


class Introduction(msgspec.Struct, frozen=True):
    """What a project says of itself, verified against the fingerprint it shows."""

    name: str
    url: str
    fingerprint: str
    trust: Trust


def meet(link: JoinLink) -> Introduction:
    """Ask the server at ``link`` who it is.

    Raises :class:`AttachError` for a project that is not the one the link names, or that cannot
    prove its name; ``UnreachableError``, ``BadAnswerError``, ``ServerProblem`` otherwise.
    """
    server = Server(link.url)
    try:
        info = server.get(PROJECT_PATH, ProjectInfo)
    finally:
        server.close()
    if info.protocol != PROTOCOL:
        raise AttachError(
            f"{link.url} speaks version {info.protocol} of the protocol, this client {PROTOCOL}: "
            "update the older of the two"
        )
    if link.fingerprint and info.fingerprint != link.fingerprint:
        raise AttachError(
            f"{link.url} has the fingerprint {info.fingerprint}, but your link names "
            f"{link.fingerprint}: this is not the project you were invited to"
        )
    try:
        trust = open_trust(info.fingerprint, info.delegations, info.timestamp)
    except VerifyError as error:
        raise AttachError(f"{link.url} cannot prove who it is: {error}") from error
    return Introduction(info.name[:200], link.url, info.fingerprint, trust)


def join(data: DataFolder, found: Introduction, invitation: str, now: int) -> bool:
    """Make the project's folder; False if it was attached before (its address is renewed then).

    Raises ``OSError``.
    """
    data.make()
    folder = data.project(found.fingerprint)
    try:
        known = load_link(folder)
    except DamagedError:
        known = None
    link = Link(found.name, found.url, found.fingerprint, now, invitation)
    trust = StoredTrust(found.trust.signed_delegations, found.trust.signed_timestamp)
    create_project(data, link, trust)
    return known is None


def attached_links(data: DataFolder) -> list[Link]:
    """All attached projects whose link can be read."""
    links = []
    for folder in data.attached():
        try:
            link = load_link(folder)
        except DamagedError:
            continue
        if link is not None:
            links.append(link)
    return links


def choose_project(data: DataFolder, wanted: str) -> Link:
    """The project meant by a name, an address or the beginning of a fingerprint; "" = the only one.

    Raises :class:`AttachError` when none or several match.
    """
    links = attached_links(data)
    if not links:
        raise AttachError(f"no project is attached in {data.root}")
    plain = wanted.strip().rstrip("/")
    found = [
        link
        for link in links
        if not plain or plain in (link.name, link.url) or link.fingerprint.startswith(plain.lower())
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{link.name} ({link.fingerprint[:8]})" for link in links)
    if not found:
        raise AttachError(f"no attached project is called {wanted!r}; there are: {names}")
    raise AttachError(f"say which project: {names}")


def discard(data: DataFolder, link: Link) -> None:
    """Forget a project at once, with unfinished tasks and undelivered results."""
    delete_project(data, link.fingerprint)
