"""Which files a host has already: work that needs no download goes there first.

Hosts name large files that they hold by the start of their hash; small ones are not worth a word.
"""

from collections.abc import Iterable

LARGE_BYTES = 1024 * 1024
PREFIX = 16  # hex digits of a SHA-256
LISTED_MAX = 64  # large files that a stage names; the rest is no reason for a choice


def large_files(sizes: Iterable[tuple[str, int]]) -> str:
    """The large ones of (SHA-256 in hex, bytes) as a stage keeps them."""
    found = {sha256[:PREFIX] for sha256, size in sizes if size >= LARGE_BYTES}
    return " ".join(sorted(found)[:LISTED_MAX])


def absent(files: str, held: frozenset[str]) -> int:
    """How many of a stage's large files a host would have to fetch."""
    return sum(prefix not in held for prefix in files.split())
