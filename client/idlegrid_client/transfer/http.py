"""One project's server over HTTP: signed requests in, decoded answers or plain errors out."""

import gzip
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from nacl.signing import SigningKey

from idlegrid_client.version import client_version
from idlegrid_shared.signing import encode_token, public_hex, request_body_to_sign, sign_bytes
from idlegrid_shared.wire import DEVICE_HEADER, REQUEST_HEADER, SIGNATURE_HEADER, Problem

from .address import check_server_url, is_loopback

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
REPLY_BYTES_MAX = 32 * 1024 * 1024
PROBLEM_CHARS_MAX = 400
GZIP_FROM_BYTES = 2_000
RETRY_AFTER_S_MAX = 86_400.0
PIECE_BYTES = 64 * 1024


class UnreachableError(OSError):
    """No answer came: the server is down, or the way to it is."""


class BadAnswerError(ValueError):
    """An answer that makes no sense: not an Idlegrid server, or one that speaks another dialect."""


class ServerProblem(RuntimeError):  # noqa: N818 - it is the server's word, not a fault of ours
    """The server answered with an error (RFC 9457, or a bare status)."""

    def __init__(self, status: int, code: str, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class Server:
    """A project's server as one thread sees it. Not for use by several threads at once."""

    def __init__(self, url: str, key: SigningKey | None = None) -> None:
        """``key`` signs every request; without it only public ones can be made.

        Raises ``AddressError`` for plain http to another machine.
        """
        host = check_server_url(url)
        self.url = url.rstrip("/")
        self._base_path = urlsplit(url).path.rstrip("/")
        self._key = key
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"idlegrid-client/{client_version()}"
        if is_loopback(host):
            self._session.trust_env = False  # no proxy stands between us and ourselves
            self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def get(self, path: str, kind: type[T]) -> T:
        """GET a message; raises the three errors of this module."""
        return self._decoded(*self._exchange("GET", path, b"", {}, ""), kind)

    def post(
        self, path: str, body: bytes, kind: type[T], *, request_id: str = "", encoding: str = ""
    ) -> T:
        """POST bytes that are JSON (as compressed by :func:`compress`); raises as :meth:`get`."""
        headers = {"Content-Type": "application/json"}
        if encoding:
            headers["Content-Encoding"] = encoding
        return self._decoded(*self._exchange("POST", path, body, headers, request_id), kind)

    def patch(self, path: str, body: bytes, offset: int, kind: type[T]) -> T:
        """Append ``body`` to an upload at ``offset``; raises as :meth:`get`."""
        headers = {"Content-Type": "application/octet-stream", "Upload-Offset": str(offset)}
        return self._decoded(*self._exchange("PATCH", path, body, headers, ""), kind)

    @contextmanager
    def stream(self, path: str, offset: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """GET a file from ``offset`` on: the offset that the server really began at, and pieces.

        Raises as :meth:`get`; reading on may raise :class:`UnreachableError`.
        """
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with self._open("GET", path, b"", headers, "") as response:
            if response.status_code == 416:
                raise ServerProblem(416, "range", f"{self.url} has no more than {offset} bytes")
            self._raise_for_problem(response, None)
            yield _start_of(response, offset), _pieces(response, self.url)

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str], request_id: str
    ) -> tuple[requests.Response, bytes]:
        with self._open(method, path, body, headers, request_id) as response:
            data = bytearray()
            for piece in _pieces(response, self.url):
                data += piece
                if len(data) > REPLY_BYTES_MAX:
                    raise BadAnswerError(f"{self.url} answered with more than it may")
            self._raise_for_problem(response, bytes(data))
            return response, bytes(data)

    @contextmanager
    def _open(
        self, method: str, path: str, body: bytes, headers: dict[str, str], request_id: str
    ) -> Iterator[requests.Response]:
        headers = {**headers, **self._signature(method, path, body, request_id)}
        try:
            response = self._session.request(
                method,
                self.url + path,
                data=body or None,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                stream=True,
                allow_redirects=False,  # a signature is for one address; nobody sends us elsewhere
            )
        except requests.exceptions.SSLError as error:
            raise UnreachableError(
                f"{self.url} does not prove who it is (its certificate is not valid): {error}"
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise UnreachableError(f"{self.url} does not answer ({_reason(error)})") from error
        except ValueError as error:  # a host name that cannot be encoded
            raise BadAnswerError(f"{self.url}{path} is no address: {error}") from error
        try:
            yield response
        finally:
            response.close()

    def _signature(self, method: str, path: str, body: bytes, request_id: str) -> dict[str, str]:
        if self._key is None:
            return {}
        request_id = request_id or secrets.token_hex(16)
        message = request_body_to_sign(method, self._base_path + path, body, request_id)
        return {
            DEVICE_HEADER: public_hex(self._key),
            REQUEST_HEADER: request_id,
            SIGNATURE_HEADER: encode_token(sign_bytes("request", message, self._key)),
        }

    def _raise_for_problem(self, response: requests.Response, data: bytes | None) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if data is None:
            data = b"".join(_pieces(response, self.url))[:REPLY_BYTES_MAX]
        retry_after_s = _retry_after(response.headers.get("Retry-After", ""))
        try:
            problem = msgspec.json.decode(data, type=Problem)
            text = (problem.detail or problem.title)[:PROBLEM_CHARS_MAX]
            raise ServerProblem(status, problem.code, text, retry_after_s)
        except (msgspec.DecodeError, UnicodeDecodeError):
            text = f"{self.url} answered with status {status}"
            if 300 <= status < 400:
                text += "; it sends elsewhere: use its new address"
            raise ServerProblem(status, "", text, retry_after_s) from None

    def _decoded(self, response: requests.Response, data: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadAnswerError(
                f"{self.url} is not an Idlegrid server, or a much newer one ({error})"
            ) from error


def compress(body: bytes) -> tuple[bytes, str]:
    """``body`` as it will travel, and its Content-Encoding. The same bytes every time."""
    if len(body) < GZIP_FROM_BYTES:
        return body, ""
    return gzip.compress(body, compresslevel=1, mtime=0), "gzip"


def _pieces(response: requests.Response, url: str) -> Iterator[bytes]:
    try:
        yield from response.iter_content(PIECE_BYTES)
    except (requests.exceptions.RequestException, OSError) as error:
        raise UnreachableError(
            f"{url} broke off in the middle of its answer ({_reason(error)})"
        ) from error


def _start_of(response: requests.Response, offset: int) -> int:
    if response.status_code != 206:
        return 0
    span = response.headers.get("Content-Range", "")
    first = span.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After header. A date in it is not used: whose clock is right?"""
    return min(float(text), RETRY_AFTER_S_MAX) if text.isdigit() else 0.0


def _reason(error: Exception) -> str:
    cause: BaseException = error
    while (inner := cause.__context__ or cause.__cause__) is not None:
        cause = inner
    reason = getattr(cause, "strerror", None) or type(cause).__name__
    return str(reason)
