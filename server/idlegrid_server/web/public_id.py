"""Public ids: what a stranger could count is shown as a keyed permutation of the database's ids.

A Feistel network over keyed BLAKE2b permutes the 64-bit numbers; thirteen base-32 digits write
them down. Each kind has its own permutation, so that an id of one kind says nothing of another.
"""

import hashlib
from typing import Literal

Kind = Literal["task", "wu", "batch", "host", "account", "token", "incident", "validation"]
KINDS: tuple[Kind, ...] = (
    "task",
    "wu",
    "batch",
    "host",
    "account",
    "token",
    "incident",
    "validation",
)

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
DIGITS = 13  # 65 bits; the first one holds four
ROUNDS = 4  # of a keyed function: a strong pseudorandom permutation (Luby & Rackoff 1988)
SECRET_BYTES_MIN = 16
_HALF = 0xFFFFFFFF
_VALUE = {digit: value for value, digit in enumerate(ALPHABET)}
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


class PublicIdError(ValueError):
    """Not a public id of the wanted kind."""


class PublicIds:
    """The permutations under one secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"the secret of public ids needs {SECRET_BYTES_MIN} bytes or more")
        self._rounds = {
            kind: tuple(
                hashlib.blake2b(
                    bytes([number]), digest_size=4, key=secret[:64], person=kind.encode()
                )
                for number in range(ROUNDS)
            )
            for kind in KINDS
        }

    def encode(self, kind: Kind, number: int) -> str:
        """``kind_…`` for the database's id ``number`` (0 to 2^63-1)."""
        left, right = number >> 32, number & _HALF
        for keyed in self._rounds[kind]:
            mixed = keyed.copy()
            mixed.update(right.to_bytes(4, "big"))
            left, right = right, left ^ int.from_bytes(mixed.digest(), "big")
        mixed_id = left << 32 | right
        return (
            f"{kind}_{ALPHABET[mixed_id >> 60]}"
            f"{_PAIRS[mixed_id >> 50 & 1023]}{_PAIRS[mixed_id >> 40 & 1023]}"
            f"{_PAIRS[mixed_id >> 30 & 1023]}{_PAIRS[mixed_id >> 20 & 1023]}"
            f"{_PAIRS[mixed_id >> 10 & 1023]}{_PAIRS[mixed_id & 1023]}"
        )

    def decode(self, kind: Kind, text: str) -> int:
        """The database's id; raises :class:`PublicIdError` for anything :meth:`encode` cannot give.

        A changed digit leads to a number that no row has, but by an astronomic chance.
        """
        digits = text[len(kind) + 1 :]
        if not text.startswith(kind + "_") or len(digits) != DIGITS:
            raise PublicIdError(f"{text[:40]!r} is not the id of a {kind}")
        mixed_id = 0
        for digit in digits:
            value = _VALUE.get(digit)
            if value is None:
                raise PublicIdError(f"{text[:40]!r} is not the id of a {kind}")
            mixed_id = mixed_id << 5 | value
        if mixed_id >> 64:
            raise PublicIdError(f"{text[:40]!r} is not the id of a {kind}")
        left, right = mixed_id >> 32, mixed_id & _HALF
        for keyed in reversed(self._rounds[kind]):
            mixed = keyed.copy()
            mixed.update(left.to_bytes(4, "big"))
            left, right = right ^ int.from_bytes(mixed.digest(), "big"), left
        number = left << 32 | right
        if number >> 63:
            raise PublicIdError(f"{text[:40]!r} is not the id of a {kind}")
        return number
