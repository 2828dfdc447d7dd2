"""Why a host gets nothing, in the words of HTTP."""

from typing import Any

from idlegrid_server.web.access import Device
from idlegrid_server.web.problem import Refusal
from idlegrid_server.web.services import Services


def host_refusal(with_: Services, device: Device, status: str, reason: str) -> Refusal:
    """Why a host gets nothing, as the store says it; noted where an admin should know."""
    note = with_.incidents.record
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
