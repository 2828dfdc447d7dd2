"""Random bytes for the guest, a pure function of the work unit's seed.

Page ``k`` of the stream is SHAKE256("idlegrid-random-v1" ‖ len(seed) ‖ seed ‖ k), 4096 bytes long,
numbers as 8 bytes little-endian. Counter mode makes the position the only state.
"""

import hashlib

PAGE_BYTES = 4096
_LABEL = b"idlegrid-random-v1"


class SeededStream:
    """An endless stream of bytes; ``position`` counts the bytes already drawn."""

    def __init__(self, seed: bytes, position: int = 0) -> None:
        self.seed = seed
        self.position = position
        self._index = -1
        self._page = b""

    def draw(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        parts = []
        while size > 0:
            index, offset = divmod(self.position, PAGE_BYTES)
            part = self._load(index)[offset : offset + size]
            parts.append(part)
            self.position += len(part)
            size -= len(part)
        return b"".join(parts)

    def _load(self, index: int) -> bytes:
        if index != self._index:
            length = len(self.seed).to_bytes(8, "little")
            text = _LABEL + length + self.seed + index.to_bytes(8, "little")
            self._page = hashlib.shake_256(text).digest(PAGE_BYTES)
            self._index = index
        return self._page
