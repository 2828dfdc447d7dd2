"""Short-lived addresses of private files: a MAC bound to task or account, file and expiry."""

import hashlib
import hmac

from idlegrid_shared.signing import encode_token

MAC_BYTES = 20
US = 1_000_000


class Tickets:
    """Makes and checks the ``token`` of a file's address, under a secret of the server."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hashlib.blake2b(key=secret[:64], digest_size=MAC_BYTES, person=b"file ticket")

    def make(self, owner: str, sha256: str, expires_at: int) -> str:
        """A ticket for ``owner`` (a public id, without dots) until ``expires_at`` (µs UTC)."""
        expires_s = expires_at // US
        return f"{owner}.{expires_s}.{self._mac(owner, sha256, expires_s)}"

    def check(self, ticket: str, sha256: str, now: int) -> str | None:
        """The owner that the ticket was made for; None if it is not good, or not any more."""
        owner, _, rest = ticket.partition(".")
        expires, _, mac = rest.partition(".")
        if not (expires.isascii() and expires.isdigit()) or len(expires) > 15:
            return None
        expires_s = int(expires)
        wanted = self._mac(owner, sha256, expires_s).encode()
        if not hmac.compare_digest(wanted, mac.encode("utf-8", "surrogatepass")):
            return None
        return owner if now < expires_s * US else None

    def _mac(self, owner: str, sha256: str, expires_s: int) -> str:
        keyed = self._keyed.copy()
        keyed.update(f"{owner}\n{sha256}\n{expires_s}".encode("utf-8", "surrogatepass"))
        return encode_token(keyed.digest())
