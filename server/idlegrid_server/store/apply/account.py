"""Accounts, tokens, settings, incidents."""

from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection
from idlegrid_server.store.ledger import Ledger
from idlegrid_server.store.sql import account as sql

TEXT_MAX = 2_000  # characters of an incident


def create(db: Connection, command: c.CreateAccount) -> c.CreateAccountResult:
    """A new person, unless the address is taken."""
    email = command.email.strip().lower()
    account_id = db.fetch_one(
        sql.ACCOUNT_INSERT,
        email=email,
        name=command.name,
        password_hash=command.password_hash,
        role=command.role,
        now=command.now,
    )
    if account_id is None:
        known = db.fetch_one(sql.ACCOUNT_BY_EMAIL, email=email)
        return c.CreateAccountResult("exists", known.id if known else 0)
    ledger = Ledger(db, command.now, command.actor)
    ledger.note("account", account_id, command.role, "created")
    ledger.write()
    return c.CreateAccountResult("created", account_id)


def _known(db: Connection, account_id: int) -> sql.AccountRow:
    row = db.fetch_one(sql.ACCOUNT_BY_ID, account_id=account_id)
    if row is None:
        raise c.StoreRefused("unknown_account", f"there is no account {account_id}")
    return row


def set_password(db: Connection, command: c.SetPassword) -> c.Done:
    """A new password hash."""
    account = _known(db, command.account_id)
    db.execute(
        sql.ACCOUNT_SET_PASSWORD,
        account_id=command.account_id,
        password_hash=command.password_hash,
    )
    ledger = Ledger(db, command.now, f"account:{command.account_id}")
    ledger.note("account", command.account_id, account.role, "password changed")
    ledger.write()
    return c.Done()


def set_disabled(db: Connection, command: c.SetAccountDisabled) -> c.Done:
    """Shut out or let in."""
    account = _known(db, command.account_id)
    changed = db.execute(
        sql.ACCOUNT_SET_DISABLED, account_id=command.account_id, disabled=int(command.disabled)
    )
    if changed:
        ledger = Ledger(db, command.now, command.actor)
        reason = "disabled" if command.disabled else "enabled"
        ledger.note("account", command.account_id, account.role, reason)
        ledger.write()
    return c.Done(bool(changed))


def create_token(db: Connection, command: c.CreateToken) -> c.CreateTokenResult:
    """A token by its hash."""
    _known(db, command.account_id)
    token_id = db.insert(
        sql.TOKEN_INSERT,
        account_id=command.account_id,
        hash=command.hash,
        label=command.label,
        scopes=" ".join(command.scopes),
        expires_at=command.expires_at,
        single_use=int(command.single_use),
        now=command.now,
    )
    return c.CreateTokenResult(token_id)


def revoke_token(db: Connection, command: c.RevokeToken) -> c.Done:
    """End a token of this account."""
    changed = db.execute(
        sql.TOKEN_REVOKE,
        token_id=command.token_id,
        account_id=command.account_id,
        now=command.now,
    )
    return c.Done(bool(changed))


def judge_token(row: sql.TokenRow | None, now: int) -> c.UseTokenResult:
    """Whether a token is good at ``now``, and for what."""
    if row is None:
        return c.UseTokenResult("unknown")
    if row.revoked_at is not None:
        return c.UseTokenResult("used" if row.single_use else "revoked")
    if row.expires_at is not None and row.expires_at <= now:
        return c.UseTokenResult("expired")
    if row.disabled:
        return c.UseTokenResult("disabled")
    return c.UseTokenResult("ok", row.account_id, tuple(row.scopes.split()))


def spend_token(db: Connection, token_hash: bytes, now: int) -> c.UseTokenResult:
    """Judge a token and, if it is for a single use, end it."""
    row = db.fetch_one(sql.TOKEN_BY_HASH_LOCKED, hash=token_hash)
    result = judge_token(row, now)
    if result.status == "ok" and row is not None and row.single_use:
        db.execute(sql.TOKEN_REVOKE, token_id=row.id, account_id=row.account_id, now=now)
    return result


def use_token(db: Connection, command: c.UseToken) -> c.UseTokenResult:
    """Spend a token."""
    return spend_token(db, command.hash, command.now)


def set_setting(db: Connection, command: c.SetSetting) -> c.Done:
    """A project-wide value."""
    changed = db.execute(sql.SETTING_SET, name=command.name, value=command.value)
    return c.Done(bool(changed))


def record_incident(db: Connection, command: c.RecordIncident) -> c.Done:
    """Tell the admin."""
    db.execute(
        sql.INCIDENT_RECORD,
        code=command.code,
        source=command.source[:200],
        text=command.text[:TEXT_MAX],
        now=command.now,
    )
    return c.Done()
