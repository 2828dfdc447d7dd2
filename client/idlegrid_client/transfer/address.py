"""Addresses: what a volunteer may type, and where plain http is allowed."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

LINK_CHARS_MAX = 2_000
FINGERPRINT_CHARS = 40


class AddressError(ValueError):
    """An address that cannot be used; the message says why and what would be right."""


@dataclass(frozen=True)
class JoinLink:
    """A project's address without a trailing slash, and the fingerprint if the link names one."""

    url: str
    fingerprint: str = ""


def parse_link(text: str) -> JoinLink:
    """Read ``https://PROJECT/join#root=FINGERPRINT`` or a bare address.

    Raises :class:`AddressError`. A path before ``/join`` stays part of the address.
    """
    text = text.strip()
    if not text or len(text) > LINK_CHARS_MAX:
        raise AddressError("give the project's link, such as https://project.example/join#root=…")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise AddressError(f"{text!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise AddressError(f"{text!r} is no address: it must begin with https:// and name a server")
    if parts.username is not None or parts.query:
        raise AddressError(f"{text!r} must hold neither a user's name nor a ? part")
    if parts.scheme == "http" and not is_loopback(host):
        raise AddressError(
            f"{host} is another machine, and beyond this one only https is safe: "
            "use the project's https address"
        )
    path = parts.path.rstrip("/").removesuffix("/join")
    name = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{name}{f':{port}' if port else ''}{path}"
    return JoinLink(url, _fingerprint(parts.fragment))


def _fingerprint(fragment: str) -> str:
    if not fragment:
        return ""
    values = parse_qs(fragment).get("root", [])
    if len(values) != 1:
        raise AddressError(f"the link's part after # must be root=FINGERPRINT, not {fragment!r}")
    return check_fingerprint(values[0])


def check_fingerprint(text: str) -> str:
    """The fingerprint in lower case without spaces; raises :class:`AddressError`."""
    plain = text.replace(" ", "").replace(":", "").lower()
    if len(plain) != FINGERPRINT_CHARS or any(c not in "0123456789abcdef" for c in plain):
        raise AddressError(
            f"{text!r} is no fingerprint: it must have {FINGERPRINT_CHARS} digits of 0-9 and a-f"
        )
    return plain


def check_server_url(url: str) -> str:
    """The host of a project's address; raises :class:`AddressError` if it must not be used."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise AddressError(f"{url} is not https, and it is not this machine")
    return host


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this very machine: 127.0.0.0/8, ::1 or localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
