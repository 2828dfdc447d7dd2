"""How many tasks a host may have, and how it is promoted.

Until its first three verdicts a volunteer's host has at most a dozen tasks in progress and results
that nobody has judged, however large it is: that is all that a broken one can spoil before it is
found out. Then confirmed results double its cap in progress; each error or invalid result halves
it (BOINC.md 2.11a.8 and trap 5: there, invalids cost nothing, and a host that is always wrong is
never slowed down).
"""

from .model import HostSnapshot, HostState

LIMIT_PER_CORE_FIRST = 2
LIMIT_PER_CORE_MAX = 8
LIMIT_MAX = 512
NEWCOMER_MAX = 12
VERDICTS_FIRST = 3
VALID_UNTIL_TRUSTED = 3


def first_limit(cores: int, house: bool = False) -> int:
    """Tasks in progress that a host may have before anything is known of it."""
    most = LIMIT_MAX if house else NEWCOMER_MAX
    return max(2, min(most, LIMIT_PER_CORE_FIRST * cores))


def next_limit(
    limit: int, cores: int, valid: int, bad: int, *, before: int = VERDICTS_FIRST, invalid: int = 0
) -> int:
    """The cap after ``valid`` confirmed results, then ``bad`` errors and invalid ones.

    ``before`` counts the host's verdicts until then, ``invalid`` those among ``bad``. The first
    three verdicts do not double it.
    """
    top = max(limit, first_limit(cores), min(LIMIT_MAX, LIMIT_PER_CORE_MAX * cores))
    doublings = min(valid, max(0, before + valid + invalid - VERDICTS_FIRST), 10)
    return max(1, min(top, limit << doublings) >> min(bad, 10))


def is_newcomer(host: HostSnapshot) -> bool:
    """Whether too little is known of a host to give it much.

    Nothing but an admin's word raises a cap above the first before the first verdicts: then it
    holds.
    """
    known = host.house or host.judged >= VERDICTS_FIRST
    return not known and host.tasks_max <= NEWCOMER_MAX


def allowance(host: HostSnapshot) -> tuple[int, bool]:
    """How many more tasks the host may have, and whether it is for being new that they are few."""
    free = max(0, host.tasks_max - host.in_progress)
    if is_newcomer(host):
        left = max(0, NEWCOMER_MAX - host.in_progress - host.unjudged)
        if left < free:
            return left, True
    return free, False


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
