"""Pages of lists, moments as text, ids out of addresses."""

from datetime import UTC, datetime, timedelta

from flask import request

from idlegrid_server.web.access import services
from idlegrid_server.web.problem import malformed, not_found
from idlegrid_server.web.public_id import Kind, PublicIdError

from .route import PAGE, PAGE_MAX

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST = 2**62


def moment(at: int | None) -> str | None:
    """A moment (µs UTC) as RFC 3339 in UTC, to the millisecond."""
    if at is None:
        return None
    text = (EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def page_limit() -> int:
    """The wanted number of entries; raises a 400 refusal."""
    text = request.args.get("limit", "")
    if not text:
        return PAGE
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= PAGE_MAX:
        raise malformed(f"limit must be a number from 1 to {PAGE_MAX}.")
    return int(text)


def number(name: str, default: int) -> int:
    """A query parameter that is a number from 0; raises a 400 refusal."""
    text = request.args.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise malformed(f"{name} must be a number from 0.")
    return int(text)


def id_cursor(kind: Kind, default: int) -> int:
    """The cursor of a list whose entries are known by public ids; raises a 400 refusal."""
    text = request.args.get("cursor", "")
    if not text:
        return default
    try:
        return services().ids.decode(kind, text)
    except PublicIdError as error:
        raise malformed("The cursor is not one that a page before this gave.") from error


def decode_id(kind: Kind, text: str, what: str) -> int:
    """The database's id of a public one in an address; raises a 404 refusal."""
    try:
        return services().ids.decode(kind, text)
    except PublicIdError as error:
        raise not_found(what) from error
