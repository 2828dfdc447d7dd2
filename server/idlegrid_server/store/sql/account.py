"""Accounts, tokens, settings, incidents."""

from typing import NamedTuple

from idlegrid_server.store.query import Query


class AccountRow(NamedTuple):
    """A person."""

    id: int
    email: str
    name: str
    password_hash: str | None
    role: str
    disabled: int
    credit_micro: int
    recent_micro: int
    recent_at: int
    created_at: int


class TokenRow(NamedTuple):
    """A token, by its hash."""

    id: int
    account_id: int
    label: str
    scopes: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    single_use: int
    disabled: int
    role: str


class IncidentRow(NamedTuple):
    """Something that went wrong, and how often."""

    id: int
    code: str
    source: str
    text: str
    times: int
    first_at: int
    last_at: int


_ACCOUNT = "SELECT " + ", ".join(AccountRow._fields)
_JOINED = """
    SELECT t.id, t.account_id, t.label, t.scopes, t.created_at, t.expires_at, t.revoked_at,
           t.single_use, a.disabled, a.role
    FROM token t JOIN account a ON a.id = t.account_id
"""

ACCOUNT_BY_EMAIL = Query(
    "account_by_email",
    "sign a person in; see whether an address is taken",
    _ACCOUNT + " FROM account WHERE email = :email",
    AccountRow._make,
)
ACCOUNT_BY_ID = Query(
    "account_by_id",
    "who somebody is",
    _ACCOUNT + " FROM account WHERE id = :account_id",
    AccountRow._make,
)
ACCOUNT_FIRST_ADMIN = Query(
    "account_first_admin",
    "whose the project's runtimes are",
    _ACCOUNT + " FROM account WHERE role = 'admin' AND disabled = 0 ORDER BY id LIMIT 1",
    AccountRow._make,
)
ACCOUNT_INSERT = Query(
    "account_insert",
    "make an account",
    """
    INSERT INTO account (email, name, password_hash, role, created_at)
    VALUES (:email, :name, :password_hash, :role, :now)
    ON CONFLICT (email) DO NOTHING RETURNING id
    """,
    lambda row: int(row[0]),
)
ACCOUNT_SET_PASSWORD = Query(
    "account_set_password",
    "replace a password",
    "UPDATE account SET password_hash = :password_hash WHERE id = :account_id",
)
ACCOUNT_SET_DISABLED = Query(
    "account_set_disabled",
    "shut an account out or let it in",
    "UPDATE account SET disabled = :disabled WHERE id = :account_id AND disabled <> :disabled",
)

TOKEN_BY_HASH = Query(
    "token_by_hash",
    "whose token this is and what it allows",
    _JOINED + " WHERE t.hash = :hash",
    TokenRow._make,
)
TOKEN_BY_HASH_LOCKED = Query(
    "token_by_hash_locked",
    "spend a token: nobody else may spend it meanwhile",
    _JOINED + " WHERE t.hash = :hash {lock}",
    TokenRow._make,
)
TOKENS_OF_ACCOUNT = Query(
    "tokens_of_account",
    "show a person their tokens",
    _JOINED + " WHERE t.account_id = :account_id ORDER BY t.id DESC LIMIT :limit",
    TokenRow._make,
)
TOKEN_INSERT = Query(
    "token_insert",
    "make a token; the same one twice is one",
    """
    INSERT INTO token (account_id, hash, label, scopes, created_at, expires_at, single_use)
    VALUES (:account_id, :hash, :label, :scopes, :now, :expires_at, :single_use)
    ON CONFLICT (hash) DO UPDATE SET label = excluded.label RETURNING id
    """,
)
TOKEN_REVOKE = Query(
    "token_revoke",
    "end a token",
    """
    UPDATE token SET revoked_at = :now
    WHERE id = :token_id AND account_id = :account_id AND revoked_at IS NULL
    """,
)

SETTING = Query(
    "setting",
    "one project-wide value",
    "SELECT value FROM setting WHERE name = :name",
    lambda row: str(row[0]),
)
SETTING_SET = Query(
    "setting_set",
    "store a project-wide value",
    """
    INSERT INTO setting (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE setting.value <> excluded.value
    """,
)

INCIDENT_RECORD = Query(
    "incident_record",
    "tell the admin of something, or that it happened again",
    """
    INSERT INTO incident (code, source, text, first_at, last_at)
    VALUES (:code, :source, :text, :now, :now)
    ON CONFLICT (code, source) DO UPDATE
    SET count = incident.count + 1, text = excluded.text, last_at = excluded.last_at
    """,
)
INCIDENTS_NEWEST = Query(
    "incidents_newest",
    "what went wrong lately",
    """
    SELECT id, code, source, text, count, first_at, last_at
    FROM incident ORDER BY last_at DESC, id DESC LIMIT :limit
    """,
    IncidentRow._make,
)
