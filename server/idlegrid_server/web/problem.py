"""Errors as RFC 9457 problem details: one exception, one way to the wire."""

import msgspec
from flask import Response

from idlegrid_shared.wire import Problem

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:idlegrid:problem:"
TITLES = {
    400: "The request cannot be read",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Contradicts what is stored",
    413: "Too large",
    415: "Not understood",
    416: "No such range",
    422: "Not acceptable as it is",
    426: "Another version is needed",
    429: "Too many requests",
    500: "A fault in the server",
    503: "Not possible just now",
}
_encode = msgspec.json.Encoder().encode


class Refusal(Exception):  # noqa: N818 - the word for what the server does
    """The server will not do what was asked. ``code`` is for programs, ``detail`` for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[str, ...] = (),
        retry_after_s: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)


def not_found(what: str) -> Refusal:
    """404: ``what`` does not exist, or the asker may not know of it."""
    return Refusal(404, "not_found", f"There is no such {what} here.")


def malformed(detail: str) -> Refusal:
    """400: the request cannot be read."""
    return Refusal(400, "malformed", detail)


def problem_response(refusal: Refusal) -> Response:
    """The refusal as it travels."""
    body = _encode(
        Problem(
            type=TYPE + refusal.code,
            title=TITLES.get(refusal.status, "Refused"),
            status=refusal.status,
            detail=refusal.detail,
            code=refusal.code,
            errors=refusal.errors,
        )
    )
    response = Response(body, refusal.status, content_type=MEDIA_TYPE)
    for name, value in refusal.headers.items():
        response.headers[name] = value
    response.headers["Cache-Control"] = "no-store"
    return response
