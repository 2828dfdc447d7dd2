"""What hosts answer: the truth, an accident, a lie of their own, or a lie that a ring agreed on.

An answer is the manifest hash that would vote. ``RIGHT`` stands for the one true result.
"""

import zlib
from dataclasses import dataclass
from random import Random
from typing import Literal

RIGHT = b"right"
Kind = Literal["honest", "flaky", "liar", "ring", "sleeper", "ghost"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``rate`` is the share of results (of units, in a ring) that are wrong.

    - flaky: by accident, never twice the same
    - liar: on purpose, each for himself
    - ring: all members lie on the same units with the same value
    - sleeper: in a ring, but honest for its first ``honest_for`` results
    - ghost: takes work and is soon gone (``stays_s``, the mean)

    ``rejoins``: once one of its results was found wrong, it starts over as somebody new.
    """

    kind: Kind = "honest"
    rate: float = 0.0
    ring: int = 0
    honest_for: int = 0
    rejoins: bool = False
    stays_s: float | None = None

    def answer(self, unit: int, host: int, done: int, rng: Random) -> bytes:
        """The answer to ``unit``, by a host that has given ``done`` answers before."""
        if self.kind in ("honest", "ghost") or done < self.honest_for:
            return RIGHT
        if self.kind in ("ring", "sleeper"):
            return b"ring %d" % self.ring if self._agreed_on(unit) else RIGHT
        if rng.random() >= self.rate:
            return RIGHT
        return b"host %d" % host if self.kind == "liar" else b"accident %d" % rng.getrandbits(60)

    def _agreed_on(self, unit: int) -> bool:
        """Whether the ring lies on this unit: all its members draw the same."""
        return zlib.crc32(b"%d:%d" % (self.ring, unit)) / 2**32 < self.rate


HONEST = Behaviour()
