"""Whom to believe, and how far: every rule of trust. TRUST.md holds the theory and its sources.

1. Nobody is believed for free. A stranger is taken for honest with 1 - f, f the share of bad hosts
   that the app assumes; trust comes from checks alone: units that others decided too.
2. A check earns trust only if the others would have been believed without the host's own account.
   Every comparison counts for the finality of what the host said before.
3. A host that passed k checks is right with 1 - f/k, since one that is caught may come again under
   a new name. It is never believed more than its faded share of failed checks allows.
4. A result is accepted when the hosts that say so are right with 1 - error_max, all against all.
   A group must hold a proven host or three hands, and so many that each could be left out (that
   is how a project without house hosts begins). Otherwise one more task goes out, to a proven host
   if there are enough of them.
5. A host is proven, and may speak alone, when it has passed START checks, and so many that it will
   have passed f / error_max when its word becomes final. House hosts are proven from the start.
6. What a host says alone is provisional until it has passed `finality` further checks. One check
   failed, and all that it says alone is looked at again; while one is in dispute, nothing becomes
   final. So the share of wrong units that a liar makes final is at most 1 / (e · finality).
7. Of what proven hosts say alone a share is checked in secret, drawn by a seed that no host knows,
   when the result has come: so that `audit` of a host's tasks are checks, whichever side it is on.
8. Trust fades by half in 90 days. Checks are weighed by ops, up to 1: nobody earns it by trifles.
9. At the end of a stage the newest singles of each host are checked until the others are final.
10. Results of hosts that were caught since, or are shut out, have no vote. They are judged by what
    others say.
11. A failed check takes all trust. A second one that has not faded, or more failed than passed,
    shuts the host out for a day, twice as long each time.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, prod

from idlegrid_shared.documents import Policy

from .model import Check, Fleet, Hold, HostState, Standing, TaskSnapshot

MICROSECONDS = 1_000_000
DAY_US = 86_400 * MICROSECONDS
HALF_LIFE_US = 90 * DAY_US
#: Hosts of the project itself may be broken, too.
HOUSE_ERROR = 1e-5
#: Checks before a host may speak alone, however lax the app is.
START = 5
#: Units are kept for proven hosts where those are at least this share of all.
PROVEN_SHARE = 0.1
RESERVED_MIN_S = 600
AUDITS_AT_ONCE = 4
STREAK_TRUSTED = 10  # BOINC.md 2.11a
SHUT_OUT_US = DAY_US
SHUT_OUT_DOUBLINGS = 6
FAILED_TWICE = 1.5  # two failed checks, the first of them not yet faded by half

#: Results by the manifest that they agree with.
Groups = Mapping[bytes, Sequence[TaskSnapshot]]
Standings = Mapping[int, Standing]


def standing_of(task: TaskSnapshot, standings: Standings) -> Standing:
    """Of the host that has a task; a stranger's if nothing is known."""
    host_id = task.host_id or 0
    return standings.get(host_id) or Standing(host_id)


def faded(value: float, since: int, now: int) -> float:
    """A sum of checks as it stands at ``now`` (µs), when it was ``value`` at ``since``: rule 8."""
    return value * float(2.0 ** (-max(0, now - since) / HALF_LIFE_US))


def checks_to_start(policy: Policy) -> int:
    """Checks after which a host may speak alone: rule 5."""
    return max(START, ceil(policy.assumed_bad / policy.error_max) - policy.finality)


def is_shut_out(state: HostState) -> bool:
    """Whether hosts in this state have no vote and get no work."""
    return state in ("quarantined", "banned")


def credibility(standing: Standing, policy: Policy) -> float:
    """The probability that a result of this host is right: rules 1 and 3."""
    if standing.house:
        return 1.0 - HOUSE_ERROR
    earned = 1.0 - policy.assumed_bad / max(1.0, standing.passed)
    seen = 1.0 - standing.failed / (1.0 + standing.failed + standing.passed)
    return max(0.0, min(earned, seen))


def is_proven(standing: Standing, policy: Policy) -> bool:
    """Whether the host may speak alone, and vouch for others: rule 5."""
    if is_shut_out(standing.state):
        return False
    if standing.house:
        return True
    needed = checks_to_start(policy)
    seen = standing.failed / (1.0 + standing.failed + standing.passed)
    return standing.passed >= needed and seen <= policy.assumed_bad / needed


def is_void(task: TaskSnapshot, standings: Standings) -> bool:
    """Whether a result has no vote: rule 10."""
    standing = standing_of(task, standings)
    caught = standing.caught_at is not None and (task.received_at or 0) <= standing.caught_at
    return caught or is_shut_out(standing.state)


def weigh(groups: Groups, standings: Standings, policy: Policy) -> dict[bytes, float]:
    """For each group of agreeing results the probability that it is right.

    Sarmenta's credibility of groups (TRUST.md D), with the case that all are wrong.
    """
    right: dict[bytes, float] = {}
    wrong: dict[bytes, float] = {}
    for manifest, group in groups.items():
        trusts = [credibility(standing_of(task, standings), policy) for task in group]
        right[manifest] = prod(trusts)
        wrong[manifest] = prod(1.0 - trust for trust in trusts)
    cases = {
        manifest: chance * prod(against for other, against in wrong.items() if other != manifest)
        for manifest, chance in right.items()
    }
    total = sum(cases.values()) + prod(wrong.values())
    return {manifest: case / total if total > 0.0 else 0.0 for manifest, case in cases.items()}


