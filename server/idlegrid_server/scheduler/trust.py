"""What the project says of itself, signed: delegations and the week's timestamp, kept fresh."""

import threading
from collections.abc import Callable

import msgspec
from nacl.signing import SigningKey

from idlegrid_server.store.command import Store
from idlegrid_server.store.sql.account import SETTING
from idlegrid_shared.documents import TIMESTAMP_LIFE_S, Delegations, Timestamp
from idlegrid_shared.signing import Signed, open_document, sign_document

US = 1_000_000
# How long new delegations may stay unseen: less than it takes to type a command that needs them.
LOOK_AGAIN_US = US // 2
# Timestamps are issued on the hour, so that all processes sign the same one.
ISSUE_EVERY_US = 3600 * US


class NoDelegations(Exception):  # noqa: N818 - what is the case is its name
    """Root has not signed any delegations for this project yet."""


class Trusted(msgspec.Struct, frozen=True):
    """The project's word at a moment."""

    signed_delegations: Signed
    delegations: Delegations
    timestamp: Signed


class TrustDesk:
    """Reads delegations from the database now and then, and signs timestamps."""

    def __init__(
        self, store: Store, online_key: SigningKey, root: str, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._key = online_key
        self.root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._text: str | None = None
        self._looked_at = -LOOK_AGAIN_US
        self._hour = -1
        self._current: Trusted | None = None

    def current(self) -> Trusted:
        """Delegations and a timestamp that is good now; raises :class:`NoDelegations`."""
        now = self._clock()
        current = self._current
        if (
            current is not None
            and 0 <= now - self._looked_at < LOOK_AGAIN_US
            and now // ISSUE_EVERY_US == self._hour
        ):
            return current
        with self._lock:
            return self._renew(now)

    def newest(self) -> Trusted:
        """What :meth:`current` would say a moment later; for what is rare and must not be late."""
        with self._lock:
            return self._renew(self._clock())

    def _renew(self, now: int) -> Trusted:
        with self._store.reading() as db:
            text = db.fetch_one(SETTING, name="delegations")
        if text is None:
            raise NoDelegations("root has signed no delegations for this project yet")
        hour = now // ISSUE_EVERY_US
        if self._current is None or text != self._text or hour != self._hour:
            signed = msgspec.json.decode(text, type=Signed)
            document = open_document("delegations", signed, Delegations, key=self.root)
            issued_at = hour * ISSUE_EVERY_US
            timestamp = Timestamp(
                root=self.root,
                delegations_serial=document.serial,
                issued_at=issued_at,
                expires_at=issued_at + TIMESTAMP_LIFE_S * US,
            )
            self._current = Trusted(
                signed, document, sign_document("timestamp", timestamp, self._key)
            )
            self._text, self._hour = text, hour
        self._looked_at = now
        return self._current
