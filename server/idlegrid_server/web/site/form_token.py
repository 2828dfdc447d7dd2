"""Forms that only our own pages can send: a random cookie and its MAC in a hidden field."""

import hashlib
import hmac
import secrets

from flask import Request, Response

COOKIE = "idlegrid_form"
COOKIE_BYTES = 24
LIFE_S = 3600


class FormTokens:
    """Makes and checks pairs of cookie and field, under a secret of the server."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret[:64]

    def _mac(self, cookie: str) -> str:
        return hashlib.blake2b(
            cookie.encode("utf-8", "surrogatepass"),
            key=self._secret,
            digest_size=24,
            person=b"form",
        ).hexdigest()

    def new_cookie(self) -> str:
        """A cookie for one form."""
        return secrets.token_urlsafe(COOKIE_BYTES)

    def field(self, cookie: str) -> str:
        """What the form's hidden field holds."""
        return self._mac(cookie)

    def set_cookie(self, response: Response, cookie: str, path: str, *, secure: bool) -> None:
        """Give the browser the cookie; it sends it back from our own pages alone."""
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=LIFE_S,
            path=path,
            secure=secure,
            httponly=True,
            samesite="Strict",
        )

    def is_ours(self, asked: Request) -> bool:
        """Whether the form that was sent is one that we gave to this browser."""
        cookie = asked.cookies.get(COOKIE, "")
        if not cookie or asked.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return False
        given = asked.form.get("form_token", "").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self._mac(cookie).encode(), given)
