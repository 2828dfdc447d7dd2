"""Who may use a route: declared on the view, enforced there, and checked by a test on every route.

``public``: anyone. ``device``: a request signed by a device key; the view gets a :class:`Device`.
``token:SCOPE``: an API token with that scope; ``token:any``: any token. ``admin``: a token with the
scope ``admin``, of an account that is an admin. These views get an :class:`Account`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from flask import Request, current_app, request

from idlegrid_server.store.apply.account import judge_token
from idlegrid_server.store.sql.account import TOKEN_BY_HASH
from idlegrid_server.token import SCOPES, token_hash
from idlegrid_shared.signing import (
    SignatureError,
    decode_key,
    decode_token,
    verify_bytes,
)
from idlegrid_shared.wire import BODY_BYTES_MAX, DEVICE_HEADER, REQUEST_HEADER, SIGNATURE_HEADER

from .problem import Refusal
from .services import Services

REQUEST_ID_MIN, REQUEST_ID_MAX = 8, 64
TOKEN_CHARS_MAX = 200
#: View → what its declaration says.
ATTRIBUTE = "declared_access"
ADMIN_ROLES = frozenset(("admin",))

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Device:
    """A device key that signed the request whose ``body`` (as sent) this is."""

    key: bytes
    key_hex: str
    request_id: str
    body: bytes
    body_hash: bytes
    subnet: str


@dataclass(frozen=True)
class Account:
    """Whose token the request carries, and what that token allows."""

    id: int
    role: str
    scopes: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether an admin asks, with a token that allows an admin's deeds."""
        return self.role in ADMIN_ROLES and "admin" in self.scopes


def services() -> Services:
    """The services of the application that handles this request."""
    return current_app.extensions["idlegrid"]  # type: ignore[no-any-return]


def access(rule: str) -> Callable[[View], View]:
    """Declare who may use a view, and hold it to that. Raises ``ValueError`` for no known rule."""
    kind, _, scope = rule.partition(":")
    if rule == "admin":
        kind, scope = "token", "admin"
    if kind == "token" and scope not in (*SCOPES, "any"):
        raise ValueError(f"there is no scope {scope!r}")
    if kind not in ("public", "device", "token"):
        raise ValueError(f"{rule!r} does not say who may use a route")

    def declare(view: View) -> View:
        if kind == "public":
            setattr(view, ATTRIBUTE, rule)
            return view

        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if kind == "device":
                return view(verified_device(services(), request), *args, **kwargs)
            return view(authenticated(services(), request, scope), *args, **kwargs)

        setattr(guarded, ATTRIBUTE, rule)
        return guarded  # type: ignore[return-value]

    return declare


def verified_device(with_: Services, asked: Request) -> Device:
    """The device that signed a request; raises a 401 or 413 :class:`Refusal`."""
    environ = asked.environ
    body = read_body(with_, asked)
    device = environ.get(_environ_name(DEVICE_HEADER), "")
    request_id = environ.get(_environ_name(REQUEST_HEADER), "")
    signature = environ.get(_environ_name(SIGNATURE_HEADER), "")
    try:
        if not REQUEST_ID_MIN <= len(request_id) <= REQUEST_ID_MAX:
            raise SignatureError(
                f"the header {REQUEST_HEADER} must hold a request id of {REQUEST_ID_MIN} to "
                f"{REQUEST_ID_MAX} characters"
            )
        key = decode_key(device)
        body_hash = sha256(body)
        path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
        if query := environ.get("QUERY_STRING"):
            path = f"{path}?{query}"
        # The same bytes as signing.request_body_to_sign, whose hash is needed here again.
        message = f"{environ['REQUEST_METHOD']}\n{path}\n{body_hash.hexdigest()}\n{request_id}"
        verify_bytes("request", message.encode(), decode_token(signature), device)
    except (SignatureError, UnicodeEncodeError) as error:
        subnet = with_.peers.subnet(environ)
        with_.incidents.record("bad_signature", subnet, str(error))
        raise Refusal(401, "bad_signature", f"The request's signature fails: {error}.") from error
    return Device(key, device, request_id, body, body_hash.digest(), with_.peers.subnet(environ))


def _environ_name(header: str) -> str:
    return _ENVIRON[header]


_ENVIRON = {
    header: "HTTP_" + header.upper().replace("-", "_")
    for header in (DEVICE_HEADER, REQUEST_HEADER, SIGNATURE_HEADER)
}


def body_bytes_max(with_: Services) -> int:
    """The most bytes that a request's body may have."""
    return min(BODY_BYTES_MAX, with_.config.limits.body_bytes)


def read_body(with_: Services, asked: Request) -> bytes:
    """The body as sent; raises a 413 :class:`Refusal` if it is too large."""
    limit = body_bytes_max(with_)
    length = asked.content_length
    if length is not None and length > limit:
        raise too_large(with_, asked, limit)
    return asked.get_data(cache=False)  # werkzeug stops reading at MAX_CONTENT_LENGTH


def too_large(with_: Services, asked: Request, limit: int) -> Refusal:
    """413, with a note for the admin."""
    text = f"A body may have at most {limit} bytes here."
    with_.incidents.record("too_large", with_.peers.subnet(asked.environ), text)
    return Refusal(413, "too_large", text)


def authenticated(with_: Services, asked: Request, scope: str) -> Account:
    """The account behind the request's token; raises a 401 or 403 :class:`Refusal`."""
    word, _, token = asked.headers.get("Authorization", "").partition(" ")
    if word.lower() != "bearer" or not token or len(token) > TOKEN_CHARS_MAX:
        raise _unauthorized("This needs an API token: send it as `Authorization: Bearer igt_…`.")
    # Looked up by the SHA-256 of a random token: what timing tells of the hash leads nowhere.
    with with_.store.reading() as db:
        row = db.fetch_one(TOKEN_BY_HASH, hash=token_hash(token.strip()))
    verdict = judge_token(row, with_.clock())
    if row is None or verdict.status != "ok" or row.single_use:
        with_.incidents.record(
            "bad_token", with_.peers.subnet(asked.environ), f"an API token is {verdict.status}"
        )
        raise _unauthorized(
            "The API token is not good: it is unknown, expired or revoked. Make a new one."
        )
    account = Account(row.account_id, row.role, frozenset(verdict.scopes))
    if scope == "admin" and account.role not in ADMIN_ROLES:
        raise Refusal(403, "forbidden", "Only an admin of the project may do this.")
    if scope != "any" and scope not in account.scopes:
        raise Refusal(403, "forbidden", f"This API token lacks the scope {scope!r}.")
    return account


def _unauthorized(detail: str) -> Refusal:
    return Refusal(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
