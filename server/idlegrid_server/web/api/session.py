"""POST /session: a person signs in. Tokens: made, listed, revoked."""

import functools
from typing import Annotated

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from flask import Response, request
from msgspec import Meta

from idlegrid_server.store.command import (
    ENROL_SCOPE,
    HOUSE_SCOPE,
    CreateToken,
    RevokeToken,
)
from idlegrid_server.store.sql.account import ACCOUNT_BY_EMAIL, TOKENS_OF_ACCOUNT, AccountRow
from idlegrid_server.token import SCOPES, new_token, token_hash
from idlegrid_server.web.access import ADMIN_ROLES, Account, services
from idlegrid_server.web.body import json_body
from idlegrid_server.web.problem import Refusal
from idlegrid_server.web.services import Services

from .page import decode_id, moment
from .reply import DoneReply, SessionReply, TokenEntry, TokenList, TokenReply
from .route import Routes, reply

US = 1_000_000
SESSION_LIFE_US = 30 * 86_400 * US
TOKEN_LIFE_S_MAX = 10 * 366 * 86_400
TOKENS_SHOWN = 200
PASSWORD_CHARS_MAX = 200
#: What a person who signs in may do, by role.
ROLE_SCOPES: dict[str, tuple[str, ...]] = {
    "volunteer": ("batch:read",),
    "scientist": ("batch:read", "batch:write", "app:write", "file:write"),
    "moderator": ("batch:read", "host:read"),
    "operator": ("batch:read", "batch:write", "app:write", "file:write", "host:read"),
    "admin": SCOPES,
}
routes = Routes("session")


class SessionOpen(msgspec.Struct, forbid_unknown_fields=True):
    """Who signs in."""

    email: Annotated[str, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=PASSWORD_CHARS_MAX)]


class TokenOpen(msgspec.Struct, forbid_unknown_fields=True):
    """A token that is wanted: at most what the asking token may do itself."""

    label: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=20)]
    life_s: Annotated[int, Meta(ge=60, le=TOKEN_LIFE_S_MAX)] | None = None
    single_use: bool = False


_session_decoder = msgspec.json.Decoder(SessionOpen)
_token_decoder = msgspec.json.Decoder(TokenOpen)


@functools.cache
def hasher() -> PasswordHasher:
    """argon2id with the library's costs."""
    return PasswordHasher()


@functools.cache
def nobodys_hash() -> str:
    """The hash that a guess for an unknown address is compared with, to take the same time."""
    return hasher().hash("nobody's password")


def check_password(account: AccountRow | None, password: str) -> bool:
    """Whether it is the account's password. Takes the same time whether there is one or not."""
    stored = account.password_hash if account is not None else None
    try:
        good = hasher().verify(stored or nobodys_hash(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return good and stored is not None and account is not None and not account.disabled


def open_session(with_: Services, account: AccountRow, label: str) -> SessionReply:
    """A fresh token for a person who proved who they are."""
    token, now = new_token(), with_.clock()
    scopes = ROLE_SCOPES[account.role]
    made = with_.store.execute(
        CreateToken(
            now=now,
            account_id=account.id,
            hash=token_hash(token),
            label=label,
            scopes=scopes,
            expires_at=now + SESSION_LIFE_US,
        )
    )
    return SessionReply(
        token=token,
        id=with_.ids.encode("token", made.token_id),
        expires_at=moment(now + SESSION_LIFE_US) or "",
        scopes=scopes,
        account=with_.ids.encode("account", account.id),
        name=account.name,
        role=account.role,
    )


@routes.add(
    "POST",
    "/session",
    access="public",
    summary="Sign in with e-mail address and password",
    body=SessionOpen,
    reply=SessionReply,
    status=201,
    problems=(401, 429),
)
def sign_in() -> Response:
    """A token that ends by itself."""
    with_ = services()
    address = with_.peers.address(request.environ)
    with_.session_rate.take(address)
    asked = json_body(with_, request, _session_decoder)
    with with_.store.reading() as db:
        account = db.fetch_one(ACCOUNT_BY_EMAIL, email=asked.email.strip().lower())
    if not check_password(account, asked.password) or account is None:
        with_.incidents.record("bad_password", with_.peers.subnet(request.environ), "sign-in fails")
        raise Refusal(401, "bad_credentials", "E-mail address or password is wrong.")
    return reply(open_session(with_, account, "session"), 201)


@routes.add(
    "POST",
    "/tokens",
    access="token:any",
    summary="Make a token, for a program or for hosts that join",
    body=TokenOpen,
    reply=TokenReply,
    status=201,
    problems=(403, 422),
)
def make_token(account: Account) -> Response:
    """Its text is in this reply and nowhere else."""
    with_ = services()
    asked = json_body(with_, request, _token_decoder)
    allowed = {*account.scopes, ENROL_SCOPE}
    if account.role in ADMIN_ROLES and "admin" in account.scopes:
        allowed.add(HOUSE_SCOPE)
    unknown = sorted(set(asked.scopes) - {*SCOPES, ENROL_SCOPE, HOUSE_SCOPE})
    if unknown:
        raise Refusal(422, "unknown_scope", f"There is no scope {unknown[0][:40]!r}.")
    beyond = sorted(set(asked.scopes) - allowed)
    if beyond:
        raise Refusal(
            403, "forbidden", f"A token cannot give what it lacks itself: {', '.join(beyond)}."
        )
    token, now = new_token(), with_.clock()
    expires_at = None if asked.life_s is None else now + asked.life_s * US
    made = with_.store.execute(
        CreateToken(
            now=now,
            account_id=account.id,
            hash=token_hash(token),
            label=asked.label,
            scopes=tuple(dict.fromkeys(asked.scopes)),
            expires_at=expires_at,
            single_use=asked.single_use,
        )
    )
    return reply(
        TokenReply(
            token=token,
            id=with_.ids.encode("token", made.token_id),
            scopes=tuple(dict.fromkeys(asked.scopes)),
            expires_at=moment(expires_at),
        ),
        201,
    )


@routes.add("GET", "/tokens", access="token:any", summary="One's own tokens", reply=TokenList)
def list_tokens(account: Account) -> Response:
    """What each allows and until when; never the token itself."""
    with_ = services()
    with with_.store.reading() as db:
        rows = db.fetch_all(TOKENS_OF_ACCOUNT, account_id=account.id, limit=TOKENS_SHOWN)
    return reply(
        TokenList(
            tuple(
                TokenEntry(
                    id=with_.ids.encode("token", row.id),
                    label=row.label,
                    scopes=tuple(row.scopes.split()),
                    created_at=moment(row.created_at) or "",
                    expires_at=moment(row.expires_at),
                    revoked_at=moment(row.revoked_at),
                )
                for row in rows
            )
        )
    )


@routes.add(
    "DELETE",
    "/tokens/<token>",
    access="token:any",
    summary="Revoke one of one's tokens",
    reply=DoneReply,
    problems=(404,),
)
def revoke_token(account: Account, token: str) -> Response:
    """It ends now."""
    with_ = services()
    done = with_.store.execute(
        RevokeToken(
            now=with_.clock(), account_id=account.id, token_id=decode_id("token", token, "token")
        )
    )
    return reply(DoneReply(done.changed))
