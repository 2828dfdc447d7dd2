"""/signin: the one link of a new account. Its owner chooses a password, once.

The link carries its code behind the #, which browsers keep to themselves: it stands in no log.
"""

from flask import Blueprint, Response, request

from idlegrid_server.store.command import SetPassword, UseToken
from idlegrid_server.store.sql.account import ACCOUNT_BY_ID, TOKEN_BY_HASH
from idlegrid_server.token import token_hash
from idlegrid_server.web.access import access, services
from idlegrid_server.web.api.session import PASSWORD_CHARS_MAX, hasher
from idlegrid_server.web.problem import Refusal
from idlegrid_server.web.services import Services

from .form_token import COOKIE, FormTokens
from .page import page

SCOPE = "signin"
PATH = "/signin"
PASSWORD_CHARS_MIN = 10
CODE_CHARS_MAX = 200


def _form(with_: Services) -> FormTokens:
    return FormTokens(with_.keys.tokens)


def _show(status: int = 200, fault: str = "") -> Response:
    with_ = services()
    forms = _form(with_)
    cookie = request.cookies.get(COOKIE) or forms.new_cookie()
    response = page(
        "signin.html",
        status,
        form_token=forms.field(cookie),
        fault=fault,
        length=PASSWORD_CHARS_MIN,
        length_max=PASSWORD_CHARS_MAX,
    )
    forms.set_cookie(response, cookie, PATH, secure=with_.address().startswith("https:"))
    return response


@access("public")
def ask() -> Response:
    """The form."""
    return _show()


def _fault(password: str, again: str) -> str:
    if password != again:
        return "The two passwords differ. Type the same one twice."
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        return (
            f"A password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters. "
            "Four or five words make a good one."
        )
    return ""


@access("public")
def set_password() -> Response:
    """Spend the code, keep the password's hash, say what comes next."""
    with_ = services()
    with_.session_rate.take(with_.peers.address(request.environ))
    if not _form(with_).is_ours(request):
        return _show(
            403, "The form was open for too long, or is not ours. Send it again from here."
        )
    password = request.form.get("password", "")
    fault = _fault(password, request.form.get("again", ""))
    if fault:
        return _show(422, fault)
    account_id = _spend(with_, request.form.get("code", "").strip()[:CODE_CHARS_MAX])
    if account_id is None:
        with_.incidents.record(
            "bad_token", with_.peers.subnet(request.environ), "a sign-in code is not good"
        )
        return _show(
            422,
            "This code was used already, or has ended. Ask an admin of the project for a new link.",
        )
    with_.store.execute(
        SetPassword(now=with_.clock(), account_id=account_id, password_hash=hasher().hash(password))
    )
    with with_.store.reading() as db:
        account = db.fetch_one(ACCOUNT_BY_ID, account_id=account_id)
    if account is None:
        raise Refusal(404, "not_found", "The account is gone.")
    return page("welcome.html", account=account, join_link=with_.join_link)


def _spend(with_: Services, code: str) -> int | None:
    """The account whose sign-in code this is; None if it is not good (and then it is not spent)."""
    digest = token_hash(code)
    with with_.store.reading() as db:
        row = db.fetch_one(TOKEN_BY_HASH, hash=digest)
    if row is None or SCOPE not in row.scopes.split():
        return None
    used = with_.store.execute(UseToken(now=with_.clock(), hash=digest))
    return used.account_id if used.status == "ok" else None


def register(blueprint: Blueprint) -> None:
    """Add the routes."""
    blueprint.get(PATH)(ask)
    blueprint.post(PATH)(set_password)
