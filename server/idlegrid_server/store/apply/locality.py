"""The large files of units, as their rows tell them."""

from functools import lru_cache

import msgspec

from idlegrid_server.domain.locality import large_files
from idlegrid_shared.documents import TaskInput

KEPT = 4_096
_inputs = msgspec.json.Decoder(tuple[TaskInput, ...])


@lru_cache(maxsize=KEPT)
def unit_files(inputs: str | None) -> str:
    """The large ones of a unit's own inputs, as ``domain/locality.py`` writes them."""
    if not inputs:
        return ""
    return large_files((file.sha256, file.bytes) for file in _inputs.decode(inputs))
