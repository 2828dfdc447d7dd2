"""How many tasks a host may have in progress, and how it is promoted. Trust proper comes later.

A new host starts small; confirmed results double its cap, each error or invalid result halves it
(BOINC.md 2.11a.8 and trap 5: there, invalids cost nothing, and a host that is always wrong is never
slowed down).
"""

from .model import HostSnapshot, HostState

LIMIT_PER_CORE_FIRST = 2
LIMIT_PER_CORE_MAX = 8
LIMIT_MAX = 512
VALID_UNTIL_TRUSTED = 3


def first_limit(cores: int) -> int:
    """Tasks in progress that a host may have before anything is known of it."""
    return max(2, min(LIMIT_MAX, LIMIT_PER_CORE_FIRST * cores))


def next_limit(limit: int, cores: int, valid: int, bad: int) -> int:
    """The cap after ``valid`` confirmed results, then ``bad`` errors and invalid ones."""
    top = max(first_limit(cores), min(LIMIT_MAX, LIMIT_PER_CORE_MAX * cores))
    grown = min(top, limit << min(valid, 10))
    return max(1, grown >> min(bad, 10))


def is_proven(host: HostSnapshot) -> bool:
    """Whether the host may be given what is reserved for hosts that have proven themselves."""
    return host.house or host.state == "trusted"


def next_state(
    state: HostState, n_valid: int, *, proven: bool = False, by_quorum: bool = False
) -> tuple[HostState, str] | None:
    """(state, reason) that a host's confirmed results bring it to; None = it stays.

    ``proven`` is the word of :mod:`.trust`. Where an app takes what a fixed quorum says, without
    asking who says it (``by_quorum``), a few confirmed results are enough: its own measure.
    """
    if state == "new":
        return "probation", "first_result"
    if state == "probation" and (proven or (by_quorum and n_valid >= VALID_UNTIL_TRUSTED)):
        return "trusted", "proven"
    return None
