"""Where a request comes from: the address, through believed proxies only, and its subnet."""

import functools
import ipaddress
from collections.abc import Mapping
from typing import Any

PREFIX_V4 = 24
PREFIX_V6 = 48
FORWARDED_MAX = 20  # addresses in one X-Forwarded-For

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peers:
    """Tells peers apart. ``proxies`` are addresses or networks whose X-Forwarded-For is believed.

    Raises ``ValueError`` for what is neither.
    """

    def __init__(self, proxies: tuple[str, ...] = ()) -> None:
        self._proxies: tuple[Network, ...] = tuple(
            ipaddress.ip_network(text, strict=False) for text in proxies
        )

    def address(self, environ: Mapping[str, Any]) -> str:
        """The peer's address; "" where there is none (a Unix socket, a test)."""
        address = str(environ.get("REMOTE_ADDR") or "")
        if not self._proxies or not self._believed(address):
            return address
        hops = str(environ.get("HTTP_X_FORWARDED_FOR") or "").split(",")[-FORWARDED_MAX:]
        for hop in reversed([text.strip() for text in hops]):
            if not _is_address(hop):
                break
            address = hop
            if not self._believed(hop):
                break
        return address

    def subnet(self, environ: Mapping[str, Any]) -> str:
        """The peer's subnet, /24 or /48: what colluding replicas must not share."""
        return subnet_of(self.address(environ))

    def _believed(self, address: str) -> bool:
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@functools.lru_cache(maxsize=4096)
def subnet_of(address: str) -> str:
    """``192.0.2.0/24`` or ``2001:db8:1::/48``; "" for what is no address."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    prefix = PREFIX_V4 if known.version == 4 else PREFIX_V6
    return str(ipaddress.ip_network(f"{known}/{prefix}", strict=False))
