"""The listening socket. The supervisor opens it once, so that it outlives restarts of the web."""

import errno
import ipaddress
import socket

BACKLOG = 1024


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


def open_listener(bind: str, port: int) -> socket.socket:
    """A listening TCP socket on IP address ``bind``; raises :class:`ListenError`."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(bind).version == 6 else socket.AF_INET
    except ValueError as error:
        raise ListenError(f"web.bind = {bind!r} is not an IP address") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((bind, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(_reason(error, bind, port)) from error
    return listener


def _reason(error: OSError, bind: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {bind} is in use by another program: "
            "choose another with --port, or end that program"
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}: choose one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {bind}: correct web.bind in the settings"
    return f"cannot listen on {bind} port {port}: {error.strerror}"
