"""A batch for certain hosts: one's own, the project's, or a list of them; or for each of them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from idlegrid_server.domain.matching import SERVED
from idlegrid_server.domain.requirement import EVERYBODY, HOUSE, NAMED_HOSTS, own_audience
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.sql.account import ACCOUNT_BY_ID
from idlegrid_server.store.sql.host import HOSTS_FOR, HostOwnerRow
from idlegrid_server.web.public_id import PublicIds
from idlegrid_shared.documents import Policy

HOSTS_MAX = 10_000
SEEN_US = 7 * 86_400 * 1_000_000  # of a broadcast's hosts: they were here in that time


class AssignForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whose hosts a batch is for.

    ``own``: those of its scientist; ``house``: the project's; ``hosts``: those listed. ``each``:
    every one of them, as they are now, gets each unit once (a broadcast).
    """

    to: Literal["own", "house", "hosts"]
    hosts: Annotated[tuple[str, ...], Meta(max_length=HOSTS_MAX)] = ()
    each: bool = False


class Audience(msgspec.Struct, frozen=True):
    """Whom a stage is for, as it is stored."""

    name: str = EVERYBODY
    hosts: tuple[int, ...] = ()
    believed: bool = False

    def policy(self, usual: Policy) -> Policy:
        """Where one owner's hosts are named, nobody is there to compare with: once is enough."""
        if not self.believed:
            return usual
        return msgspec.structs.replace(usual, replication="fixed", quorum=1, replicas=1)


def check_assignment(
    db: Connection,
    account_id: int,
    form: AssignForm | None,
    ids: PublicIds,
    now: int,
    faults: list[str],
) -> Audience:
    """Whom the batch is for; what is wrong with it is added to ``faults``.

    The project's own hosts, and those of others, may be named by admins alone.
    """
    if form is None:
        return Audience()
    account = db.fetch_one(ACCOUNT_BY_ID, account_id=account_id)
    admin = account is not None and account.role == "admin"
    if form.hosts and form.to != "hosts":
        faults.append('assign: a list of hosts belongs to "hosts"')
    if form.to == "house" and not admin:
        faults.append("assign: only an admin may keep the project's own computers for a batch")
    named = _named(form, ids, faults)
    rows = db.fetch_all(
        HOSTS_FOR,
        host_ids=named,
        account_id=account_id if form.to == "own" else None,
        house=int(form.to == "house"),
        states=sorted(SERVED),
        limit=HOSTS_MAX + 1,
    )
    if form.to == "hosts":
        _check_named(form, ids, rows, account_id if not admin else None, faults)
    if form.each:
        rows = [row for row in rows if row.last_seen_at >= now - SEEN_US]
    if not rows:
        lately = " that was here in the last seven days" if form.each else ""
        faults.append(f"assign: there is no such computer{lately}")
    if len(rows) > HOSTS_MAX:
        faults.append(f"assign: more than {HOSTS_MAX} computers")
    names = {"own": own_audience(account_id), "house": HOUSE, "hosts": NAMED_HOSTS}
    if form.each:
        return Audience(NAMED_HOSTS, tuple(row.id for row in rows), believed=True)
    hosts = tuple(row.id for row in rows) if form.to == "hosts" else ()
    return Audience(names[form.to], hosts, believed=form.to != "house")


def _named(form: AssignForm, ids: PublicIds, faults: list[str]) -> list[int]:
    found = []
    for text in dict.fromkeys(form.hosts):
        try:
            found.append(ids.decode("host", text))
        except ValueError:
            faults.append(f"assign: {text[:40]!r} is no host's id")
    return found


def _check_named(
    form: AssignForm,
    ids: PublicIds,
    rows: list[HostOwnerRow],
    owner: int | None,
    faults: list[str],
) -> None:
    """Each host that was named is there and works; ``owner`` None: whoever it belongs to."""
    there = {ids.encode("host", row.id): row for row in rows}
    for text in dict.fromkeys(form.hosts):
        row = there.get(text)
        if row is None or (owner is not None and row.account_id != owner):
            faults.append(f"assign: you have no computer {text[:40]} that gets work")
