"""Policies as stages store them: JSON, the same text for many units."""

from functools import lru_cache

import msgspec

from idlegrid_shared.documents import Policy

_decoder = msgspec.json.Decoder(Policy)


@lru_cache(maxsize=1024)
def policy(text: str) -> Policy:
    """The policy that ``text`` says; each text is read once."""
    return _decoder.decode(text)