def holds(group: Sequence[TaskSnapshot], standings: Standings, policy: Policy) -> bool:
    """Whether a group has whom it needs, a proven host or enough hands: rule 4."""
    return len(group) >= policy.strangers or any(
        is_proven(standing_of(task, standings), policy) for task in group
    )


def believed(groups: Groups, standings: Standings, policy: Policy) -> bytes | None:
    """The manifest of the group that is believed, or None: rule 4. Of a single result: rule 5."""
    if not groups:
        return None
    chances = weigh(groups, standings, policy)
    best = max(groups, key=lambda manifest: (chances[manifest], manifest))
    group = groups[best]
    if len(groups) == 1 and len(group) == 1:
        return best if is_proven(standing_of(group[0], standings), policy) else None
    if chances[best] < 1.0 - policy.error_max or not holds(group, standings, policy):
        return None
    return best


def is_audited(draw_seed: bytes, unit_id: int, policy: Policy) -> bool:
    """Whether what a proven host says alone is checked: rule 7.

    An audit is a check of two hosts: of a share a drawn, 2a / (1 + a) of all tasks are checks.
    """
    return draw(draw_seed, "audit", unit_id) < policy.audit / (2.0 - policy.audit)


def draw(seed: bytes, purpose: str, number: int) -> float:
    """A number in [0, 1) that nobody without the seed can foretell, and always the same."""
    digest = hashlib.blake2b(f"{purpose}:{number}".encode(), key=seed[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def is_final(standing: Standing, hold: Hold) -> bool:
    """Whether what a host said alone need not wait any longer: rule 6."""
    return standing.checks >= hold.final_at and standing.disputes == 0


def trusts_streak(task: TaskSnapshot, standings: Standings, seed: bytes, unit_id: int) -> bool:
    """BOINC's rule (BOINC.md 2.11a.2), drawn for each unit instead of each request."""
    streak = standing_of(task, standings).streak
    return streak >= STREAK_TRUSTED and draw(seed, "streak", unit_id) > 1.0 / streak


def checks_of(
    accepted: Sequence[TaskSnapshot],
    others: Iterable[TaskSnapshot],
    standings: Standings,
    policy: Policy,
    typical_ops: int = 0,
) -> tuple[Check, ...]:
    """What an accepted group says of its hosts and of those who said something else: rule 2."""
    checks = []
    for task in accepted:
        rest = [other for other in accepted if other.host_id != task.host_id]
        if task.host_id is None or not rest:
            continue
        earns = _stands(rest, standings, policy)
        checks.append(Check(task.host_id, True, earns, weight(task.ops, typical_ops)))
    checks += [Check(task.host_id, False, True) for task in others if task.host_id is not None]
    return tuple(checks)


def _stands(group: Sequence[TaskSnapshot], standings: Standings, policy: Policy) -> bool:
    if any(is_proven(standing_of(task, standings), policy) for task in group):
        return True
    return weigh({b"": group}, standings, policy)[b""] >= 1.0 - policy.error_max


def weight(ops: int, typical_ops: int) -> float:
    """How much a check counts: rule 8. ``typical_ops`` is what a task of the app takes; 0: any."""
    if typical_ops <= 0 or ops <= 0:
        return 1.0
    return min(1.0, ops / typical_ops)


def reserves(fleet: Fleet) -> bool:
    """Whether further tasks of a unit are kept for proven hosts: rule 4."""
    return fleet.proven >= 2 and fleet.proven >= PROVEN_SHARE * fleet.active


def reserved_s(policy: Policy) -> int:
    """How long they are kept, before anybody may have them."""
    return max(RESERVED_MIN_S, policy.deadline_s // 24)


def units_to_audit(final_at: Sequence[int], checks: int) -> int:
    """How many of a host's newest singles to check at the end of a stage: rule 9.

    ``final_at`` are those of its provisional units, none of which is being checked, and ``checks``
    how many checks the host has passed. Each audit is a check for all older ones. Of many that are
    missing half are asked for at first: whoever audits is checked by it as well, so that much of
    the other half comes from the audits of others.
    """
    count = 0
    for at in sorted(final_at, reverse=True):
        if at <= checks + count:
            break
        count += 1
    return count if count <= AUDITS_AT_ONCE else (count + 1) // 2


def next_standing(state: HostState, passed: float, failed: float) -> tuple[HostState, str] | None:
    """(state, reason) that a failed check brings a host to, its sums counted in: rule 11."""
    if state in ("quarantined", "banned", "retired"):
        return None
    if failed >= FAILED_TWICE or (failed > passed and failed > 1.0):
        return "quarantined", "results_differ"
    return ("probation", "check_failed") if state == "trusted" else None


def shut_out_until(now: int, times: int) -> int:
    """When a host that was shut out ``times`` times before, and is now, gets another chance."""
    return now + (SHUT_OUT_US << min(times, SHUT_OUT_DOUBLINGS))
