"""Why a host stands where it stands, in words: how far it is believed, what it may have, what next.

The numbers are those of the rules in :mod:`.trust` and :mod:`.host`; nothing is decided here.
"""

from math import ceil

from idlegrid_shared.documents import Policy

from .host import NEWCOMER_MAX, VALID_UNTIL_TRUSTED, VERDICTS_FIRST, is_newcomer
from .model import HostSnapshot, Standing
from .trust import checks_to_start, credibility, is_proven, is_shut_out

#: What an app asks for that believes single hosts and says nothing more.
USUAL = Policy(replication="credibility")


def trust_words(standing: Standing, policy: Policy = USUAL) -> str:
    """How far it is believed for one kind of work, and what is missing until it may speak alone."""
    if is_shut_out(standing.state):
        return "What it says counts for nothing while it is shut out."
    if standing.house:
        return "It is the project's own: it may speak alone and vouch for others from the start."
    chance = 100 * credibility(standing, policy)
    believed = f"A result of it is taken to be right with {chance:.4g} %"
    if is_proven(standing, policy):
        return f"{believed}: it may speak alone, and is checked in secret now and then."
    missing = checks_to_start(policy) - standing.passed
    if missing <= 0:
        return f"{believed}: it failed too many of its checks to speak alone."
    count = max(1, ceil(missing))
    checks = "one check" if count == 1 else f"{count} checks"
    return f"{believed}: it may speak alone when it has passed {checks} more, or others agree."


def limit_words(host: HostSnapshot) -> str:
    """What it may have at a time, and what changes that."""
    if is_newcomer(host):
        return (
            f"It is new: until its first {VERDICTS_FIRST} verdicts it has at most {NEWCOMER_MAX} "
            f"tasks and results that nobody has judged; it has {host.in_progress} and "
            f"{host.unjudged}, and {host.judged} verdicts."
        )
    return (
        f"It may hold {host.tasks_max} tasks at a time and has {host.in_progress}: "
        "results that are confirmed double that number, each error, wrong result or missed "
        "deadline halves it."
    )


def next_words(host: HostSnapshot, n_valid: int) -> str:
    """What brings it further; "" if it has come all the way."""
    if host.house or host.state not in ("new", "probation"):
        return ""
    left = max(0, VALID_UNTIL_TRUSTED - n_valid)
    results = "one more result" if left == 1 else f"{left} more results"
    by_quorum = f"{results} of it, for apps of a fixed quorum" if left else "a confirmed result"
    return f"It is trusted after {by_quorum}; after enough checks, for apps that believe hosts."
