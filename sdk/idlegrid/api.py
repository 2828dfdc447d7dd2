"""Talking to a project's REST interface: one object, all manners of failure turned into words.

A request that got no answer, or a "try again" (429, 502, 503, 504), is sent again for a while; each
POST carries an Idempotency-Key, so that the server recognises a repeat.
"""

import ipaddress
import random
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.auth import AuthBase

from idlegrid_shared.wire import Problem

from .fault import InputError, ServerError

T = TypeVar("T")

PREFIX = "/api/v1/"
CONNECT_S = 10.0
READ_S = 60.0
#: How long a server that was met may be away (it restarts, say), and one that was never met.
PATIENCE_S = 60.0
PATIENCE_FIRST_S = 10.0
PAUSE_FIRST_S = 0.25
PAUSE_MAX_S = 8.0
REPLY_BYTES_MAX = 64 * 1024**2
PIECE_BYTES = 256 * 1024
AGAIN = frozenset((429, 502, 503, 504))


class ApiError(ServerError):
    """The server refused, or could not be reached; ``status`` is 0 when there was no answer."""

    def __init__(self, text: str, *, status: int = 0, code: str = "", detail: str = "") -> None:
        super().__init__(text, detail=detail)
        self.status = status
        self.code = code


class _Bearer(AuthBase):
    """The token of this project; unlike a plain header it is not replaced by one of .netrc."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def check_url(url: str) -> str:
    """The project's address without its last slash; raises :class:`InputError`.

    Beyond this machine only https is taken, as every request carries the token.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is no project's address; it looks like https://project.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InputError(
            f"{url} would send your token in plain text; beyond this machine use https"
        )
    if parts.query or parts.fragment:
        raise InputError(f"{url!r} has a part behind ? or #; give the project's address alone")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Api:
    """A connection to one project. Not to be shared between threads."""

    def __init__(self, url: str, token: str | None, *, patience_s: float | None = None) -> None:
        self.url = check_url(url)
        self.token = token
        self.patience_s = PATIENCE_S if patience_s is None else patience_s
        self._met = False
        self.session = requests.Session()
        # No proxy stands between this machine and itself.
        self.session.trust_env = not is_loopback(urlsplit(self.url).hostname or "")
        self.session.headers["Accept"] = "application/json, application/problem+json"

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def get(self, path: str, kind: type[T], params: Mapping[str, str | int] | None = None) -> T:
        """GET ``path`` and decode the reply as ``kind``; raises :class:`ApiError`."""
        return self._decode(self.send("GET", path, params=params), kind)

    def post(self, path: str, body: object, kind: type[T], *, key: str | None = None) -> T:
        """POST ``body`` as JSON under an Idempotency-Key; raises :class:`ApiError`."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key or secrets.token_hex(16),
        }
        reply = self.send("POST", path, data=msgspec.json.encode(body), headers=headers)
        return self._decode(reply, kind)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: frozenset[int] = AGAIN,
    ) -> bytes:
        """One request with repeats, and the body of its reply; raises :class:`ApiError`."""
        patience_s = self.patience_s if self._met else min(self.patience_s, PATIENCE_FIRST_S)
        until_s = time.monotonic() + patience_s
        for pause_s in pauses():
            try:
                with self.open(method, path, params=params, data=data, headers=headers) as reply:
                    return self._read(reply)
            except ApiError as error:
                if error.status != 0 and error.status not in again:
                    raise
                if time.monotonic() + pause_s > until_s:
                    raise
            time.sleep(pause_s)
        raise AssertionError("pauses() never ends")

    def open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """One request without repeats; the reply is open and good. Raises :class:`ApiError`."""
        try:
            reply = self.session.request(
                method,
                self.url + PREFIX + path,
                params=params,
                data=data,
                headers=headers,
                auth=_Bearer(self.token) if self.token else None,
                timeout=(CONNECT_S, READ_S),
                stream=True,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ApiError(f"cannot reach {self.url}: {_reason(error)}") from error
        if not 200 <= reply.status_code < 300:
            with reply:
                raise self._refusal(reply)
        self._met = True
        return reply

    def _read(self, reply: requests.Response) -> bytes:
        return b"".join(self.pieces(reply, REPLY_BYTES_MAX))

    def pieces(self, reply: requests.Response, bytes_max: int) -> Iterator[bytes]:
        """The body of an open reply, at most ``bytes_max``; raises :class:`ApiError`."""
        size = 0
        try:
            for piece in reply.iter_content(PIECE_BYTES):
                size += len(piece)
                if size > bytes_max:
                    raise ApiError(
                        f"{self.url} sends more than the {bytes_max} bytes that were expected",
                        status=reply.status_code,
                    )
                yield piece
        except requests.RequestException as error:
            raise ApiError(f"the connection to {self.url} broke: {_reason(error)}") from error

    def _refusal(self, reply: requests.Response) -> ApiError:
        try:
            problem = msgspec.json.decode(self._read(reply), type=Problem)
        except (ApiError, msgspec.DecodeError, UnicodeDecodeError):
            problem = Problem(type="", title=reply.reason or "", status=reply.status_code)
        text = (problem.detail or problem.title or f"status {reply.status_code}").rstrip(".")
        if reply.status_code == 401:
            text = f"{text}; sign in with `idlegrid login {self.url} --token TOKEN`"
        elif 300 <= reply.status_code < 400:
            text = "it sends us elsewhere; give the address that the project is served at"
        return ApiError(
            f"{self.url} refused: {text}",
            status=reply.status_code,
            code=problem.code,
            detail="\n".join(problem.errors),
        )

    def _decode(self, data: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data or b"null", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ApiError(
                f"{self.url} answers what is not understood here ({error}); "
                "is it an Idlegrid project of the same version?"
            ) from error


def pauses() -> Iterator[float]:
    """Seconds between attempts, for ever: doubling to a cap, spread so that crowds disperse."""
    pause_s = PAUSE_FIRST_S
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
        pause_s = min(PAUSE_MAX_S, pause_s * 2)


def _reason(error: requests.RequestException) -> str:
    """The cause in a few words, out of the wrappings that requests puts around it."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    cause: Any = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror).lower()
        inner = getattr(cause, "reason", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return "the connection failed"
