"""Seeds: what a program may use as its only source of randomness. Equal for all replicas.

A batch's seed comes from the app's name and version and the text that the scientist gave; a unit's
from its batch's, its stage and its index, never from the task, so that replicas agree and a run
without a server computes the same bytes.
"""

import hashlib

SEED_BYTES = 32
SEED_TEXT = "0"  # when the scientist gives none
_WIDTH = 8


def _part(text: str) -> bytes:
    """The text with its length before it, so that no two lists of parts give the same bytes."""
    data = text.encode()
    return len(data).to_bytes(_WIDTH, "big") + data


def batch_seed(app: str, version: str, seed_text: str = SEED_TEXT) -> bytes:
    """The 32 bytes that the seeds of all units of a batch come from."""
    return hashlib.blake2b(
        _part(app) + _part(version) + _part(seed_text),
        digest_size=SEED_BYTES,
        person=b"idlegrid batch",
    ).digest()


def unit_seed(batch_seed: bytes, stage: int, index: int) -> bytes:
    """The 32 bytes that every replica of unit ``index`` of stage ``stage`` gets.

    Raises ``ValueError`` for a batch seed of another length or a negative number.
    """
    if len(batch_seed) != SEED_BYTES or stage < 0 or index < 0:
        raise ValueError(
            f"a unit's seed needs {SEED_BYTES} bytes and two numbers from 0, "
            f"not {len(batch_seed)} bytes, stage {stage}, index {index}"
        )
    return hashlib.blake2b(
        batch_seed + stage.to_bytes(_WIDTH, "big") + index.to_bytes(_WIDTH, "big"),
        digest_size=SEED_BYTES,
        person=b"idlegrid unit",
    ).digest()
