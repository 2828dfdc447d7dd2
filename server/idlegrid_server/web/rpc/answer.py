"""Answers to hosts: JSON, never cached; and the store's trouble in the words of HTTP."""

from typing import Any

import msgspec
from flask import Response

from idlegrid_server.store.command import StoreError, StoreFailed, StoreUnavailable
from idlegrid_server.web.access import Device, services
from idlegrid_server.web.problem import Refusal

BUSY_RETRY_S = 2
_encode = msgspec.json.Encoder().encode
_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


def answer(message: msgspec.Struct, status: int = 200) -> Response:
    """``message`` as a reply."""
    return Response(_encode(message), status, _HEADERS, direct_passthrough=True)


def store_refusal(error: StoreError) -> Refusal:
    """What a store's error means to the asker; a fault inside the store is raised again."""
    if isinstance(error, StoreUnavailable):
        return Refusal(
            503,
            "busy",
            "The server is busy; try again in a moment. A repeat is recognised as one.",
            retry_after_s=BUSY_RETRY_S,
        )
    if isinstance(error, StoreFailed):
        if error.code == "disk_full":
            return Refusal(503, "disk_full", "The server's disk is full.", retry_after_s=60)
        raise error
    return Refusal(409, error.code, f"{error.text[:1].upper()}{error.text[1:]}.")


def host_refusal(device: Device, status: str, reason: str) -> Refusal:
    """Why a host gets nothing, as the store says it; noted where an admin should know."""
    note = services().incidents.record
    source = device.key_hex[:16]
    if status == "unknown_host":
        note("unknown_host", device.subnet, f"device {source}… is not known")
        return Refusal(401, "unknown_host", "This device is not known here; enrol it again.")
    if status == "forbidden":
        note("banned", source, f"a host that is shut out asks again: {reason}")
        return Refusal(
            403, "banned", f"This host may not take part: {reason or 'an admin revoked it'}."
        )
    if status == "clone":
        note("clone", source, "a lower sequence number: the host's disk was copied or restored")
        return Refusal(
            409,
            "clone",
            "This device key is used by another copy of the client, which is further on. "
            "Make a new device key and enrol.",
        )
    return Refusal(
        409, "conflict", "This request id was used before with another body. Take a new id."
    )


def guard_protocol(version: Any, spoken: int) -> None:
    """Raise a 426 :class:`Refusal` unless the host speaks this server's version."""
    if version != spoken:
        older = isinstance(version, int) and version < spoken
        whose = "Update the client." if older else "The project's server must be updated first."
        raise Refusal(
            426,
            "upgrade",
            f"This server speaks version {spoken} of the protocol, the client {version}. {whose}",
            headers={"Upgrade": f"idlegrid/{spoken}"},
        )
