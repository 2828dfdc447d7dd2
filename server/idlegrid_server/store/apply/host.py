"""Hosts: made known, steered."""

from idlegrid_server.domain.host import first_limit
from idlegrid_server.domain.trust import is_shut_out
from idlegrid_server.store import command as c
from idlegrid_server.store.apply.account import spend_token
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import account as account_sql
from idlegrid_server.store.sql import host as sql

SHUT_OUT = frozenset({"banned", "retired"})


def enrol(db: Connection, command: c.EnrolHost) -> c.EnrolResult:
    """Make a device known; a repeat finds it and, with a token, binds it to an account."""
    known = db.fetch_one(sql.HOST_BY_DEVICE_LOCKED, device=command.device)
    if known is not None and known.state in SHUT_OUT:
        reason = known.reason or f"this host is {known.state}"
        return c.EnrolResult("forbidden", known.id, known.name, reason=reason)
    account_id, house = None, False
    if command.token is not None:
        token = spend_token(db, command.token, command.now)
        repeat = known is not None and known.account_id is not None and token.status == "used"
        if token.status != "ok" and not repeat:
            return c.EnrolResult("bad_token", reason=f"the token is {token.status}")
        if token.status == "ok":
            house = c.HOUSE_SCOPE in token.scopes
            if not house and c.ENROL_SCOPE not in token.scopes:
                return c.EnrolResult("bad_token", reason="the token is not for enrolling hosts")
            account_id = token.account_id
    if known is None:
        return _insert(db, command, account_id, house)
    set_machine(db, known.id, command.machine)
    if account_id is not None and (account_id, int(house)) != (known.account_id, known.house):
        _set_owner(db, known, account_id, house, command.now, f"account:{account_id}")
    return c.EnrolResult("ok", known.id, command.machine.name, house=house or bool(known.house))


def _insert(
    db: Connection, command: c.EnrolHost, account_id: int | None, house: bool
) -> c.EnrolResult:
    machine = command.machine
    host_id = db.fetch_one(
        sql.HOST_INSERT,
        device=command.device,
        account_id=account_id,
        name=machine.name,
        house=int(house),
        subnet=command.subnet,
        machine=machine.json,
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        profiles=" ".join(machine.profiles),
        kind=machine.kind,
        features=" ".join(machine.features),
        tasks_max=first_limit(machine.cores, house),
        now=command.now,
    )
    if host_id is None:
        raise c.StoreUnavailable("another request introduced this device at the same moment")
    ledger = Ledger(db, command.now, f"host:{host_id}")
    ledger.step("host", host_id, None, "new", "enrolled")
    ledger.write()
    return c.EnrolResult("ok", host_id, machine.name, house=house, created=True)


def set_machine(db: Connection, host_id: int, machine: c.MachineFacts) -> None:
    """Keep what a host says of itself."""
    db.execute(
        sql.HOST_SET_MACHINE,
        host_id=host_id,
        name=machine.name,
        machine=machine.json,
        cores=machine.cores,
        memory_bytes=machine.memory_bytes,
        profiles=" ".join(machine.profiles),
        kind=machine.kind,
        features=" ".join(machine.features),
    )


def _known(db: Connection, host_id: int) -> sql.HostRow:
    host = db.fetch_one(sql.HOST_BY_ID_LOCKED, host_id=host_id)
    if host is None:
        raise c.StoreRefused("unknown_host", f"there is no host {host_id}")
    return host


def set_state(db: Connection, command: c.SetHostState) -> c.Done:
    """One step of a host's life cycle."""
    host = _known(db, command.host_id)
    if host.state == command.state:
        return c.Done(changed=False)
    ledger = Ledger(db, command.now, command.actor)
    ledger.step("host", host.id, host.state, command.state, command.reason)
    db.execute(
        sql.HOST_SET_STATE,
        host_id=host.id,
        state=command.state,
        reason=command.reason,
        shut_out_until=None,
    )
    if is_shut_out(command.state):
        # What it says alone has no vote any more.
        db.execute(sql.HOST_CAUGHT, host_id=host.id, shut_out=0)
    ledger.write()
    return c.Done()


def release(db: Connection, command: c.ReleaseHosts) -> c.ReleaseHostsResult:
    """Another chance for hosts whose time out is over."""
    hosts = db.fetch_all(sql.HOSTS_TO_RELEASE, now=command.now, limit=command.limit)
    ledger = Ledger(db, command.now, "sweep")
    for host_id, state in hosts:
        ledger.step("host", host_id, state, "probation", "released")
    db.execute_many(
        sql.HOST_SET_STATE, [("probation", "released", None, host_id) for host_id, _ in hosts]
    )
    ledger.write()
    return c.ReleaseHostsResult(tuple(host_id for host_id, _ in hosts))


def set_limit(db: Connection, command: c.SetHostLimit) -> c.Done:
    """How many tasks it may hold."""
    _known(db, command.host_id)
    changed = db.execute(sql.HOST_SET_LIMIT, host_id=command.host_id, tasks_max=command.tasks_max)
    return c.Done(bool(changed))


def set_house(db: Connection, command: c.SetHostHouse) -> c.Done:
    """Whether it is the project's own. One that is not any more has to be believed anew."""
    host = _known(db, command.host_id)
    if bool(host.house) == command.house:
        return c.Done(changed=False)
    db.execute(
        sql.HOST_SET_OWNER,
        host_id=host.id,
        account_id=host.account_id,
        house=int(command.house),
    )
    ledger = Ledger(db, command.now, command.actor)
    ledger.note("host", host.id, host.state, "house" if command.house else "no house")
    ledger.write()
    return c.Done()


def assign_account(db: Connection, command: c.AssignHostAccount) -> c.Done:
    """Whose it is. A host that changes hands is no house host any more."""
    host = _known(db, command.host_id)
    if host.account_id == command.account_id:
        return c.Done(changed=False)
    if command.account_id is not None and (
        db.fetch_one(account_sql.ACCOUNT_BY_ID, account_id=command.account_id) is None
    ):
        raise c.StoreRefused("unknown_account", f"there is no account {command.account_id}")
    _set_owner(db, host, command.account_id, False, command.now, command.actor)
    return c.Done()


def _set_owner(
    db: Connection,
    host: sql.HostRow,
    account_id: int | None,
    house: bool,
    now: int,
    actor: str,
) -> None:
    db.execute(sql.HOST_SET_OWNER, host_id=host.id, account_id=account_id, house=int(house))
    ledger = Ledger(db, now, actor)
    owner = "nobody" if account_id is None else f"account {account_id}"
    ledger.note("host", host.id, host.state, f"now belongs to {owner}")
    ledger.write()
